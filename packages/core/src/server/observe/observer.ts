// What is done for each request beside serving it: ping, status, request ids, access log, slow log. Loaded and put in
// place only where one of them is asked for.
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import { accessLine, headLength, quoted, statusOf, targetOf, type Finished } from './access-log.ts'
import type { SlowRequest } from './figures.ts'
import { interceptRequests } from './intercept.ts'
import type { Lines } from './lines.ts'
import type { AccessLogFormat } from './access-log.ts'
import { makeRequestId, runWithRequestId } from './request-id.ts'

/** What an {@link Observer} does; what is undefined it does not do. */
export interface Duties {
  /** The path that is answered `pong` once the app is loaded. */
  readonly ping: string | undefined
  /** Answers where the web server passes the param FASTCGI_STATUS with this value. */
  readonly status: { readonly secret: string; answer: StatusAnswer } | undefined
  readonly requestIds: boolean
  readonly accessLog: { readonly format: AccessLogFormat; readonly lines: Lines } | undefined
  readonly slow:
    | {
        readonly threshold: number
        readonly lines: Lines | undefined
        readonly note: (request: SlowRequest) => void
      }
    | undefined
}

/** Answers a request for the status. */
export type StatusAnswer = (request: IncomingMessage, response: ServerResponse) => void

/** Watches requests. */
export class Observer {
  readonly #duties: Duties
  /** Those that waited for the app come by again. */
  readonly #seen = new WeakSet<IncomingMessage>()
  #loaded = false

  constructor(duties: Duties) {
    this.#duties = duties
  }

  /** Requests emitted on the server are watched from here on. */
  watch(server: HttpServer): void {
    interceptRequests(server, (request, response, next) => this.#take(request, response, next))
  }

  /** The app answers now. */
  loaded(): void {
    this.#loaded = true
  }

  #take(request: IncomingMessage, response: ServerResponse, next: () => boolean): boolean {
    const { ping, status } = this.#duties
    if (ping !== undefined && this.#loaded && pathOf(request.url) === ping) {
      pong(response)
      return true
    }
    if (this.#seen.has(request)) return next()
    this.#seen.add(request)
    if (status && request.fastcgi.params.FASTCGI_STATUS === status.secret) {
      status.answer(request, response)
      return true
    }
    const { requestIds } = this.#duties
    const id = requestIds ? makeRequestId(request) : undefined
    if (this.#duties.accessLog || this.#duties.slow) this.#time(request, response, id)
    return id === undefined ? next() : runWithRequestId(id, next)
  }

  #time(request: IncomingMessage, response: ServerResponse, id: string | undefined): void {
    const { socket } = request
    const { remoteAddress } = socket
    const startedAt = Date.now()
    const started = performance.now()
    const loop = this.#duties.slow ? performance.eventLoopUtilization() : undefined
    response.once('close', () => {
      const finished: Finished = {
        request,
        response,
        startedAt,
        duration: performance.now() - started,
        bytes: Math.max(0, socket.bytesWritten - headLength(response)),
        remoteAddress,
        id,
      }
      const { accessLog, slow } = this.#duties
      accessLog?.lines.write(accessLine(accessLog.format, finished))
      if (slow && finished.duration >= slow.threshold) this.#slow(finished, loop)
    })
  }

  #slow(finished: Finished, loop: ReturnType<typeof performance.eventLoopUtilization> | undefined) {
    const { slow } = this.#duties
    const { request, startedAt, duration, id } = finished
    const durationMs = Math.round(duration)
    const time = new Date(startedAt).toISOString()
    const method = request.method ?? ''
    const path = pathOf(targetOf(request))
    const status = statusOf(finished)
    slow?.note({ time, method, path, status, durationMs })
    // A busy loop: this process computed, for this request or others. An idle one: it waited, for a database say.
    const busy = Math.round(performance.eventLoopUtilization(loop).utilization * 100)
    const mark = id === undefined ? '' : ` id ${id}`
    slow?.lines?.write(
      `${time} [${process.pid}] slow: ${durationMs} ms, event loop ${busy} % busy, ${status}${mark} ${quoted(`${method} ${path}`)}`,
    )
  }
}

function pathOf(url: string | undefined): string {
  return (url ?? '').split('?', 1)[0] ?? ''
}

function pong(response: ServerResponse): void {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.setHeader('Cache-Control', 'no-store')
  response.end('pong')
}
