import { createHash } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { compileCore, type CompiledCore } from '../support/compiled-core.ts'
import { killLeftovers, startNode } from '../support/node-process.ts'
import { begin, params, readRecords, request, stdin, stdinEnd } from '../support/raw.ts'
import { requestParams, type Address } from '../support/raw-peer.ts'
import { until } from '../support/until.ts'

let core: CompiledCore
let number = 0

beforeAll(async () => {
  core = await compileCore()
})
afterEach(killLeftovers)
afterAll(() => core.remove())

const site = `
  import { createHash } from 'node:crypto'
  import { createServer, serve } from '@fastcgi/core'
  const block = Buffer.alloc(50_000, 's')
  const app = (req, res) => {
    if (req.method === 'POST') {
      const hash = createHash('sha1')
      req.on('data', (chunk) => hash.update(chunk)).on('end', () => res.end(hash.digest('hex')))
      return
    }
    if (req.url.startsWith('/stream')) {
      let left = 8
      const next = () => {
        if (left-- === 0) return res.end(req.url)
        res.write(block)
        setTimeout(next, 10)
      }
      return next()
    }
    setTimeout(() => res.end(req.url), req.url.length % 5)
  }
  const { FASTCGI_LISTEN: listen } = process.env
  if (process.env.STOP !== 'close()') await serve(app)
  else {
    const server = createServer(app)
    process.once('SIGTERM', () => server.close())
    server.listen(...(listen.startsWith('/') ? [listen] : [0, '127.0.0.1']), () => {
      const { port } = server.address()
      console.error('listening on ' + (port === undefined ? listen : '127.0.0.1:' + port))
    })
  }`

/** What became of the requests of one kind. */
interface Tally {
  /** Answered, every byte right. */
  well: number
  /**
   * Without a byte of an answer: on a connection that was kept, the window that FastCGI leaves; on a new one it came
   * in the microseconds before the socket was closed.
   */
  unanswered: number
  /** With a part of an answer, or a wrong one, or none on a connection of its own. */
  wrong: string[]
}

/** One connection with its requests in flight. */
class Line {
  readonly socket: net.Socket
  readonly #flight = new Map<number, { expected: string; parts: Buffer[]; done: () => void }>()
  readonly #tally: Tally
  readonly #kept: boolean
  #rest: Buffer = Buffer.alloc(0)
  gone = false
  #error = 'no error'

  constructor(socket: net.Socket, tally: Tally, kept: boolean) {
    this.socket = socket
    this.#tally = tally
    this.#kept = kept
    socket.on('error', (error) => (this.#error = String(error)))
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
  }

  /** Sends a request; resolves when it is answered or the connection is gone. */
  ask(id: number, bytes: Buffer, expected: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.gone) return resolve()
      this.#flight.set(id, { expected, parts: [], done: resolve })
      this.socket.write(bytes)
    })
  }

  #take(chunk: Buffer): void {
    const { records, rest } = readRecords(Buffer.concat([this.#rest, chunk]))
    this.#rest = Buffer.from(rest)
    for (const { type, id, content } of records) {
      const own = this.#flight.get(id)
      if (own === undefined) this.#tally.wrong.push(`type ${type} for ${id}, which is not running`)
      else if (type === 6) own.parts.push(content)
      else if (type === 3) {
        this.#flight.delete(id)
        const text = Buffer.concat(own.parts).toString('latin1')
        const body = text.slice(text.indexOf('\r\n\r\n') + 4)
        if (/^Status: 200 /m.test(text) && body === own.expected) this.#tally.well++
        else this.#tally.wrong.push(`${text.slice(0, 300)}, of ${own.expected.slice(0, 40)}`)
        own.done()
      }
    }
  }

  #end(): void {
    if (this.gone) return
    this.gone = true
    for (const [id, own] of this.#flight) {
      if (own.parts.length > 0) this.#tally.wrong.push(`the answer of ${id} was cut`)
      else if (!this.#kept && !/ECONNRESET|EPIPE/.test(this.#error))
        this.#tally.wrong.push(`${id} got no answer: ${this.#error}`)
      else this.#tally.unanswered++
      own.done()
    }
    this.#flight.clear()
  }
}

const get = (id: number, url: string, keep = true): Buffer =>
  request(id, { params: requestParams(url), keep })
const body = Buffer.alloc(30_000, 'b')
const bodyHash = createHash('sha1').update(body).digest('hex')
const post = (id: number, keep = true): Buffer =>
  request(id, { params: requestParams('/', 'POST', { CONTENT_LENGTH: '30000' }), body, keep })
const streamed = (url: string): string => 's'.repeat(400_000) + url

async function connectTo(address: Address): Promise<net.Socket | undefined> {
  const socket = typeof address === 'string' ? net.connect(address) : net.connect(address)
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(socket))
    // Nobody listens any more: nothing was sent, and nothing is lost.
    socket.once('error', () => resolve(undefined))
  })
}

