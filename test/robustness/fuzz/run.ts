/** Plays conversations to a server over a real socket and looks whether what must always be true still is. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createServer, type Server } from '../../../packages/core/src/index.ts'
import { until } from '../../support/until.ts'
import { act, checkRequest } from './app.ts'
import { checkAnswers } from './check.ts'
import { conversation, type ValidRequest } from './conversation.ts'
import { Random } from './random.ts'

/** An input that something was wrong with, and what. */
export interface Finding {
  /** Number of the input; -1 for what shows only at the end. */
  readonly input: number
  readonly message: string
  readonly chunks: readonly string[]
}

/** What has been played so far. */
export interface Played {
  /** Conversations that have ended. */
  conversations: number
  /** Of them: with several requests on their connection at a time. */
  multiplexed: number
  /** Of them: changed in nothing, so that every answer was looked at byte by byte. */
  unchanged: number
  /** Requests in all of them. */
  requests: number
}

/** Connections at once. */
const LANES = 48
/** A connection that has not ended by then hangs. */
const HANGS = 30_000
/** Findings after which it is enough. */
const MOST_FINDINGS = 5

/** The server under test with all three roles. Uncaught exceptions and complaints go to `found`. */
export class Target {
  readonly server: Server
  readonly #folder = mkdtempSync(join(tmpdir(), 'fastcgi-fuzz-'))
  readonly path: string = join(this.#folder, 'app.sock')
  readonly #complain: (message: string) => void

  constructor(complain: (message: string) => void) {
    this.#complain = complain
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      this.#handle(request, response)
    this.server = createServer(
      {
        // A connection is not read while a handler leaves its body unread, and so not seen to end either.
        stalledReaderTimeout: 1,
        idleReaderTimeout: 1,
        authorize: handle,
        filter: handle,
        handlerError: (_error, _request, response) => {
          if (response.headersSent) return void response.destroy()
          response.statusCode = 500
          response.statusMessage = ''
          for (const name of response.getHeaderNames()) response.removeHeader(name)
          response.end()
        },
        warn: (code, message) => {
          if (code === 'FCGI_INTERNAL') complain(message)
          if (/[\0-\x1f\x7f]/.test(message)) complain(`a log line ${JSON.stringify(message)}`)
        },
      },
      handle,
    )
    this.server.on('clientError', () => {})
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    checkRequest(request, this.#complain)
    request.on('error', () => {})
    const page = /^\/do\/(\d+)/.exec(request.url ?? '')
    if (page === null) echo(request, response)
    else act(request, response, Number(page[1]))
  }

  async start(): Promise<void> {
    this.server.listen(this.path)
    await once(this.server, 'listening')
  }

  /** Waits until nothing is left of what was played. */
  async settle(): Promise<void> {
    await until(
      () => this.server.statistics.openConnections === 0,
      () => `all connections to be gone: ${JSON.stringify(this.server.statistics)}`,
    )
    if (this.server.statistics.running !== 0)
      throw new Error(`running ${this.server.statistics.running} when nothing runs`)
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = []
  request.on('data', (chunk: Buffer) => parts.push(chunk))
  request.on('end', () => response.end(Buffer.concat(parts)))
  request.fastcgi.data?.resume()
}

/** Plays one conversation; rejects with what is wrong. */
export async function play(
  path: string,
  chunks: readonly Buffer[],
  expected: readonly ValidRequest[],
  random: Random,
): Promise<void> {
  const socket = net.connect(path)
  const received: Buffer[] = []
  let gone = false
  let progress = (): void => {}
  socket.on('data', (chunk: Buffer) => {
    received.push(chunk)
    progress()
  })
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      gone = true
      progress()
      resolve()
    })
  })
  socket.on('error', () => {})
  const guard = setTimeout(() => socket.destroy(new Error('hangs')), HANGS)
  let hangs = false
  socket.on('error', (error) => (hangs ||= error.message === 'hangs'))
  for (const chunk of chunks) {
    if (gone) break
    socket.write(chunk)
    if (random.percent(30)) await new Promise(setImmediate)
  }
  if (expected.length > 0) {
    const all = expected.length
    while (!gone && ends(received) < all) await new Promise<void>((resolve) => (progress = resolve))
  } else {
    for (let turns = random.below(4); turns > 0; turns--) await new Promise(setImmediate)
  }
  if (random.percent(80)) socket.end()
  else socket.destroy()
  await closed
  clearTimeout(guard)
  if (hangs) throw new Error(`the connection did not end within ${HANGS} ms`)
  const all = Buffer.concat(received)
  const answers = checkAnswers(all)
  for (const { id, body } of expected) {
    const answer = answers.find((each) => each.id === id)
    if (answer?.ended !== true) throw new Error(`valid request ${id} got no whole answer`)
    const text = answer.stdout
    if (!/^Status: 200 /m.test(text.toString('latin1', 0, text.indexOf('\r\n\r\n'))))
      throw new Error(`valid request ${id}: ${text.toString('latin1', 0, 300)}`)
    if (!text.subarray(text.indexOf('\r\n\r\n') + 4).equals(body))
      throw new Error(`valid request ${id} got another body`)
  }
}

function ends(received: readonly Buffer[]): number {
  const all = received.length === 1 ? received[0]! : Buffer.concat(received)
  let count = 0
  for (let at = 0; at + 8 <= all.length;) {
    if (all[at + 1] === 3) count++
    at += 8 + all.readUInt16BE(at + 4) + all[at + 6]!
  }
  return count
}

/** The same input for the same seed and number. */
export function inputOf(
  seed: number,
  number: number,
): { random: Random } & ReturnType<typeof conversation> {
  const random = new Random((Math.imul(seed, 0x9e3779b1) + number) >>> 0)
  return { ...conversation(random), random }
}

/**
 * Plays `count` conversations. Any exception nobody caught, complaint of the app, broken answer or connection that does
 * not end is a finding.
 */
export async function fuzz(
  seed: number,
  count: number,
  tell: (played: Played) => void = () => {},
): Promise<Finding[]> {
  const findings: Finding[] = []
  let next = 0
  const running = new Map<number, readonly Buffer[]>()
  const played: Played = { conversations: 0, multiplexed: 0, unchanged: 0, requests: 0 }
  const add = (input: number, message: string): void => {
    if (findings.length >= MOST_FINDINGS) return
    const chunks = running.get(input) ?? [...running.values()].flat()
    findings.push({ input, message, chunks: chunks.map((chunk) => chunk.toString('hex')) })
  }
  const target = new Target((message) => add(-1, message))
  const others = process.listeners('uncaughtException')
  const uncaught = (error: unknown): void =>
    add(-1, `uncaught, while ${[...running.keys()].join(', ')} ran: ${(error as Error).stack}`)
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', uncaught)
  try {
    await target.start()
    const lane = async (): Promise<void> => {
      while (next < count && findings.length < MOST_FINDINGS) {
        const number = next++
        const { chunks, valid, requests, random } = inputOf(seed, number)
        running.set(number, chunks)
        try {
          await play(target.path, chunks, valid ? requests : [], random)
        } catch (error) {
          add(number, (error as Error).message)
        }
        running.delete(number)
        played.conversations++
        played.requests += requests.length
        if (requests.length > 1) played.multiplexed++
        if (valid) played.unchanged++
        tell(played)
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    await target.settle()
  } catch (error) {
    add(-1, (error as Error).message)
  } finally {
    await target.stop()
    process.removeListener('uncaughtException', uncaught)
    for (const other of others) process.on('uncaughtException', other)
  }
  return findings
}
