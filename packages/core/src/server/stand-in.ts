// An app's own server, which never listens, behaves like one that does. Its methods are reached through the prototypes of
// http.Server and net.Server: whoever ends servers gracefully may have put own ones in front of them, and kept the old.
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import type { Server } from './server.ts'

/** The servers that are stood in for. */
const stands = new WeakMap<object, StandIn>()

type Answer = (stand: StandIn, ...given: never[]) => unknown

/** Of net.Server. */
const netAnswers: Record<string, Answer> = {
  address: (stand) => stand.address(),
  getConnections: (stand, callback: (error: Error | null, count: number) => void) =>
    stand.getConnections(callback),
  ref: (stand) => stand.refer(true),
  unref: (stand) => stand.refer(false),
}

/** Of http.Server; https.Server has copies of the originals. */
const httpAnswers: Record<string, Answer> = {
  close: (stand, callback?: (error?: Error) => void) => stand.close(callback),
  closeAllConnections: (stand) => stand.server?.closeAllConnections(),
  closeIdleConnections: (stand) => stand.server?.closeIdleConnections(),
}

let prepared = false

/** Lets stand-ins answer for their servers. To be called before the app is loaded; once a process is enough. */
export function prepareStandIns(): void {
  if (prepared) return
  prepared = true
  replaceMethods(net.Server.prototype, netAnswers)
  replaceMethods(http.Server.prototype, httpAnswers)
  const listening = Object.getOwnPropertyDescriptor(net.Server.prototype, 'listening')
  Object.defineProperty(net.Server.prototype, 'listening', {
    ...listening,
    get(this: net.Server) {
      return stands.get(this)?.listening ?? (listening?.get?.call(this) as boolean)
    },
  })
}

function replaceMethods(prototype: object, answers: Record<string, Answer>): void {
  const methods = prototype as Record<string, (...given: unknown[]) => unknown>
  for (const [name, answer] of Object.entries(answers)) {
    const original = methods[name]!
    methods[name] = function (this: object, ...given: unknown[]): unknown {
      const stand = stands.get(this)
      if (stand === undefined) return Reflect.apply(original, this, given)
      return answer(stand, ...(given as never[]))
    }
  }
}

/** Stands in for an app's own server. */
export class StandIn {
  readonly #app: http.Server
  readonly #port: number
  #server: Server | undefined
  #listening = true
  #referenced = true

  /**
   * @param app its `listen()` has been taken over
   * @param port what it asked for
   */
  constructor(app: http.Server, port: number) {
    this.#app = app
    this.#port = port
    stands.set(app, this)
    if (app instanceof http.Server) return
    for (const [name, answer] of Object.entries(httpAnswers)) {
      const value = (...given: never[]): unknown => answer(this, ...given)
      Object.defineProperty(app, name, { configurable: true, writable: true, value })
    }
  }

  /** What listens in its place; undefined until it does. */
  get server(): Server | undefined {
    return this.#server
  }

  get listening(): boolean {
    return this.#listening
  }

  opened(server: Server): void {
    this.#server = server
    this.refer(this.#referenced)
    // Closed before it was open.
    if (this.#listening) this.#app.emit('listening')
    else this.#finish(server)
  }

  failed(error: unknown): void {
    this.#listening = false
    this.#app.emit('error', error)
  }

  /** Whether it keeps the process alive. */
  refer(referenced: boolean): http.Server {
    this.#referenced = referenced
    if (referenced) this.#server?.ref()
    else this.#server?.unref()
    return this.#app
  }

  /** node:http has an address as soon as listen() has returned: what was asked for, until it is known what it becomes. */
  address(): AddressInfo | string | null {
    if (!this.#listening) return null
    if (this.#server === undefined) return { address: '::', family: 'IPv6', port: this.#port }
    return this.#server.address()
  }

  getConnections(callback: (error: Error | null, count: number) => void): http.Server {
    callback(null, this.#server?.statistics.openConnections ?? 0)
    return this.#app
  }

  close(callback: ((error?: Error) => void) | undefined): http.Server {
    const app = this.#app
    if (!this.#listening) {
      const error = Object.assign(new Error('Server is not running.'), {
        code: 'ERR_SERVER_NOT_RUNNING',
      })
      if (callback) process.nextTick(callback, error)
      return app
    }
    this.#listening = false
    if (callback) app.once('close', () => callback())
    // As http.Server's own does, whoever has replaced it.
    app.closeIdleConnections()
    if (this.#server) this.#finish(this.#server)
    return app
  }

  #finish(server: Server): void {
    server.close(() => this.#app.emit('close'))
  }
}
