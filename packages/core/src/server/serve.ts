// `serve(app)`: the one line that makes an app a FastCGI application, in whatever way the process was started.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { dirname, resolve } from 'node:path'
import { isLoader, loadApp, requestTaker, type AppLoader } from './app.ts'
import type { CgiCaller } from './cgi.ts'
import { serveCgi } from './cgi-process.ts'
import { watchFiles } from './changed.ts'
import { doctorIntercept } from './doctor.ts'
import { openActivated, openDescriptor, openDoor, type Door } from './doors.ts'
import { entryScript } from './entry.ts'
import { settleNodeEnv } from './environment.ts'
import { answer, AppGate } from './gate.ts'
import { createLog, describeError, type Log } from './log.ts'
import { memorySessionsWarning, watchSessions } from './memory-sessions.ts'
import { defaultGatewayPort, type Mode } from './modes.ts'
import type { Notifier } from './notify.ts'
import { startNotifier } from './notify-settings.ts'
import type { Status } from './observe/status.ts'
import { Watching } from './observe/watching.ts'
import { openPool, openWorker, type PoolProcess } from './workers/pool-process.ts'
import { resolveOptions } from './options.ts'
import { failedHandler, failedLoad, newReference, type FailurePage } from './refusals.ts'
import {
  defaultLoadTimeout,
  defaultSharedIdleTimeout,
  type AdapterOptions,
  type ServeApp,
  type ServeOptions,
} from './serve-options.ts'
import { createServer, type Server } from './server.ts'
import { sharedIn } from '../shared/wanted.ts'
import { findStart, type Start } from './start.ts'
import { workersIn } from './workers/options.ts'
import type { PoolHost } from './workers/pool-options.ts'
import type { WorkerPlace } from './workers/worker.ts'
import { processShutdown, type Shutdown, type Stoppable } from './shutdown.ts'
import { endWithUsage, ServeError } from './usage.ts'

/** How often is looked whether the socket's file is still there, in milliseconds. */
const doorInterval = 5000

/**
 * Serves an app over FastCGI. Finds out how the process was started (CGI, a socket of its own, systemd, a web server,
 * a terminal), listens, loads the app while requests wait, handles signals, and ends the process when it is told to.
 *
 * An app that does not load answers 503 to every request, and the log has the reason. SIGTERM, SIGINT, SIGUSR1 and
 * SIGHUP end the process with status 0 once running requests are finished; SIGUSR2 opens the log anew. A process that
 * was started without a way to get requests prints its usage and ends with status 64.
 *
 * @param app a `(req, res)` listener, an `http.Server`, or a function without parameters that loads one of them or a
 *   module with it as default export
 * @returns the server, once it listens; under CGI once the request is under way
 * @throws TypeError or RangeError for an option or app that cannot be; an Error with the system's `code` when it cannot
 *   listen
 */
export function serve(app: ServeApp, options?: ServeOptions): Promise<Server>
export function serve<T>(app: T | AppLoader<T>, options: AdapterOptions<T>): Promise<Server>
export function serve(
  app: unknown,
  options: ServeOptions | AdapterOptions<never> = {},
): Promise<Server> {
  return new Serving(app, options).start(undefined)
}

type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean

/** One call of `serve`. */
export class Serving {
  readonly #app: unknown
  readonly #options: ServeOptions & Partial<AdapterOptions<never>>
  readonly #shutdown: Shutdown | undefined
  readonly #log: Log
  readonly #script: string | undefined
  /** What else is opened anew on SIGUSR2. */
  readonly #reopened: (() => void)[] = []
  readonly #watching: Watching
  #development = false
  #failurePage: FailurePage | undefined

  constructor(app: unknown, options: ServeOptions & Partial<AdapterOptions<never>>) {
    const managed = options.signals !== false
    const shutdown = managed ? processShutdown() : undefined
    shutdown?.listen()
    const log = createLog(options.log)
    if (shutdown) shutdown.log = (message) => log.write(message)
    this.#app = app
    this.#options = options
    this.#shutdown = shutdown
    this.#log = log
    this.#watching = new Watching(options, log, shutdown)
    this.#script = options.script ?? entryScript()
  }

