// What is done for each request beside serving it: ping, status, request ids, access log, slow log. Loaded and put in
// place only where one of them is asked for.
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import { headLength, quoted, targetOf, type Finished } from './log-fields.ts'
import { beforeEnd } from './before-end.ts'
import type { SlowRequest } from './figures.ts'
import { interceptRequests } from './intercept.ts'
import type { Lines } from './lines.ts'
import { makeRequestId, runWithRequestId } from './request-id.ts'

/** What an {@link Observer} does; what is undefined it does not do. */
export interface Duties {
  /** The path that is answered `pong` once the app is loaded. */
  readonly ping: string | undefined
  /** Answers where the web server passes the param FASTCGI_STATUS with this value. */
  readonly status: { readonly secret: string; answer: StatusAnswer } | undefined
  readonly requestIds: boolean
  readonly accessLog:
    | { readonly line: (finished: Finished) => string; readonly lines: Lines }
    | undefined
  readonly slow:
    | {
        readonly threshold: number
        readonly lines: Lines | undefined
        readonly note: (request: SlowRequest) => void
      }
    | undefined
}

type Loop = ReturnType<typeof performance.eventLoopUtilization>

/** nginx's status for a client that went away before there was an answer. */
const clientGone = 499

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
    const finished = (status: number, aborted: boolean, bytes: number): Finished => {
      const duration = performance.now() - started
      return { request, response, startedAt, duration, status, aborted, bytes, remoteAddress, id }
    }
    const { accessLog, slow } = this.#duties
    if (accessLog?.lines.early === true || slow?.lines?.early === true) {
      beforeEnd(response, (bytes) =>
        this.#log(finished(response.statusCode, false, bytes), true, loop),
      )
    }
    response.once('close', () => {
      const status = response.headersSent ? response.statusCode : clientGone
      const bytes = Math.max(0, socket.bytesWritten - headLength(response))
      const over = finished(status, !response.writableFinished, bytes)
      this.#log(over, false, loop)
      if (slow && over.duration >= slow.threshold) this.#note(over)
    })
  }

  #log(finished: Finished, early: boolean, loop: Loop | undefined): void {
    const { accessLog, slow } = this.#duties
    const { request } = finished
    const isNow = ({ early: own = false }: Lines): boolean => own === early
    if (accessLog && isNow(accessLog.lines))
      accessLog.lines.write(accessLog.line(finished), request)
    if (slow?.lines && isNow(slow.lines) && finished.duration >= slow.threshold) {
      slow.lines.write(slowLine(finished, loop), request)
    }
  }

  #note({ request, startedAt, duration, status }: Finished): void {
    this.#duties.slow?.note({
      time: new Date(startedAt).toISOString(),
      method: request.method ?? '',
      path: pathOf(targetOf(request)),
      status,
      durationMs: Math.round(duration),
    })
  }
}

/** A busy loop: this process computed, for this request or others. An idle one: it waited, for a database say. */
function slowLine(
  { request, startedAt, duration, status, id }: Finished,
  loop: Loop | undefined,
): string {
  const busy = Math.round(performance.eventLoopUtilization(loop).utilization * 100)
  const mark = id === undefined ? '' : ` id ${id}`
  const what = quoted(`${request.method} ${pathOf(targetOf(request))}`)
  return `${new Date(startedAt).toISOString()} [${process.pid}] slow: ${Math.round(duration)} ms, event loop ${busy} % busy, ${status}${mark} ${what}`
}

function pathOf(url: string | undefined): string {
  return (url ?? '').split('?', 1)[0] ?? ''
}

function pong(response: ServerResponse): void {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.setHeader('Cache-Control', 'no-store')
  response.end('pong')
}
