// `serve(app)`: the one line that makes an app a FastCGI application, in whatever way the process was started. How it was
// started says start.ts; what is opened then, opening.ts; how the app is loaded, loading.ts.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isLoader, requestTaker, type AppLoader } from './app.ts'
import { addToShutdown, beginCall, type Call } from './call.ts'
import { doctorIntercept } from './doctor.ts'
import { settleNodeEnv } from './environment.ts'
import { AppGate, type GateOptions } from './gate.ts'
import { answerFailure, loadBehind } from './loading.ts'
import { describeError } from './log.ts'
import { memorySessionsWarning, watchSessions } from './memory-sessions.ts'
import type { Mode } from './modes.ts'
import type { Notifier } from './notify.ts'
import { startNotifier } from './notify-settings.ts'
import { openMode, openSocket } from './opening.ts'
import type { Handler } from './options.ts'
import type { FailurePage } from './refusals.ts'
import { isUnderH2o, watchRestartFile } from './restart-file.ts'
import {
  defaultLoadTimeout,
  type AdapterOptions,
  type ServeApp,
  type ServeOptions,
} from './serve-options.ts'
import { createServer, type Server } from './server.ts'
import { sharedIn } from '../shared/wanted.ts'
import { findStart, type Start } from './start.ts'
import { workersIn } from './workers/options.ts'
import { openPool, openWorker } from './workers/pool-process.ts'
import type { PoolHost } from './workers/pool-options.ts'
import type { WorkerPlace } from './workers/worker.ts'
import { endWithUsage } from './usage.ts'

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
type HandlerError = GateOptions['handlerError']

/** One call of `serve`. */
export class Serving {
  readonly #call: Call
  /** What else is opened anew on SIGUSR2. */
  readonly #reopened: (() => void)[] = []
  #development = false
  #failurePage: FailurePage | undefined

  constructor(app: unknown, options: Call['options']) {
    this.#call = beginCall(app, options)
  }

  async start(start: Start | undefined): Promise<Server> {
    const { app, options, shutdown, log, watching } = this.#call
    if (!isLoader(app) && !isThenable(app) && !options.adapt) requestTaker(app)
    const { mode, cgi, notify } = start ?? findStart(options)
    if (mode.type === 'usage') return this.#endWithUsage(mode.reason)
    if (shutdown && mode.type === 'spawned') shutdown.patient = true
    if (start === undefined && this.#wanted(sharedIn, mode)) {
      const relay = await this.#openRelay(mode)
      if (relay) return relay
    }
    // With `register` the arguments are the app's, and this process is about to load it.
    const workers = start === undefined ? this.#wanted(workersIn, mode) : 0
    this.#development = mode.type === 'gateway' || options.development === true
    if (this.#development) {
      const { failurePage } = await import('../gateway/failure-page.ts')
      // Not the real path: the link a web server starts is looked at, too. Under `fastcgi dev` argv has the command.
      const script = options.script ?? process.argv[1]
      this.#failurePage = (...failed) => failurePage(...failed, script)
    }
    this.#guardProcess(mode)
    this.#settleEnvironment(mode)
    const server: Server = this.#createServer(mode, (handler) => gate.behind(handler))
    const notifier = notify && (await startNotifier(notify, log, shutdown))
    if (workers > 0) {
      await this.#openPool(server, mode, workers, notifier)
      return server
    }
    const gate = new AppGate(server, {
      loadTimeout: options.loadTimeout ?? defaultLoadTimeout,
      handlerError: this.#handlerError,
    })
    const place = mode.type === 'worker' ? await this.#openWorker(server, mode) : undefined
    if (!place) {
      await watching.begin(server)
      if (mode.type !== 'cgi' && !this.#development) await watching.openSocket(server)
      await openMode(this.#call, server, mode, cgi)
    }
    void loadBehind(gate, this.#call, this.#failurePage).then((well) => {
      place?.loaded(well)
      if (well) notifier?.ready()
      else notifier?.failed()
    })
    return server
  }

  readonly #handlerError: HandlerError = (...failed) =>
    answerFailure(this.#call, this.#failurePage, ...failed)

  #createServer(mode: Mode, behindGate: (handler: Handler) => Handler): Server {
    const { options, script, log } = this.#call
    const { authorize, filter } = options
    return createServer({
      ...options,
      ...(authorize && { authorize: (...both) => behindGate(authorize)(...both) }),
      ...(filter && { filter: (...both) => behindGate(filter)(...both) }),
      script,
      handlerError: this.#handlerError,
      intercept: this.#intercept(mode),
      warn: (code, message) => log.write(`${message} [${code}]`, 'warning'),
    })
  }

  #endWithUsage(reason: string | undefined): never {
    const { script, log, shutdown } = this.#call
    return endWithUsage(reason, script, log, shutdown !== undefined)
  }

