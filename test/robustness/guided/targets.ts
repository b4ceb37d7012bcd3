/**
 * The pure parts as functions of bytes, for a fuzzer that is guided by coverage: each returns, or throws when what must
 * always be true is not. What must be true of a request and of a response is the same as in `../fuzz/`.
 */
import { decodePath, encodePath, mountEnd } from '../../../packages/core/src/cgi/target.ts'
import {
  HeadError,
  readParams,
  readRequestHead,
} from '../../../packages/core/src/cgi/request-head.ts'
import { ClientError } from '../../../packages/core/src/client/errors.ts'
import { ResponseHeadReader } from '../../../packages/core/src/client/response-head.ts'
import { cgiBlock } from '../../../packages/core/src/http/outgoing.ts'
import {
  ClientConnection,
  Connection,
  decodePairs,
  encodePairs,
  ProtocolError,
  type ConnectionLimits,
} from '../../../packages/core/src/protocol.ts'
import { headOptions } from '../../support/head-options.ts'
import { describeClientEvent, describeEvent, joinParts } from '../../support/protocol-events.ts'
import { deliver, pair } from '../../support/raw.ts'
import { checkParsed } from '../fuzz/app.ts'
import { checkBlock } from '../fuzz/check.ts'

/** Takes bytes; throws when something is wrong. */
export type Target = (data: Buffer) => void

const limits: ConnectionLimits = {
  maxParamsBytes: 200,
  maxRequestsPerConnection: 3,
  maxPendingPerConnection: 2,
  multiplex: true,
  roles: { responder: true, authorizer: true, filter: true },
  values: { FCGI_MAX_CONNS: '100', FCGI_MAX_REQS: '50', FCGI_MPXS_CONNS: '1' },
}

function wrong(message: string): never {
  throw new Error(message)
}

/** The first byte says where the others are cut. */
function cut(data: Buffer): { whole: Buffer; parts: Buffer[] } {
  const whole = data.subarray(1)
  const step = 1 + ((data[0] ?? 0) % 40)
  const parts: Buffer[] = []
  for (let at = 0; at < whole.length; at += step)
    parts.push(Buffer.from(whole.subarray(at, at + step)))
  return { whole, parts }
}

/** What a web server sends: the same events however it is cut, and never an exception. */
function records(data: Buffer): void {
  const { whole, parts } = cut(data)
  const one = joinParts(
    new Connection<unknown>(limits).receive(Buffer.from(whole)).map(describeEvent),
  )
  const connection = new Connection<unknown>(limits)
  const many = joinParts(deliver(parts, (chunk) => connection.receive(chunk).map(describeEvent)))
  if (one.join('\n') !== many.join('\n'))
    wrong(`whole: ${one.join(' | ')}; cut: ${many.join(' | ')}`)
  if (connection.heldParams > 3 * limits.maxParamsBytes) wrong(`${connection.heldParams} held`)
  for (const request of connection.requests()) connection.end(request)
  if (connection.active + connection.pending !== 0) wrong('requests are left')
}

/** What an application sends, to our client: the same. */
function answers(data: Buffer): void {
  const { whole, parts } = cut(data)
  const begun = (): ClientConnection<unknown> => {
    const connection = new ClientConnection<unknown>()
    for (let n = 0; n < 3; n++)
      connection.begin({ role: 1, keepConnection: true, params: [], context: n })
    return connection
  }
  const one = joinParts(begun().receive(Buffer.from(whole)).map(describeClientEvent))
  const connection = begun()
  const many = joinParts(
    deliver(parts, (chunk) => connection.receive(chunk).map(describeClientEvent)),
  )
  if (one.join('\n') !== many.join('\n'))
    wrong(`whole: ${one.join(' | ')}; cut: ${many.join(' | ')}`)
}

