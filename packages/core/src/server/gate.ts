// Stands between server and app while the app is being loaded: requests wait, and get their answer from the app when it
// is there, or a 503 when it will not come.
import { AsyncResource } from 'node:async_hooks'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { isHttpServer, type RequestTaker } from './app.ts'
import type { Handler } from './options.ts'
import type { Server } from './server.ts'

/** Requests held while the app loads; a server's own limit on running requests is higher. */
const maxWaiting = 1000

/** What is answered when the app cannot; plain text, so that nothing in it can act in a browser. */
export interface Refusal {
  readonly status: number
  /** Text for the client. */
  readonly text: string
  /** HTML for a browser instead of the text; in development only. */
  readonly page?: ((request: IncomingMessage) => string) | undefined
  /** Lines for the web server's error log, before the head. Default none. */
  readonly stderr?: ((request: IncomingMessage) => readonly string[]) | undefined
}

/** Settings of an {@link AppGate}. */
export interface GateOptions {
  /** Milliseconds a request waits for the app. */
  readonly loadTimeout: number
  /** Takes what a handler threw, or the reason its promise was rejected with. */
  readonly handlerError: (
    error: unknown,
    request: IncomingMessage,
    response: ServerResponse,
  ) => void
}

const tooMany: Refusal = {
  status: 503,
  text: 'The application is starting and too many requests wait for it.',
}
const tooLong: Refusal = {
  status: 503,
  text: 'The application is still starting. Try again in a moment.',
}

/** What holds an app's place on a server. */
export class AppGate {
  readonly #server: Server
  readonly #options: GateOptions
  readonly #waiting = new Set<Waiting>()
  readonly #wait: Handler = (request, response) => this.#hold(request, response)
  #refusal: Refusal | undefined
  #isOpen = false

  constructor(server: Server, options: GateOptions) {
    this.#server = server
    this.#options = options
    server.on('request', this.#wait)
  }

  /** Requests that wait for the app. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** The app is there: what waits goes to it, in the order it came. */
  open(app: RequestTaker): void {
    const server = this.#server
    this.#isOpen = true
    server.removeListener('request', this.#wait)
    if (isHttpServer(app)) {
      server.emitTo(app)
    } else {
      server.announce(app)
      server.on('request', this.#guarded(app))
    }
    const emitter = isHttpServer(app) ? app : server
    for (const held of this.#release()) {
      const { request, response, handler } = held
      if (request.destroyed) continue
      held.run(() => {
        if (handler === undefined) this.#emit(emitter, request, response)
        else this.#call(handler, request, response)
      })
    }
  }

  /**
   * A handler of another role, for requests that wait for the app as well: what it needs may be loaded with it, and an
   * authorizer whose app did not load lets nobody in.
   */
  behind(handler: Handler): Handler {
    return (request, response) => {
      if (this.#isOpen) this.#call(handler, request, response)
      else this.#hold(request, response, handler)
    }
  }

  /** The app will not come: every request gets this answer. */
  refuse(refusal: Refusal): void {
    this.#refusal = refusal
    for (const held of this.#release()) held.run(() => answer(held.request, held.response, refusal))
  }

  #hold(request: IncomingMessage, response: ServerResponse, handler?: Handler): void {
    const refusal = this.#refusal ?? (this.#waiting.size >= maxWaiting ? tooMany : undefined)
    if (refusal) {
      answer(request, response, refusal)
      return
    }
    const resource = new AsyncResource('FastcgiWaitingRequest')
    const held: Waiting = {
      request,
      response,
      handler,
      run: (work) => resource.runInAsyncScope(work),
      timer: setTimeout(() => {
        this.#waiting.delete(held)
        answer(request, response, tooLong)
      }, this.#options.loadTimeout),
    }
    this.#waiting.add(held)
    response.once('close', () => {
      if (this.#waiting.delete(held)) clearTimeout(held.timer)
    })
  }

  #release(): Waiting[] {
    const released = [...this.#waiting]
    this.#waiting.clear()
    for (const { timer } of released) clearTimeout(timer)
    return released
  }

  #emit(emitter: http.Server, request: IncomingMessage, response: ServerResponse): void {
    try {
      emitter.emit('request', request, response)
    } catch (error) {
      this.#options.handlerError(error, request, response)
    }
  }

  #call(handler: Handler, request: IncomingMessage, response: ServerResponse): void {
    try {
      this.#guarded(handler)(request, response)
    } catch (error) {
      this.#options.handlerError(error, request, response)
    }
  }

  /** A listener whose rejected promise counts like a thrown error. */
  #guarded(app: Handler): Handler {
    const { handlerError } = this.#options
    return function (this: unknown, request, response) {
      const result: unknown = app.call(this, request, response)
      if (result instanceof Promise) {
        result.catch((error: unknown) => handlerError(error, request, response))
      }
    }
  }
}

interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Of another role; undefined for what the app gets. */
  readonly handler: Handler | undefined
  readonly run: (work: () => void) => void
  readonly timer: NodeJS.Timeout
}

/** Answers a request without the app. */
export function answer(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  // Thrown behind a whole answer: the client has what it asked for.
  if (response.writableEnded) return
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  for (const line of refusal.stderr?.(request) ?? []) request.fastcgi.stderr.write(`${line}\n`)
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  const page = request.headers.accept?.includes('text/html') ? refusal.page?.(request) : undefined
  const text = `${refusal.status} ${http.STATUS_CODES[refusal.status] ?? ''}\n\n${refusal.text}\n`
  response.statusCode = refusal.status
  // The app's own may be what it failed on: Node refuses control characters in it.
  response.statusMessage = ''
  response.setHeader('Content-Type', `text/${page === undefined ? 'plain' : 'html'}; charset=utf-8`)
  response.setHeader('Cache-Control', 'no-store')
  if (refusal.status === 503) response.setHeader('Retry-After', '5')
  response.end(page ?? text)
}
