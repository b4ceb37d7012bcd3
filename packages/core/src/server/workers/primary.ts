// The first process of a pool: owns the socket, starts the workers, and turns signals and a touched file into a reload.
// Loaded only where there are workers.
import { dirname, resolve } from 'node:path'
import { watchFiles, type Watch } from '../changed.ts'
import type { Door } from '../doors.ts'
import type { Log } from '../log.ts'
import type { Notifier } from '../notify.ts'
import { defaultLoadTimeout, type ServeOptions } from '../serve-options.ts'
import type { Server } from '../server.ts'
import type { Shutdown, Stoppable } from '../shutdown.ts'
import { workerLimits } from './options.ts'
import type { PoolHost } from './pool-options.ts'
import { WorkerPool } from './pool.ts'

/** What a {@link Primary} works with. */
export interface PrimaryParts {
  readonly server: Server
  readonly count: number
  readonly options: ServeOptions
  readonly drainTimeout: number
  /** Real path of the script. */
  readonly script: string | undefined
  readonly log: Log
  /** Undefined where the process is the caller's. */
  readonly shutdown: Shutdown | undefined
  /** There where relays bring the connections. */
  readonly host?: PoolHost | undefined
  /** Undefined where systemd does not want to hear anything. */
  readonly notifier: Notifier | undefined
}

/** Milliseconds the primary waits longer than its workers, which may be killed at their deadline. */
const longer = 3000

let exists = false

/** The primary of the pool of this process. */
export class Primary {
  readonly #parts: PrimaryParts
  readonly #pool: WorkerPool
  #watch: Watch | undefined
  #reloading = 0

  /**
   * @throws RangeError for a limit that cannot be
   * @throws Error for a second pool, and where there is no script that workers could run
   */
  constructor(parts: PrimaryParts) {
    if (exists) throw new Error('One call of serve() in a process can have workers.')
    const script = process.argv[1]
    if (script === undefined) throw new Error('Workers need a script to run: process.argv[1].')
    this.#parts = parts
    this.#pool = new WorkerPool({
      count: parts.count,
      // As it was named, not its real path: a link may lead to newer code by then.
      script,
      arguments: process.argv.slice(2),
      hangTimeout: workerLimits(parts.options).timeout,
      drainTimeout: parts.drainTimeout,
      loadTimeout: parts.options.loadTimeout ?? defaultLoadTimeout,
      log: (message, level) => parts.log.write(message, level),
      host: parts.host,
      changed: () => {
        if (this.#pool.ready > 0 && !this.#reloading) parts.notifier?.ready()
      },
    })
    exists = true
    parts.server.divert((socket) => this.#pool.hand(socket))
    this.#watchFile()
  }

  /** The workers. */
  get pool(): WorkerPool {
    return this.#pool
  }

  /** How this process ends: no new connections, then the workers finish. */
  get stoppable(): Pick<Stoppable, 'timeout' | 'drain' | 'kill' | 'stop'> {
    const { server, drainTimeout } = this.#parts
    return {
      timeout: drainTimeout + longer,
      // The server's own connections are those that no worker has yet. Where the workers accept by themselves they also
      // take in who waits to be accepted.
      drain: () =>
        this.#pool.accepting
          ? this.#pool.stop().then(() => server.close())
          : Promise.all([server.drain(drainTimeout), this.#pool.stop()]),
      kill: () => this.#pool.kill(),
      // The app's end is the workers' affair.
      stop: undefined,
    }
  }

  /** The app should have been a function that loads it. */
  warnOfLoadedApp(): void {
    this.#parts.log.write(
      'warning: the process that starts the workers has loaded the app as well: give serve() a function that loads it',
    )
  }

  /** Starts the workers, once the socket listens. */
  start(door: Door): void {
    const { shutdown, server, count, log } = this.#parts
    log.write(`listening on ${door.name}, ${count} ${count === 1 ? 'worker' : 'workers'} to serve`)
    server.once('close', () => {
      this.#watch?.close()
      void this.#pool.stop()
    })
    if (shutdown) shutdown.reload = () => this.reload('SIGHUP')
    this.#pool.start(door)
  }

  /** Replaces the workers by ones with the code as it is now. */
  reload(reason: string): void {
    const { log, notifier } = this.#parts
    log.write(`${reason}: replacing the workers`)
    this.#reloading += 1
    notifier?.reloading()
    void this.#pool.reload().then(() => {
      this.#reloading -= 1
      // Also when the old workers go on.
      if (this.#reloading === 0) notifier?.ready()
    })
  }

  #watchFile(): void {
    const { options, script, shutdown } = this.#parts
    const file = options.restartFile ?? 'tmp/restart.txt'
    if (file === false || script === undefined || !shutdown) return
    // Beside the script, and beside the link it was started through: a deployment may turn that link.
    const folders = new Set([dirname(script), dirname(process.argv[1] ?? script)])
    const paths = [...folders].map((folder) => resolve(folder, file))
    this.#watch = watchFiles(paths, (path) => {
      // From what it is now: a time in the future is one change, not one a second.
      this.#watchFile()
      this.reload(`${path} has changed`)
    })
  }
}