  async start(start: Start | undefined): Promise<Server> {
    const options = this.#options
    if (!isLoader(this.#app) && !isThenable(this.#app) && !options.adapt) requestTaker(this.#app)
    const { mode, cgi, notify } = start ?? findStart(options)
    if (mode.type === 'usage') return this.#endWithUsage(mode.reason)
    if (this.#shutdown && mode.type === 'spawned') this.#shutdown.patient = true
    if (start === undefined && this.#sharedIn(mode)) {
      const relay = await this.#openRelay(mode)
      if (relay) return relay
    }
    // With `register` the arguments are the app's, and this process is about to load it.
    const workers = start === undefined ? this.#workersIn(mode) : 0
    this.#development = mode.type === 'gateway' || options.development === true
    if (this.#development) {
      this.#failurePage = (await import('../gateway/failure-page.ts')).failurePage
    }
    this.#guardProcess(mode)
    if (!this.#development && options.env !== false) {
      const message = settleNodeEnv(process.env, !isLoader(this.#app))
      // A CGI process lives for one request: a line in each would bury the log.
      const once = mode.type !== 'cgi' && mode.type !== 'worker'
      if (message !== undefined && once) this.#log.write(message)
    }
    const handlerError = (
      error: unknown,
      request: IncomingMessage,
      response: ServerResponse,
    ): void => this.#handlerError(error, request, response)
    const { authorize, filter } = options
    const server: Server = createServer({
      ...options,
      ...(authorize && { authorize: (...both) => gate.behind(authorize)(...both) }),
      ...(filter && { filter: (...both) => gate.behind(filter)(...both) }),
      script: this.#script,
      handlerError,
      intercept: this.#intercept(mode),
      warn: (code, message) => this.#log.write(`${message} [${code}]`, 'warning'),
    })
    const notifier = notify && (await startNotifier(notify, this.#log, this.#shutdown))
    if (workers > 0) {
      await this.#openPool(server, mode, workers, notifier)
      return server
    }
    const gate = new AppGate(server, {
      loadTimeout: options.loadTimeout ?? defaultLoadTimeout,
      handlerError,
    })
    const place = mode.type === 'worker' ? await this.#openWorker(server, mode) : undefined
    if (!place) {
      await this.#watching.begin(server)
      if (mode.type !== 'cgi' && !this.#development) await this.#watching.openSocket(server)
      await this.#open(server, mode, cgi)
    }
    void this.#load(gate).then((well) => {
      place?.loaded(well)
      if (well) notifier?.ready()
      else notifier?.failed()
    })
    return server
  }

  #endWithUsage(reason: string | undefined): never {
    return endWithUsage(reason, this.#script, this.#log, this.#shutdown !== undefined)
  }

  #workersIn(mode: Mode): number {
    try {
      return workersIn(mode, this.#options, (message) => this.#log.write(message))
    } catch (error) {
      return this.#endWithUsage((error as Error).message)
    }
  }

  #sharedIn(mode: Mode): boolean {
    try {
      return sharedIn(mode, this.#options, (message) => this.#log.write(message))
    } catch (error) {
      return this.#endWithUsage((error as Error).message)
    }
  }

  /** Undefined where there can be no relays: this process then serves by itself. */
  async #openRelay(mode: Mode): Promise<Server | undefined> {
    const { Relay } = await import('../shared/relay.ts')
    const relay = await Relay.open(this.#script, (message) => this.#log.write(message))
    if (!relay) return undefined
    if (!isLoader(this.#app)) relay.warnOfLoadedApp()
    this.#guardProcess(mode)
    const server = createServer({ ...this.#options, script: this.#script })
    await this.#openSocket(server, mode, relay.serve(server, this.#options.accept))
    if (!isUnderH2o()) this.#watchFiles(server, mode, [])
    return server
  }

  async #openHost(server: Server, place: string, pool: (() => Status) | undefined): Promise<Door> {
    const { openHost } = await import('../shared/host.ts')
    const parts = {
      place,
      script: this.#script,
      idleTimeout: this.#options.sharedIdleTimeout ?? defaultSharedIdleTimeout,
      leave: (reason: string) => void this.#shutdown?.begin(reason, 0),
      log: (message: string) => this.#log.write(message),
    }
    return openHost(server, parts, pool)
  }

  /** What the processes of a pool are made of. */
  #parts(server: Server): PoolProcess {
    return {
      server,
      options: this.#options,
      log: this.#log,
      shutdown: this.#shutdown,
      watching: this.#watching,
    }
  }

  async #openPool(
    server: Server,
    mode: Mode,
    count: number,
    notifier: Notifier | undefined,
  ): Promise<void> {
    const reopen = await openPool({
      ...this.#parts(server),
      count,
      script: this.#script,
      appIsLoaded: !isLoader(this.#app),
      notifier,
      host: mode.type === 'host' ? await this.#poolHost(mode.place) : undefined,
      openSocket: (own, pool) => this.#openSocket(server, mode, own, pool),
    })
    this.#reopened.push(reopen)
    // Its options may be others, too: a new host then. A restart file replaces the workers.
    if (mode.type === 'host') this.#watchFiles(server, mode, [])
  }

  async #poolHost(place: string): Promise<PoolHost> {
    const { poolHost } = await import('../shared/pool-host.ts')
    return poolHost(place)
  }

  async #openWorker(
    server: Server,
    { name, folder }: Extract<Mode, { type: 'worker' }>,
  ): Promise<WorkerPlace> {
    const place = await openWorker(this.#parts(server), name, folder, () => this.#reopen())
    this.#addToShutdown(server, { drain: (timeout) => place.drained(timeout) })
    return place
  }

  #reopen(): void {
    this.#log.reopen()
    this.#watching.reopen()
    for (const reopen of this.#reopened) reopen()
  }

  #guardProcess(mode: Mode): void {
    const shutdown = this.#shutdown
    if (!shutdown) return
    // In a terminal SIGUSR2 keeps its meaning: nodemon restarts by it.
    if (mode.type !== 'gateway') shutdown.listen(() => this.#reopen())
    // Whoever reads our output may go away; that is no reason to end.
    if (mode.type !== 'cgi') process.stdout.on('error', () => {})
    if (this.#options.log !== undefined) {
      process.on('uncaughtExceptionMonitor', (error) => {
        this.#log.write(
          `an exception nobody caught ends the process: ${describeError(error)}`,
          'error',
        )
      })
    }
  }

  async #open(server: Server, mode: Mode, cgi: CgiCaller | undefined): Promise<void> {
    if (cgi) {
      this.#addToShutdown(server)
      void serveCgi(server, cgi).then((status) => this.#end(status))
      return
    }
    if (mode.type === 'gateway') {
      await this.#openGateway(server, mode.port ?? defaultGatewayPort)
      return
    }
    // What the files are now counts, not what they are once a request can come.
    this.#watchFiles(server, mode)
    const door = await this.#openSocket(server, mode)
    this.#log.write(`listening on ${door.name}`)
  }

  async #openSocket(
    server: Server,
    mode: Mode,
    own: Partial<Stoppable> = {},
    pool?: () => Status,
  ): Promise<Door> {
    let door: Door
    try {
      door = await this.#openDoor(server, mode, pool)
    } catch (error) {
      if (this.#options.log !== undefined) this.#log.write((error as Error).message)
      throw error
    }
    server.once('close', () => door.close())
    this.#addToShutdown(server, { release: () => door.close(), ...own })
    this.#watchDoor(server, door)
    return door
  }

  #openDoor(server: Server, mode: Mode, pool: (() => Status) | undefined): Promise<Door> {
    const { allow, mode: permissions, owner, group } = this.#options
    switch (mode.type) {
      case 'listen':
        return openDoor(server, mode.address, {
          mode: permissions,
          owner,
          group,
          log: (message) => this.#log.write(message),
          guarded: allow !== undefined || Boolean(process.env.FCGI_WEB_SERVER_ADDRS?.trim()),
        })
      case 'systemd':
        return openActivated(server, mode.sockets)
      case 'spawned':
        return openDescriptor(server, 0, mode.path)
      case 'host':
        return this.#openHost(server, mode.place, pool)
      default:
        throw new ServeError(`mode ${mode.type} has no socket`)
    }
  }

  /** What looks at requests before the app does. */
  #intercept(mode: Mode): Intercept {
    const several = (mode.type === 'spawned' && !isUnderH2o()) || mode.type === 'worker'
    const watch = watchSessions(() => {
      if (several) this.#log.write(memorySessionsWarning(mode.type === 'worker'))
    })
    const asked = doctorIntercept(this.#script)
    return (request, response) => {
      watch(request, response)
      return asked(request, response)
    }
  }

  /** Nothing of the gateway is loaded in any other mode. */
  async #openGateway(server: Server, port: number): Promise<void> {
    const { openGateway } = await import('./gateway-door.ts')
    const gateway = await openGateway(server, {
      port,
      mount: this.#options.mount,
      script: this.#script,
    })
    server.once('close', () => void gateway.close())
    this.#log.write(`development gateway on ${gateway.url}`)
    this.#addToShutdown(server, {
      drain: (timeout) => Promise.all([gateway.close(timeout), server.drain(timeout)]),
    })
  }

  #addToShutdown(server: Server, own: Partial<Stoppable> = {}): void {
    this.#shutdown?.add({
      timeout: resolveOptions(this.#options).drainTimeout,
      drain: (timeout) => server.drain(timeout),
      idle: () => server.statistics.running === 0,
      stop: this.#options.onStop,
      ...own,
    })
  }