  /** What the options, arguments and variables say; one that cannot be ends the process with its usage. */
  #wanted<T>(
    read: (mode: Mode, options: ServeOptions, log: (message: string) => void) => T,
    mode: Mode,
  ): T {
    const { options, log } = this.#call
    try {
      return read(mode, options, (message) => log.write(message))
    } catch (error) {
      return this.#endWithUsage((error as Error).message)
    }
  }

  /** Undefined where there can be no relays: this process then serves by itself. */
  async #openRelay(mode: Mode): Promise<Server | undefined> {
    const { app, options, script, log } = this.#call
    const { Relay } = await import('../shared/relay.ts')
    const relay = await Relay.open(script, (message) => log.write(message))
    if (!relay) return undefined
    if (!isLoader(app)) relay.warnOfLoadedApp()
    this.#guardProcess(mode)
    const server = createServer({ ...options, script })
    await openSocket(this.#call, server, mode, relay.serve(server, options.accept))
    if (!isUnderH2o()) watchRestartFile(this.#call, server, mode, [])
    return server
  }

  async #openPool(
    server: Server,
    mode: Mode,
    count: number,
    notifier: Notifier | undefined,
  ): Promise<void> {
    const call = this.#call
    const reopen = await openPool({
      ...call,
      server,
      count,
      notifier,
      host: mode.type === 'host' ? await poolHostAt(mode.place) : undefined,
      openSocket: (own, pool) => openSocket(call, server, mode, own, pool),
    })
    this.#reopened.push(reopen)
    // Its options may be others, too: a new host then. A restart file replaces the workers.
    if (mode.type === 'host') watchRestartFile(call, server, mode, [])
  }

  async #openWorker(
    server: Server,
    { name, folder }: Extract<Mode, { type: 'worker' }>,
  ): Promise<WorkerPlace> {
    const place = await openWorker({ ...this.#call, server }, name, folder, () => this.#reopen())
    addToShutdown(this.#call, server, { drain: (timeout) => place.drained(timeout) })
    return place
  }

  #reopen(): void {
    this.#call.log.reopen()
    this.#call.watching.reopen()
    for (const reopen of this.#reopened) reopen()
  }

  #guardProcess(mode: Mode): void {
    const { shutdown, options, log } = this.#call
    if (!shutdown) return
    // In a terminal SIGUSR2 keeps its meaning: nodemon restarts by it.
    if (mode.type !== 'gateway') shutdown.listen(() => this.#reopen())
    // Whoever reads our output may go away; that is no reason to end.
    if (mode.type !== 'cgi') process.stdout.on('error', () => {})
    if (options.log !== undefined) {
      process.on('uncaughtExceptionMonitor', (error) => {
        log.write(`an exception nobody caught ends the process: ${describeError(error)}`, 'error')
      })
    }
  }

  #settleEnvironment(mode: Mode): void {
    const { app, options, log } = this.#call
    if (this.#development || options.env === false) return
    const message = settleNodeEnv(process.env, !isLoader(app))
    // A CGI process lives for one request: a line in each would bury the log.
    const once = mode.type !== 'cgi' && mode.type !== 'worker'
    if (message !== undefined && once) log.write(message)
  }

  /** What looks at requests before the app does. */
  #intercept(mode: Mode): Intercept {
    const { log, script } = this.#call
    const several = (mode.type === 'spawned' && !isUnderH2o()) || mode.type === 'worker'
    const watch = watchSessions(() => {
      if (several) log.write(memorySessionsWarning(mode.type === 'worker'))
    })
    const asked = doctorIntercept(script)
    return (request, response) => {
      watch(request, response)
      return asked(request, response)
    }
  }
}

async function poolHostAt(place: string): Promise<PoolHost> {
  const { poolHost } = await import('../shared/pool-host.ts')
  return poolHost(place)
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
