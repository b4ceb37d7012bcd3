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

/** A request that runs. */
interface Running {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string | undefined
  /** Of its arrival; the connection forgets it with its end. */
  readonly remoteAddress: string | undefined
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly started: number
  readonly loop: Loop | undefined
  /** The slow log has a line of it that says that it still runs. */
  told: boolean
}

/** Milliseconds between looks for requests that are slow and still run. */
const lookEvery = 1000

/** Answers a request for the status. */
export type StatusAnswer = (request: IncomingMessage, response: ServerResponse) => void

/** Watches requests. */
export class Observer {
  readonly #duties: Duties
  /** Those that waited for the app come by again. */
  readonly #seen = new WeakSet<IncomingMessage>()
  /** Those that the slow log may have to tell of before they end, in the order they came. */
  readonly #running = new Set<Running>()
  #looking: NodeJS.Timeout | undefined
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
    const { accessLog, slow } = this.#duties
    const running: Running = {
      request,
      response,
      id,
      remoteAddress: socket.remoteAddress,
      startedAt: Date.now(),
      started: performance.now(),
      loop: slow ? performance.eventLoopUtilization() : undefined,
      told: false,
    }
    if (slow?.lines) {
      this.#running.add(running)
      this.#looking ??= setInterval(() => this.#look(slow.threshold), lookEvery).unref()
    }
    if (accessLog?.lines.early === true || slow?.lines?.early === true) {
      beforeEnd(response, (bytes) =>
        this.#log(running, over(running, response.statusCode, false, bytes), true),
      )
    }
    response.once('close', () => {
      this.#running.delete(running)
      const status = response.headersSent ? response.statusCode : clientGone
      const bytes = Math.max(0, socket.bytesWritten - headLength(response))
      const finished = over(running, status, !response.writableFinished, bytes)
      this.#log(running, finished, false)
      if (slow && finished.duration >= slow.threshold) this.#note(finished)
    })
  }

  /** Once a second, while requests run: which have become slow? One that never ends would else be told of never. */
  #look(threshold: number): void {
    const lines = this.#duties.slow?.lines
    const now = performance.now()
    for (const running of this.#running) {
      const duration = now - running.started
      if (duration < threshold) break
      // Once told, it is not looked at again.
      this.#running.delete(running)
      // Where its line had to be written before its end, it is.
      if (lines?.early === true && running.response.writableEnded) continue
      running.told = true
      lines?.write(
        slowLine(running, `still running after ${Math.round(duration)} ms`, stageOf(running)),
        running.request,
      )
    }
    if (this.#running.size > 0) return
    clearInterval(this.#looking)
    this.#looking = undefined
  }

  #log(running: Running, finished: Finished, early: boolean): void {
    const { accessLog, slow } = this.#duties
    const { request, duration, status } = finished
    const isNow = ({ early: own = false }: Lines): boolean => own === early
    if (accessLog && isNow(accessLog.lines))
      accessLog.lines.write(accessLog.line(finished), request)
    if (slow?.lines && isNow(slow.lines) && duration >= slow.threshold) {
      const took = `${running.told ? 'ended after ' : ''}${Math.round(duration)} ms`
      slow.lines.write(slowLine(running, took, String(status)), request)
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

function over(
  { request, response, id, remoteAddress, startedAt, started }: Running,
  status: number,
  aborted: boolean,
  bytes: number,
): Finished {
  const duration = performance.now() - started
  return { request, response, startedAt, duration, status, aborted, bytes, remoteAddress, id }
}

/** How far a response is that has not ended: a stream that is meant to last is told from a handler that hangs. */
function stageOf({ response }: Running): string {
  if (!response.headersSent) return 'no answer yet'
  return `${response.statusCode} ${response.writableEnded ? 'being sent' : 'begun'}`
}

/**
 * A busy loop: this process computed, for this request or others. An idle one: it waited, for a database say. The time is
 * that of the arrival, so that two lines about one request begin alike.
 */
function slowLine({ request, startedAt, loop, id }: Running, took: string, answer: string): string {
  const busy = Math.round(performance.eventLoopUtilization(loop).utilization * 100)
  const mark = id === undefined ? '' : ` id ${id}`
  const what = quoted(`${request.method} ${pathOf(targetOf(request))}`)
  return `${new Date(startedAt).toISOString()} [${process.pid}] slow: ${took}, event loop ${busy} % busy, ${answer}${mark} ${what}`
}

function pathOf(url: string | undefined): string {
  return (url ?? '').split('?', 1)[0] ?? ''
}

function pong(response: ServerResponse): void {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.setHeader('Cache-Control', 'no-store')
  response.end('pong')
}
