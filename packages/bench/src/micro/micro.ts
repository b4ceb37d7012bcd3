/** The hot rooms alone, by mitata: time and bytes allocated per operation. Run by `pnpm bench micro`. */
import { IncomingMessage, ServerResponse } from 'node:http'
import { bench, group, run } from 'mitata'
import { CASES, DOCUMENT, HELLO, type RequestShape } from '../cases.ts'
import { rawListener } from '../apps/handlers.ts'
import { fastcgiRequest } from '../load/request-bytes.ts'
import { HEAD_OPTIONS, LIMITS, loadRooms } from './rooms.ts'
import { wholeRequest } from './whole-request.ts'

const rooms = await loadRooms(process.argv[2])

function shape(id: string): RequestShape {
  const found = CASES.find((one) => one.id === id)
  if (found === undefined) throw new RangeError(id)
  return found.request
}

const hello = fastcgiRequest(shape('hello'), 1, true)
const json = fastcgiRequest(shape('json'), 1, true)
const post = fastcgiRequest(shape('post'), 1, true)

/** The PARAMS block inside the bytes of a request: behind BEGIN_REQUEST and one record header. */
function paramsOf(request: Buffer): Buffer {
  return request.subarray(24, 24 + request.readUInt16BE(20))
}

const helloParams = paramsOf(hello)
const jsonParams = paramsOf(json)
/** What proxies and a CDN add to a browser's headers. */
const manyHeaders = Array.from({ length: 15 }, (_, i): [string, string] => [
  `X-Added-On-The-Way-${i}`,
  `value ${i}`,
])
const many = { ...shape('json'), headers: [...shape('json').headers, ...manyHeaders] }
const manyParams = paramsOf(fastcgiRequest(many, 1, true))
const document = Buffer.from(JSON.stringify(DOCUMENT))
const documentText = document.toString()
const lines =
  'Content-Type: application/json\r\nDate: Sat, 28 Nov 2026 18:00:00 GMT\r\nContent-Length: 1017\r\n\r\n'

const WARM_UP = 20_000

/**
 * One benchmark, compiled before it is timed: mitata decides by the first calls whether it times one call or a batch,
 * and one call of a microsecond cannot be timed. Bytes are the growth of the heap in
 * batches without a collection.
 */
function hot(name: string, operation: () => unknown): void {
  for (let i = 0; i < WARM_UP; i++) operation()
  bench(name, operation)
}

group('decode PARAMS (cgi/request-head)', () => {
  hot('20 params', () => rooms.readRequestHead(helloParams, HEAD_OPTIONS))
  hot('31 params, a browser', () => rooms.readRequestHead(jsonParams, HEAD_OPTIONS))
  hot('46 params, a browser behind proxies', () => rooms.readRequestHead(manyParams, HEAD_OPTIONS))
  hot('every param, when asked for', () => rooms.readParams(jsonParams))
})

group('bytes to events (protocol/connection)', () => {
  const connection = new rooms.Connection(LIMITS)
  const receive = (bytes: Buffer): number => {
    const events = connection.receive(bytes)
    const first = events[0]
    if (first === undefined) throw new Error('no event')
    connection.end(first.request)
    return events.length
  }
  hot('GET in one chunk', () => receive(hello))
  hot('POST 1 KB in one chunk', () => receive(post))
})

group('build request and response (Node itself, for comparison)', () => {
  hot('IncomingMessage', () => new IncomingMessage(null as never))
  const request = new IncomingMessage(null as never)
  request.method = 'GET'
  request.httpVersionMajor = 1
  request.httpVersionMinor = 1
  hot('ServerResponse', () => new ServerResponse(request))
})

group('head block and frame', () => {
  hot('cgiBlock (http/outgoing)', () => rooms.cgiBlock(lines, 200, 'OK'))
  hot('text of 1 KB and the end as one string', () => {
    return rooms.streamRecordText(6, 1, documentText) + rooms.endRecordsText(1)
  })
  hot('bytes of 1 KB', () => rooms.streamRecords(6, 1, document))
})

const empty = wholeRequest(rooms, (_req, res) => res.end(HELLO))
const app = wholeRequest(rooms, rawListener)
for (const ask of [
  async () => empty(hello),
  async () => app(hello),
  async () => app(json),
  async () => app(post),
]) {
  for (let i = 0; i < WARM_UP; i++) await ask()
}
group('a whole request without a kernel', () => {
  bench('hello, handler sets no header', async () => empty(hello))
  bench('hello', async () => app(hello))
  bench('1 KB JSON, browser headers', async () => app(json))
  bench('POST 1 KB', async () => app(post))
})

await run({ colors: process.stdout.isTTY === true })