/** 200 connections that ask until theirs is closed. */
async function load(
  address: Address,
  tally: Record<string, Tally>,
  over: () => boolean,
): Promise<void> {
  const kind = (name: string): Tally => (tally[name] ??= { well: 0, unanswered: 0, wrong: [] })
  const kept = async (
    name: string,
    ask: (line: Line, n: number) => Promise<void>,
  ): Promise<void> => {
    const own = kind(name)
    const socket = await connectTo(address)
    if (socket === undefined) return
    const line = new Line(socket, own, true)
    for (let n = 1; !line.gone; n++) await ask(line, n)
    socket.destroy()
  }
  const once = async (name: string, bytes: (n: number) => [Buffer, string]): Promise<void> => {
    const own = kind(name)
    for (let n = 1; !over(); n++) {
      const socket = await connectTo(address)
      if (socket === undefined) return
      const line = new Line(socket, own, false)
      const [asked, expected] = bytes(n)
      await line.ask(1, asked, expected)
      socket.destroy()
    }
  }
  const slowly = async (line: Line): Promise<void> => {
    const { socket } = line
    const variables = requestParams('/', 'POST', { CONTENT_LENGTH: '30000' })
    const answered = line.ask(1, Buffer.concat([begin(1, 1, 1), params(1, variables)]), bodyHash)
    for (let at = 0; at < body.length; at += 6000) {
      socket.write(stdin(1, body.subarray(at, at + 6000)))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    socket.write(stdinEnd(1))
    await answered
  }
  const three = async (line: Line, n: number): Promise<void> => {
    const first = (n * 3) % 30_000
    await Promise.all([
      line.ask(first + 1, get(first + 1, `/m${n}`), `/m${n}`),
      line.ask(first + 2, post(first + 2), bodyHash),
      line.ask(first + 3, get(first + 3, `/stream${n}`), streamed(`/stream${n}`)),
    ])
  }
  const times = <T>(count: number, work: () => T): T[] => Array.from({ length: count }, work)
  await Promise.all([
    ...times(50, () => kept('GET', (line, n) => line.ask(1, get(1, `/k${n}`), `/k${n}`))),
    ...times(30, () => kept('POST', (line) => line.ask(1, post(1), bodyHash))),
    ...times(20, () =>
      kept('stream', (line, n) => line.ask(1, get(1, `/stream${n}`), streamed(`/stream${n}`))),
    ),
    ...times(20, () => kept('slow upload', slowly)),
    ...times(20, () => kept('multiplexed', three)),
    ...times(20, () => once('GET, closed', (n) => [get(1, `/c${n}`, false), `/c${n}`])),
    ...times(20, () => once('POST, closed', () => [post(1, false), bodyHash])),
    ...times(20, () =>
      kept('idle', (line) => new Promise((resolve) => line.socket.once('close', () => resolve()))),
    ),
  ])
}

describe('a stop while 200 connections are busy', () => {
  it.each([
    ['SIGTERM', 'unix', 1200],
    ['SIGTERM', 'tcp', 1200],
    ['SIGINT', 'tcp', 300],
    ['SIGUSR1', 'unix', 300],
    ['close()', 'unix', 300],
    ['close()', 'tcp', 300],
  ] as const)(
    'by %s over %s, after %i answers: cuts none and changes no byte',
    async (how, over, enough) => {
      number += 1
      const socketPath = path.join(core.folder, `stop-${number}.sock`)
      const file = core.write(`stop-${number}.mjs`, site)
      const listen = over === 'unix' ? socketPath : '127.0.0.1:0'
      const env = { FASTCGI_LISTEN: listen, NODE_ENV: 'test', STOP: how }
      const started = startNode({ file, env })
      await started.waitForStderr(/listening on/)
      const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(started.stderr())?.[1] ?? 0)
      const address: Address = over === 'unix' ? socketPath : { host: '127.0.0.1', port }
      const tally: Record<string, Tally> = {}
      let stopped = false
      const loaded = load(address, tally, () => stopped)
      const well = (): number => Object.values(tally).reduce((sum, each) => sum + each.well, 0)
      await until(
        () => well() > enough,
        () => `answers: ${JSON.stringify(tally)}`,
      )
      started.child.kill(how === 'close()' ? 'SIGTERM' : how)
      const status = await started.ended
      stopped = true
      await loaded
      expect(Object.values(tally).flatMap((each) => each.wrong)).toEqual([])
      expect(status).toBe(0)
      if (over === 'unix') expect(fs.existsSync(socketPath)).toBe(false)
      // A kept connection loses at most what it sent at the moment it was closed.
      const most = { GET: 50, POST: 30, stream: 20, multiplexed: 60, 'slow upload': 20, idle: 0 }
      for (const [name, limit] of Object.entries(most))
        expect(tally[name]!.unanswered, name).toBeLessThanOrEqual(limit)
      // As under node:http close() leaves those alone that it has not accepted yet.
      const backlog = how === 'close()' ? 20 : over === 'unix' ? 0 : 3
      for (const name of ['GET, closed', 'POST, closed'])
        expect(tally[name]!.unanswered, name).toBeLessThanOrEqual(backlog)
    },
    90_000,
  )
})