/** A block of name-value pairs: read as it was written, the same by each of the readers, or refused by all. */
function pairs(data: Buffer): void {
  let list: [string, string][] | undefined
  try {
    list = decodePairs(data)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  let params: Record<string, string> | undefined
  try {
    params = readParams(data)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  if ((list === undefined) !== (params === undefined)) wrong('one reader refuses, another does not')
  if (list === undefined) {
    let refused = false
    readHead(data, 0, () => (refused = true))
    return refused ? undefined : wrong('a broken block is a request')
  }
  const again = decodePairs(encodePairs(list))
  if (JSON.stringify(again) !== JSON.stringify(list)) wrong('written again it reads otherwise')
  for (const [name] of list)
    if (!Object.hasOwn(params!, name)) wrong(`${name} is not among the params`)
  readHead(data, 0)
}

const mounts = [undefined, undefined, '', '/app', '/a b/%2F'] as const

function readHead(block: Buffer, choice: number, refused: () => void = () => {}): void {
  const mount = mounts[choice % mounts.length]
  const target = choice & 64 ? ('normalized' as const) : ('raw' as const)
  let head
  try {
    head = readRequestHead(
      block,
      headOptions({
        mount,
        target,
        resolve: (path) => path,
        trustedProxies: () => (choice & 128) !== 0,
      }),
    )
  } catch (error) {
    if (!(error instanceof HeadError)) throw error
    refused()
    return
  }
  checkParsed(head, wrong)
  if (head.body === 'length' && head.contentLength < 0) wrong('a body of no length')
  for (const port of [head.remotePort, head.localPort]) {
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
      wrong(`port ${port}`)
  }
  if (head.remoteAddress !== undefined && /[^0-9a-fA-F:.%\w]/.test(head.remoteAddress))
    wrong(`address ${JSON.stringify(head.remoteAddress)}`)
  if (head.mount === '' && head.url !== head.originalUrl)
    wrong(`without a mount ${head.url} of ${head.originalUrl}`)
  if (mount === '' && head.mount !== '') wrong(`mount ${head.mount}, set to none`)
  const path = head.originalUrl.split('?')[0]!
  const decoded = decodePath(head.mount)
  if (decoded !== '' && mountEnd(path, decoded) < 0 && mountEnd(path, decoded, true) < 0)
    wrong(`mount ${head.mount} of ${path}`)
}

/** Lines `NAME=value`, so that lengths are always right: a request as it must look, or a refusal. */
function variables(data: Buffer): void {
  const lines = data.subarray(1).toString('latin1').split('\n')
  const block = Buffer.concat(
    lines.map((line) => {
      const at = line.indexOf('=')
      return at < 0 ? pair(line, '') : pair(line.slice(0, at), line.slice(at + 1))
    }),
  )
  readHead(block, data[0] ?? 0)
}

/** A response's head as Node writes it, for what Node lets an app set: a CGI header block, which our client reads. */
function responseHead(data: Buffer): void {
  const status = 200 + ((data[0] ?? 0) << 2) + ((data[1] ?? 0) & 3)
  const [reason = '', ...lines] = data.subarray(2).toString('latin1').split('\n')
  // Node refuses other names and values.
  const allowed = lines.filter((line) =>
    /^[!#$%&'*+\-.^_`|~0-9a-z]+: [\t\x20-\x7e\x80-\xff]*$/i.test(line),
  )
  const block = cgiBlock(
    allowed.map((line) => `${line}\r\n`).join('') + '\r\n',
    Math.min(status, 999),
    reason,
  )
  checkBlock(Buffer.from(block, 'latin1'), 1)
  const read = new ResponseHeadReader(1_000_000)
  try {
    const { head } = read.push(Buffer.from(block, 'latin1')) ?? wrong('no end')
    if (head.status !== Math.min(status, 999)) wrong(`status ${head.status}`)
  } catch (error) {
    // A Content-Length that is no number: Node leaves that to the app.
    if (!(error instanceof ClientError)) throw error
  }
}

/** What an application sends as a head, to our client: read the same however it is cut, or refused. */
function answerHead(data: Buffer): void {
  const { whole, parts } = cut(data)
  const read = (chunks: readonly Buffer[]): string => {
    const reader = new ResponseHeadReader(4096)
    try {
      for (const chunk of chunks) {
        const done = reader.push(chunk)
        if (done === undefined) continue
        const { status, headers, rawHeaders } = done.head
        if (!(status >= 200 && status <= 999)) wrong(`status ${status}`)
        for (const [name, value] of Object.entries(headers)) {
          if (!/^[^A-Z\s:]+$/.test(name)) wrong(`name ${JSON.stringify(name)}`)
          if (/[\0\r\n]/.test([value].flat().join(''))) wrong(`value ${JSON.stringify(value)}`)
        }
        return JSON.stringify([status, headers, rawHeaders])
      }
      return 'more'
    } catch (error) {
      if (error instanceof ClientError) return error.code
      throw error
    }
  }
  // The limit counts what came before the end was seen.
  const one = read([whole])
  const many = read(parts)
  if (one !== many) wrong(`whole: ${one}; cut: ${many}`)
}

/** Encoding a path and finding a mount in it. */
function paths(data: Buffer): void {
  const [path = '', mount = ''] = data.toString('latin1').split('\n')
  const encoded = encodePath(path)
  if (/[\0-\x20\x7f-\xff?#]/.test(encoded)) wrong(`encoded ${JSON.stringify(encoded)}`)
  if (!/^\/.*[^/]$/.test(mount)) return
  const end = mountEnd(path, mount)
  if (end > path.length) wrong(`the mount ends at ${end} of ${path.length}`)
  if (end >= 0 && end < path.length && path[end] !== '/')
    wrong(`cut at ${JSON.stringify(path[end])}`)
}

/** By name. */
export const targets: Readonly<Record<string, Target>> = {
  records,
  answers,
  pairs,
  variables,
  responseHead,
  answerHead,
  paths,
}
