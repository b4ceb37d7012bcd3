// What `serve` has to do with watching. Loads nothing of it where nobody asks for it.
import { isHttpServer, type RequestTaker } from '../app.ts'
import type { Log } from '../log.ts'
import type { Server } from '../server.ts'
import type { Shutdown } from '../shutdown.ts'
import type { FigureTaker } from './figures.ts'
import type { Observation } from './observation.ts'
import { isObserved, resolveObserveOptions, type ObserveOptions } from './options.ts'
import type { Status } from './status.ts'

/** The watch over a process, if any. */
export class Watching {
  readonly #options: ObserveOptions
  readonly #log: Log
  readonly #shutdown: Shutdown | undefined
  #observation: Observation | undefined

  constructor(options: ObserveOptions, log: Log, shutdown: Shutdown | undefined) {
    this.#options = options
    this.#log = log
    this.#shutdown = shutdown
  }

  /**
   * Begins to watch the requests of this process.
   *
   * @param status who knows the status where this is one process of several
   * @returns what collects its figures
   * @throws TypeError or RangeError for an option that cannot be
   */
  async begin(server: Server, status?: () => Promise<Status>): Promise<FigureTaker | undefined> {
    if (!isObserved(this.#options)) return undefined
    const { Observation } = await import('./observation.ts')
    this.#observation = new Observation(server, this.#options, this.#log, status)
    return this.#observation.figures
  }

  /** Opens the status socket where there is to be one. Default: it tells of this process. */
  async openSocket(server: Server, status?: () => Status): Promise<void> {
    if (this.#options.status === undefined) return
    const { openStatusSocket } = await import('./status-socket.ts')
    const { status: options } = resolveObserveOptions(this.#options)
    const known = status ?? ((): Status => (this.#observation as Observation).status())
    const socket = options && (await openStatusSocket(options, known, this.#log))
    server.once('close', () => socket?.close())
    this.#shutdown?.add({ timeout: 0, release: () => socket?.close(), drain: async () => {} })
  }

  /** The app is loaded. */
  loaded(app: RequestTaker): void {
    this.#observation?.loaded(isHttpServer(app) ? app : undefined)
  }

  /** Opens log files anew. */
  reopen(): void {
    this.#observation?.reopen()
  }
}