describe('SIGTERM while connections wait in the backlog', () => {
  it.each(['unix', 'tcp'] as const)(
    'answers all that have connected before, over %s',
    async (over) => {
      number += 1
      const socketPath = path.join(core.folder, `stop-${number}.sock`)
      const gate = path.join(core.folder, `gate-${number}`)
      // Nothing is accepted and no signal is seen while this handler keeps the event loop.
      const file = core.write(
        `stop-${number}.mjs`,
        `import fs from 'node:fs'
         import { serve } from '@fastcgi/core'
         await serve((req, res) => {
           if (req.url === '/block') {
             fs.writeSync(2, 'blocked')
             while (!fs.existsSync(${JSON.stringify(gate)}));
           }
           res.end(req.url)
         })`,
      )
      const listen = over === 'unix' ? socketPath : '127.0.0.1:0'
      const started = startNode({ file, env: { FASTCGI_LISTEN: listen, NODE_ENV: 'test' } })
      await started.waitForStderr(/listening on/)
      const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(started.stderr())?.[1] ?? 0)
      const address: Address = over === 'unix' ? socketPath : { host: '127.0.0.1', port }
      const tally: Tally = { well: 0, unanswered: 0, wrong: [] }
      const lines: Promise<void>[] = []
      const ask = async (url: string): Promise<void> => {
        const socket = await connectTo(address)
        if (socket === undefined) return void tally.wrong.push('not connected')
        lines.push(new Line(socket, tally, false).ask(1, get(1, url, false), url))
      }
      await ask('/block')
      await started.waitForStderr(/blocked/)
      await Promise.all(Array.from({ length: 200 }, (_, n) => ask(`/${n}`)))
      started.child.kill('SIGTERM')
      fs.writeFileSync(gate, '')
      await Promise.all(lines)
      expect(tally).toEqual({ well: 201, unanswered: 0, wrong: [] })
      expect(await started.ended).toBe(0)
    },
  )
})
