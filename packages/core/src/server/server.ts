// A FastCGI server as a drop-in for http.createServer: it is an http.Server, so that frameworks, monitoring tools and
// middleware see what they know, but its connections speak FastCGI.
import http, { type RequestListener } from 'node:http'
import net, { type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { HeadOptions } from '../cgi/request-head.ts'
import type { ExchangeContext } from '../http/exchange-context.ts'
import { classesFor, type MessageClasses } from '../http/framework-prototypes.ts'
import { probed } from '../http/node-private.ts'
import type { ConnectionLimits } from '../protocol/connection.ts'
import { accessRule, type AccessRule } from './addresses.ts'
import { LogThrottle } from './log-throttle.ts'
import { resolveOptions, type ResolvedOptions, type ServerOptions } from './options.ts'
import type { ServerCounts, TransportContext } from './transport/context.ts'
import { Transport } from './transport/transport.ts'
import { asVariable, realPath } from './variable-paths.ts'

const methods: ReadonlySet<string> = new Set(http.METHODS)

/** How often time limits are looked at, in milliseconds: each is met to within this. */
const TICK = 1_000
/** Connections that may wait for `maxConnections`; the kernel's own backlog holds 511. One more is closed. */
const MAX_WAITING = 1024
/** As many as the kernel lets wait, where `listen` is not told otherwise: a draining server accepts them all. */
const BACKLOG = 511
/** Milliseconds at the most that it goes on with those who come meanwhile. */
const BACKLOG_TIME = 2_000

/** What has happened on a server, and what is happening. */
export interface ServerStatistics extends Readonly<ServerCounts> {
  /** Connections open now. */
  readonly openConnections: number
  /** Connections that wait for `maxConnections`. */
  readonly waitingConnections: number
  /** Requests running now. */
  readonly running: number
  /** Bytes that came from web servers, and that went to them. */
  readonly bytesRead: number
  readonly bytesWritten: number
}

/**
 * A FastCGI server with the surface of `http.Server`: `listen()`, `close()`, `address()`, `getConnections()`,
 * `closeIdleConnections()`, `closeAllConnections()`, async dispose, and the events 'request', 'checkContinue',
 * 'listening', 'connection', 'close', 'error' and 'clientError'.
 *
 * 'clientError' is emitted with a `ProtocolError` and the connection's socket when a peer breaks the protocol (the
 * connection is closed already), and with the app's error when it destroys a request's socket with one.
 * `listen()` takes what `net.Server.listen()` takes: a path, a port, `{ fd: 0 }`. A port is bound on every address
 * unless a host is given: FastCGI has no authentication, so give `127.0.0.1`.
 */
export class Server extends http.Server {
  readonly #options: ResolvedOptions
  readonly #access: AccessRule
  readonly #context: TransportContext
  readonly #transports = new Set<Transport>()
  /** Accepted connections that wait, unread, for one of `maxConnections`. */
  readonly #queue: Duplex[] = []
  readonly #throttle = new LogThrottle()
  #ticker: NodeJS.Timeout | undefined
  #closing = false
  /** The listening socket was handed over: other processes may have it as well. */
  #inherited = false
  /** Connections the listening socket has given, whatever became of them. */
  #accepted = 0
  /** Of connections that are closed. */
  #bytesRead = 0
  #bytesWritten = 0
  #taker: ((socket: Socket) => void) | undefined

  constructor(options: ServerOptions = {}, listener?: RequestListener) {
    super(options)
    // What http.Server does with connections and with its own timeouts is for HTTP.
    this.removeAllListeners('connection')
    this.removeAllListeners('listening')
    // Now, so that who watches responses (diagnostics_channel) from here on does not see the one of the probe.
    probed()
    this.#options = resolveOptions(options)
    this.#access = accessRule(options.allow, process.env.FCGI_WEB_SERVER_ADDRS)
    for (const warning of this.#access.warnings)
      this.#options.warn('FCGI_WEB_SERVER_ADDRS', warning)
    this.#context = this.#makeContext(options, listener)
    this.on('connection', (socket: Socket) => this.#accept(socket))
    this.on('error', (error: NodeJS.ErrnoException) => this.#failed(error))
    if (listener) this.on('request', rejecting(listener, this.#options.handlerError))
  }

  #makeContext(options: ServerOptions, listener: RequestListener | undefined): TransportContext {
    const resolved = this.#options
    const limits: ConnectionLimits = {
      maxParamsBytes: resolved.maxParamsBytes,
      maxRequestsPerConnection: resolved.maxRequestsPerConnection,
      maxPendingPerConnection: resolved.maxPendingPerConnection,
      multiplex: resolved.multiplex,
      roles: {
        responder: true,
        authorizer: resolved.authorize !== undefined,
        filter: resolved.filter !== undefined,
      },
      values: {
        FCGI_MAX_CONNS: String(resolved.maxConnections),
        FCGI_MAX_REQS: String(resolved.maxRequests),
        FCGI_MPXS_CONNS: resolved.multiplex ? '1' : '0',
      },
    }
    const head: HeadOptions = {
      mount: resolved.mount,
      ...(resolved.script === undefined
        ? {}
        : {
            script: asVariable(resolved.script),
            scriptAliases: resolved.scriptAliases.map(asVariable),
            resolve: realPath,
          }),
      target: resolved.target,
      trustedProxies: resolved.trustedProxies,
      trustRemoteUser: resolved.trustRemoteUser,
      ...headOf(resolved.emitter ?? this, resolved),
      maxPairs: resolved.maxParams,
      maxNameLength: resolved.maxParamNameLength,
      maxValueLength: resolved.maxParamValueLength,
      methods,
    }
    const emitter = resolved.emitter ?? this
    const warnings = new Set<string>()
    return {
      options: resolved,
      limits,
      head,
      exchange: {
        ...emitting(emitter, emitter === this ? [listener] : emitter.listeners('request'), options),
        handlers: { authorizer: resolved.authorize, filter: resolved.filter },
        trustRemoteUser: resolved.trustRemoteUser,
        intercept: resolved.intercept,
        handlerError: resolved.handlerError,
      } as TransportContext['exchange'],
      running: 0,
      heldParams: 0,
      peekHeld: 0,
      clock: 0,
      counts: { connections: 0, requests: 0, aborted: 0, failed: 0, refused: 0 },
      faulted: (error, socket) => {
        this.#warn(
          (error as { code?: string }).code ?? 'FCGI_PROTOCOL',
          `a connection was closed: ${error.message}`,
        )
        this.emit('clientError', error, socket)
      },
      warned: (code, message) => {
        // What a configuration does wrong it does in every request: said once. Limits are events: said each time.
        if (code.startsWith('CGI_')) {
          if (warnings.has(code)) return
          warnings.add(code)
        }
        this.#warn(code, message)
      },
      tooMuchHeld: () => this.#closeGreediest(),
      closed: (transport) => this.#forget(transport),
    }
  }

  /** The connection that holds most of what is still arriving pays for it. */
  #closeGreediest(): void {
    let greediest: Transport | undefined
    for (const transport of this.#transports) {
      if (transport.heldParams > (greediest?.heldParams ?? 0)) greediest = transport
    }
    if (greediest === undefined) return
    this.#warn(
      'FCGI_TOO_MANY_PENDING',
      `a connection was closed: ${this.#context.heldParams} bytes of params wait for their end on all connections, ${greediest.heldParams} on this one (option maxHeldParams)`,
    )
    greediest.destroy()
  }

  /**
   * Emits requests on another server from here on: for an app that brings its own, or that is loaded after the first
   * connections have come.
   */
  emitTo(emitter: http.Server): void {
    Object.assign(this.#context.exchange, emitting(emitter, emitter.listeners('request')))
    Object.assign(this.#context.head, headOf(emitter, this.#options))
  }

  /**
   * Says which app listens behind a listener of another's making.
   *
   * @internal
   */
  announce(app: unknown): void {
    const { exchange } = this.#context
    Object.assign(exchange, classesFor([app], exchange))
  }

  /**
   * Connections open now; `statistics` adds up more than a busy worker wants to know.
   *
   * @internal
   */
  get openConnections(): number {
    return this.#transports.size
  }

  /** Counts since the start and what is going on now. */
  get statistics(): ServerStatistics {
    let [bytesRead, bytesWritten] = [this.#bytesRead, this.#bytesWritten]
    for (const { socket } of this.#transports) {
      bytesRead += traffic(socket).bytesRead
      bytesWritten += traffic(socket).bytesWritten
    }
    return {
      ...this.#context.counts,
      openConnections: this.#transports.size,
      waitingConnections: this.#queue.length,
      running: this.#context.running,
      bytesRead,
      bytesWritten,
    }
  }

  /**
   * Serves FastCGI on a connected stream that this server did not accept itself: an inherited connection, one end of
   * a pair in memory.
   */
  acceptConnection(socket: Duplex): void {
    this.#serve(socket)
  }

  /**
   * Hands connections of peers that may connect on, paused and unread, instead of serving them: to other processes.
   *
   * @internal
   */
  divert(taker: (socket: Socket) => void): void {
    this.#taker = taker
    // What the option of net.Server sets; http.Server does not pass it on.
    ;(this as { pauseOnConnect?: boolean }).pauseOnConnect = true
  }

  /** As `net.Server.listen`. */
  override listen(...given: ListenArguments): this {
    const [first] = given
    this.#inherited = typeof first === 'object' && first !== null && 'fd' in first
    return super.listen(...(given as [number, () => void]))
  }

  #accept(socket: Socket): void {
    this.#accepted++
    const { accept } = this.#options
    if (this.#taker && this.#admits(socket)) {
      this.#taker(socket)
      return
    }
    if (!this.#admits(socket) || (accept && !accept(socket))) {
      socket.destroy()
      return
    }
    this.#serve(socket)
  }

  #admits(socket: Socket): boolean {
    const { remoteAddress } = socket
    if (remoteAddress !== undefined) return this.#access.admits({ remoteAddress })
    // A TCP peer that has gone already has no address either, but is no unix socket.
    const address = this.address()
    const tcp = typeof address === 'object' && address !== null
    return this.#access.admits({ remoteAddress: tcp ? '' : undefined })
  }

  #serve(socket: Duplex): void {
    if (this.#transports.size >= this.#options.maxConnections) {
      this.#wait(socket)
      return
    }
    this.#context.counts.connections++
    const transport = new Transport(socket, this.#context)
    this.#transports.add(transport)
    if (this.#closing) transport.drain()
    this.#ticker ??= setInterval(() => this.#tick(), TICK).unref()
  }

  #wait(socket: Duplex): void {
    const waiting = this.#queue
    const { maxConnections } = this.#options
    const full = waiting.length >= MAX_WAITING
    const what = full ? `was closed: ${waiting.length} wait and` : 'waits:'
    this.#warn(
      'FCGI_MAX_CONNECTIONS',
      `a connection ${what} ${maxConnections} are open (option maxConnections)`,
    )
    if (full) {
      socket.destroy()
      return
    }
    waiting.push(socket)
    const leave = (): void => {
      const at = waiting.indexOf(socket)
      if (at !== -1) waiting.splice(at, 1)
    }
    socket.once('close', leave)
    socket.once('error', leave)
  }

  #warn(code: string, message: string): void {
    // `performance` would load node:perf_hooks, a millisecond of start-up when the first request brings a warning.
    const line = this.#throttle.admit(code, message, process.uptime() * 1000)
    if (line === undefined) return
    try {
      this.#options.warn(code, line)
    } catch (error) {
      // A log that fails must not cost a connection its state.
      process.nextTick(() => {
        throw error
      })
    }
  }

  /**
   * Out of descriptors, a connection cannot be accepted: said, and the server goes on. Any other error is as fatal as
   * under node:http when nobody else listens for it.
   */
  #failed(error: NodeJS.ErrnoException): void {
    if (error.syscall === 'accept') {
      this.#warn('FCGI_ACCEPT', `a connection could not be accepted: ${error.message}`)
    } else if (this.listenerCount('error') === 1) {
      throw error
    }
  }

  #forget(transport: Transport): void {
    this.#transports.delete(transport)
    const { bytesRead, bytesWritten } = traffic(transport.socket)
    this.#bytesRead += bytesRead
    this.#bytesWritten += bytesWritten
    let next = this.#queue.shift()
    while (next?.destroyed) next = this.#queue.shift()
    if (next) this.#serve(next)
    if (this.#transports.size === 0 && this.#ticker) {
      clearInterval(this.#ticker)
      this.#ticker = undefined
    }
  }

  #tick(): void {
    const now = this.#context.clock
    this.#context.clock += TICK
    for (const transport of this.#transports) transport.tick(now)
    // Web servers keep connections they do not use: one that waits is worth more.
    let wanted = this.#queue.length
    for (const transport of this.#transports) {
      if (wanted === 0) break
      if (transport.makeRoom(now)) wanted--
    }
  }

  /**
   * Stops accepting, lets running requests finish, and closes each connection behind its last response. The callback
   * is called when all connections are closed.
   */
  override close(callback?: (error?: Error) => void): this {
    this.#closing = true
    for (const transport of this.#transports) transport.drain()
    return super.close(callback)
  }

  /** Closes the connections on which no request is running or arriving. */
  override closeIdleConnections(): void {
    for (const transport of [...this.#transports]) transport.closeIfIdle()
  }

  /** Closes all connections; running requests are aborted. */
  override closeAllConnections(): void {
    // Those that wait first: they would take the places of the others.
    for (const socket of this.#queue.splice(0)) socket.destroy()
    for (const transport of [...this.#transports]) transport.destroy()
  }

  /**
   * Graceful stop: stops accepting, answers every request whose beginning has been read, closes kept connections right
   * behind a response or after a second of silence.
   *
   * @param timeout milliseconds after which what still runs is cut; default option `drainTimeout`
   * @returns resolves when all connections are closed: true when none had to be cut
   */
  async drain(timeout: number = this.#options.drainTimeout): Promise<boolean> {
    this.#closing = true
    for (const transport of this.#transports) transport.drain()
    if (this.listening) await this.#emptyBacklog()
    const closed = new Promise<void>((resolve) => {
      // Connections handed in are not among those the listening socket counts.
      if (this.listening) net.Server.prototype.close.call(this, () => this.#whenEmpty(resolve))
      else this.#whenEmpty(resolve)
    })
    let cut = false
    const deadline = setTimeout(() => {
      cut = true
      this.closeAllConnections()
    }, timeout)
    await closed
    clearTimeout(deadline)
    return !cut
  }

  /**
   * Whoever has connected already waits in the kernel's backlog, and would be reset by the close. A round of the event
   * loop accepts one; the first that accepts none has found the backlog empty.
   */
  async #emptyBacklog(): Promise<void> {
    const end = performance.now() + BACKLOG_TIME
    // No more than the next one or two: listen(2) may be called again. Where others share the socket that is not ours to
    // do, and not needed: it lives on. A unix socket's file has gone by now.
    const { _handle: handle } = this as { _handle?: { listen?(backlog: number): number } | null }
    if (!this.#inherited && typeof this.address() === 'object') handle?.listen?.(1)
    await new Promise(setImmediate)
    let before = -1
    for (let rounds = 0; this.#accepted !== before; rounds++) {
      // Time alone is no measure: on a busy machine it passes without us.
      if (rounds > BACKLOG && performance.now() > end) break
      before = this.#accepted
      await new Promise(setImmediate)
    }
  }

  #whenEmpty(resolve: () => void): void {
    if (this.#transports.size === 0 && this.#queue.length === 0) resolve()
    else setTimeout(() => this.#whenEmpty(resolve), 20)
  }
}

/** What a socket counts; a stream that is none counts nothing. */
function traffic(stream: Duplex): { readonly bytesRead: number; readonly bytesWritten: number } {
  const { bytesRead = 0, bytesWritten = 0 } = stream as Partial<Socket>
  return { bytesRead, bytesWritten }
}

/** What `net.Server.listen` takes. */
type ListenArguments =
  | [port?: number, listener?: () => void]
  | [port?: number, host?: string, listener?: () => void]
  | [port?: number, host?: string, backlog?: number, listener?: () => void]
  | [port?: number, backlog?: number, listener?: () => void]
  | [path: string, listener?: () => void]
  | [path: string, backlog?: number, listener?: () => void]
  | [options: net.ListenOptions & { fd?: number }, listener?: () => void]
  | [handle: object, backlog?: number, listener?: () => void]
  | [handle: object, listener?: () => void]

/** The options of `http.createServer` that concern a request's head; Node keeps them on the server, untyped. */
function headOf(
  server: http.Server,
  options: ResolvedOptions,
): Pick<HeadOptions, 'maxHeaderSize' | 'joinDuplicateHeaders'> {
  const own = server as { maxHeaderSize?: number; joinDuplicateHeaders?: boolean }
  return {
    maxHeaderSize: own.maxHeaderSize ?? options.maxHeaderSize,
    joinDuplicateHeaders: own.joinDuplicateHeaders,
  }
}

/** The part of an exchange's surroundings that follows from the server requests are emitted on. */
function emitting(
  server: http.Server,
  listeners: readonly unknown[],
  options: ServerOptions = {},
): Pick<ExchangeContext, 'server' | 'IncomingMessage' | 'ServerResponse'> {
  const classes = {
    IncomingMessage:
      options.IncomingMessage ?? ownClass(server, 'IncomingMessage') ?? http.IncomingMessage,
    ServerResponse:
      options.ServerResponse ?? ownClass(server, 'ServerResponse') ?? http.ServerResponse,
  } as MessageClasses
  return { server, ...classesFor(listeners, classes) } as ReturnType<typeof emitting>
}

/** A class that `http.createServer({ IncomingMessage, ServerResponse })` was given; Node keeps it under a symbol. */
function ownClass(server: http.Server, name: string): unknown {
  const symbol = Object.getOwnPropertySymbols(server).find((key) => key.description === name)
  return symbol && (server as unknown as Record<symbol, unknown>)[symbol]
}

/** The listener, whose rejected promise is what a thrown error is: for `handlerError`, where there is one. */
function rejecting(
  listener: RequestListener,
  handlerError: ResolvedOptions['handlerError'],
): RequestListener {
  if (!handlerError) return listener
  const guarded: RequestListener = function (this: unknown, request, response) {
    const result: unknown = listener.call(this as never, request, response)
    if (result instanceof Promise) {
      result.catch((error: unknown) => handlerError(error, request, response))
    }
  }
  // As for what `once` adds: so `off('request', listener)` finds it.
  return Object.assign(guarded, { listener })
}

/**
 * Makes a FastCGI server: `http.createServer`, but for FastCGI.
 *
 * @param options see `ServerOptions`, or the listener
 * @param listener takes the 'request' event
 * @throws TypeError or RangeError for an option that cannot be
 */
export function createServer(
  options?: ServerOptions | RequestListener,
  listener?: RequestListener,
): Server {
  if (typeof options === 'function') return new Server({}, options)
  return new Server(options, listener)
}