  #end(status: number): void {
    if (this.#shutdown) void this.#shutdown.begin(undefined, status)
    else process.exitCode = status
  }

  #watchDoor(server: Server, door: Door): void {
    const timer = setInterval(() => {
      if (door.intact()) return
      clearInterval(timer)
      this.#log.write(`warning: ${door.name} has been deleted or replaced: nobody new can connect`)
    }, doorInterval).unref()
    server.once('close', () => clearInterval(timer))
  }

  #watchFiles(server: Server, mode: Mode, more?: readonly string[]): void {
    const script = this.#script
    if (script === undefined || !this.#shutdown) return
    const restarted = mode.type === 'host' || (mode.type === 'spawned' && !isUnderH2o())
    const file = this.#options.restartFile ?? (restarted ? 'tmp/restart.txt' : false)
    if (file === false) return
    const paths = [...(more ?? [resolve(dirname(script), file)]), script]
    const watch = watchFiles(paths, (path) => {
      void this.#shutdown?.begin(`${path} has changed: finishing what runs, then ending`, 0)
    })
    server.once('close', () => watch.close())
  }

  /** Whether it could be loaded. */
  async #load(gate: AppGate): Promise<boolean> {
    try {
      const app = await loadApp(this.#app)
      const adapt = this.#options.adapt
      const taker = requestTaker(adapt ? await adapt(app as never) : app)
      this.#watching.loaded(taker)
      gate.open(taker)
      return true
    } catch (error) {
      const { locateSyntaxError } = await import('./syntax-error.ts')
      await locateSyntaxError(error, this.#script)
      const reference = newReference()
      this.#log.write(
        `the app could not be loaded, every request is answered 503: ${describeError(error)}\nFCGI_LOAD_FAILED ${reference}`,
        'error',
      )
      gate.refuse(failedLoad(error, this.#failurePage, reference))
      return false
    }
  }

  /** What a handler threw costs its request and no other. */
  #handlerError(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    const reference = newReference()
    this.#log.write(
      `${request.method} ${request.url}: ${describeError(error)}\nFCGI_HANDLER_FAILED ${reference}`,
      'error',
    )
    try {
      answer(request, response, failedHandler(error, this.#failurePage, reference))
    } catch (failure) {
      // Whatever the app has done to its response: it costs this request, not the process.
      this.#log.write(`the error page could not be written: ${describeError(failure)}`, 'error')
      response.destroy()
    }
    if (this.#options.exitOnError !== true) return
    if (this.#shutdown)
      void this.#shutdown.begin(
        'a handler has thrown (option exitOnError): finishing what runs, then ending',
        1,
      )
    else process.exitCode = 1
  }
}

/** h2o starts its processes once and never again. */
function isUnderH2o(): boolean {
  return Object.keys(process.env).some((name) => /^(H2O|SERVER_STARTER)_/.test(name))
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
