/** One HTTP request to the application and back. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import type { RequestBody } from '../client/options.ts'
import type { Pool } from '../client/pool.ts'
import type { ClientResponse } from '../client/response.ts'
import { escapeControls, logLine } from './access-log.ts'
import { cgiParams } from './cgi-params.ts'
import { readFirst } from './first-read.ts'
import { isForThisMachine } from './host-guard.ts'
import { describeFailure, type GatewayFailure, gatewayPage } from './pages.ts'
import { rulesOf, type Site } from './request-context.ts'

/** Fields between two machines (RFC 9110 §7.6.1); Node makes its own. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** What the log tells of a request besides what it asked. */
interface Account {
  bytes: number
  note: string | undefined
}

/** Relays requests to one application. */
export class Relay {
  readonly #pool: Pool
  readonly #site: Site
  readonly #log: (line: string) => void

  constructor(pool: Pool, site: Site, log: (line: string) => void) {
    this.#pool = pool
    this.#site = site
    this.#log = log
  }

  /** For 'request'. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    void this.#answer(request, response, false)
  }

  /** For 'checkContinue': 100 is sent by us, as every web server does, and only to whom we answer. */
  readonly handleExpecting = (request: IncomingMessage, response: ServerResponse): void => {
    void this.#answer(request, response, true)
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    expecting: boolean,
  ): Promise<void> {
    const account: Account = { bytes: 0, note: undefined }
    const began = performance.now()
    const gone = new AbortController()
    response.once('close', () => {
      const complete = response.writableFinished
      if (!complete) {
        account.note ??= 'the client went away'
        gone.abort(new Error('The client went away'))
      }
      this.#log(
        logLine({
          method: request.method ?? '-',
          target: request.url ?? '-',
          status: response.headersSent ? response.statusCode : undefined,
          bytes: account.bytes,
          duration: performance.now() - began,
          note: account.note,
        }),
      )
    })
    // An answer may come before the upload has ended. What is left of it is read away, or the client would hang.
    response.once('finish', () => void request.resume())
    if (!isForThisMachine(request.url ?? '/', request.rawHeaders)) {
      const reason = 'The development gateway answers to localhost, 127.0.0.1 and [::1] alone.'
      return this.#refuse(request, response, account, {
        status: 421,
        reason,
        code: undefined,
        stderr: '',
      })
    }
    if (expecting) response.writeContinue()
    try {
      const answer = await this.#ask(request, gone.signal)
      if ('body' in answer) this.#relay(answer, response, account)
      else this.#refuse(request, response, account, answer)
    } catch (error) {
      if (!response.destroyed) this.#refuse(request, response, account, describeFailure(error))
    }
  }

  async #ask(
    request: IncomingMessage,
    signal: AbortSignal,
  ): Promise<ClientResponse | GatewayFailure> {
    const chunked = request.headers['transfer-encoding'] !== undefined
    const length = Number(request.headers['content-length'] ?? -1)
    let body: RequestBody | undefined = chunked || length > 0 ? request : undefined
    let bodyLength: number | undefined = chunked ? undefined : length
    if (chunked && rulesOf(this.#site).chunked === 'read first') {
      body = await readFirst(request)
      if (body === undefined) {
        const reason =
          'A chunked body of this length is not read: the server that is imitated reads it whole.'
        return { status: 413, reason, code: undefined, stderr: '' }
      }
      bodyLength = body.length
    }
    const { socket } = request
    const params = cgiParams(
      {
        method: request.method ?? 'GET',
        target: request.url ?? '/',
        httpVersion: request.httpVersion,
        rawHeaders: request.rawHeaders,
        bodyLength,
        remoteAddress: socket.remoteAddress ?? '127.0.0.1',
        remotePort: socket.remotePort ?? 0,
        localAddress: socket.localAddress ?? '127.0.0.1',
        localPort: socket.localPort ?? 0,
      },
      this.#site,
    )
    if ('status' in params) return { ...params, code: undefined, stderr: '' }
    return this.#pool.request({
      params,
      ...(body === undefined ? {} : { body }),
      // Destroying it would take the answer with it.
      destroyBody: false,
      signal,
      onStderr: this.#stderr,
    })
  }

  #relay(answer: ClientResponse, response: ServerResponse, account: Account): void {
    const headers: string[] = []
    for (let index = 0; index + 1 < answer.rawHeaders.length; index += 2) {
      const name = answer.rawHeaders[index]!
      const key = name.toLowerCase()
      if (HOP_BY_HOP.has(key) || (key === 'content-length' && answer.status === 204)) continue
      headers.push(name, answer.rawHeaders[index + 1]!)
    }
    response.writeHead(answer.status, answer.statusText, headers)
    answer.body.on('data', (chunk: Buffer) => {
      account.bytes += chunk.length
    })
    answer.body.once('error', (error) => {
      account.note ??= describeFailure(error).reason
    })
    // When the body fails, the response is destroyed: its reader sees a cut, never a complete page.
    pipeline(answer.body, response, () => {})
    // The head of an event stream must not wait for its first event; that of a page goes with its body.
    setImmediate(() => {
      if (account.bytes === 0 && !response.writableEnded && !response.destroyed)
        response.flushHeaders()
    })
  }

  #refuse(
    request: IncomingMessage,
    response: ServerResponse,
    account: Account,
    failure: GatewayFailure,
  ): void {
    account.note = failure.code === undefined ? failure.reason : `${failure.code} ${failure.reason}`
    const page = Buffer.from(gatewayPage(failure))
    account.bytes = request.method === 'HEAD' ? 0 : page.length
    response.writeHead(failure.status, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': page.length,
      'Cache-Control': 'no-store',
      // What is left of the upload need not be read then.
      ...(request.complete ? {} : { Connection: 'close' }),
    })
    response.end(page)
  }

  readonly #stderr = (text: string): void => {
    for (const line of text.split(/\r?\n/)) {
      if (line !== '') this.#log(`[stderr] ${escapeControls(line)}`)
    }
  }
}
