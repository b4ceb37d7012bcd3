// Signals and the end of the process. SIGTERM, SIGINT, SIGUSR1 and SIGHUP: no new connections, what runs is finished
// within the deadline, status 0. A second signal ends at once, unless a web server is known to say everything twice.
import { basename } from 'node:path'
import { describeError } from './log.ts'

/** Something that must be ended with the process, in this order. */
export interface Stoppable {
  /** Milliseconds from the signal to the end at the latest. */
  readonly timeout: number
  /** Takes socket files away. Must not throw. */
  readonly release?: (() => void) | undefined
  /** Stops accepting, finishes what runs, cuts what runs after the timeout. */
  readonly drain: (timeout: number) => Promise<unknown>
  /** The app's own end: databases, timers. Runs after the last response. */
  readonly stop?: (() => unknown) | undefined
  /** True while nothing runs that a second signal would cut. */
  readonly idle?: (() => boolean) | undefined
  /** The process ends at once: takes others along. Must not throw. */
  readonly kill?: (() => void) | undefined
}

const endings = ['SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGHUP'] as const
type Ending = (typeof endings)[number]

/** Ctrl+C reaches a process twice when npm passes it on as well; so close together it is one. */
const sameKeystroke = 500

/** Time for `stop` of an app whose requests have used the deadline up. */
const leastStopTime = 1000

/** The end of a process, from the first signal on. */
export class Shutdown {
  /** Takes messages; replaced once there is a log. */
  log: (message: string) => void = () => {}
  /** What SIGHUP does instead of beginning the end. */
  reload: (() => void) | undefined
  /**
   * SIGTERM again is no haste. mod_fcgid, told to restart gracefully, sends it to every process that still runs a second
   * after the first, and SIGKILL after eight.
   */
  patient = false
  /** Told when the end begins. */
  started: (() => void) | undefined
  readonly #exit: (status: number) => void
  readonly #stoppables: Stoppable[] = []
  readonly #listeners = new Map<string, () => void>()
  #begun: Promise<void> | undefined
  #begunAt = 0
  #status = 0

  /** @param exit ends the process; another one in tests */
  constructor(exit: (status: number) => void = (status) => process.exit(status)) {
    this.#exit = exit
  }

  /** True from the first signal on. */
  get begun(): boolean {
    return this.#begun !== undefined
  }

  /** Adds what must be ended. */
  add(stoppable: Stoppable): void {
    this.#stoppables.push(stoppable)
  }

  /**
   * Listens for signals. The first act of `serve`: while nobody listens for SIGUSR1, Node opens its debugger on it.
   *
   * @param reopen called on SIGUSR2; without it SIGUSR2 keeps its meaning
   */
  listen(reopen?: () => void): void {
    for (const signal of endings) {
      // An app that listens for it has its own idea of SIGHUP.
      if (signal === 'SIGHUP' && process.listenerCount(signal) > 0) continue
      if (signal === 'SIGHUP' && isUnderNohup())
        this.#on(signal, () => this.log('SIGHUP is ignored, as nohup wants'))
      else this.#on(signal, () => this.#signalled(signal))
    }
    if (reopen) this.#on('SIGUSR2', reopen)
  }

  /** Takes the signal listeners away. */
  unlisten(): void {
    for (const [signal, listener] of this.#listeners) process.removeListener(signal, listener)
    this.#listeners.clear()
  }

  #on(signal: NodeJS.Signals, listener: () => void): void {
    if (this.#listeners.has(signal)) return
    process.on(signal, listener)
    this.#listeners.set(signal, listener)
  }

  #signalled(signal: Ending): void {
    // The same for an app that was loaded later.
    if (signal === 'SIGHUP' && process.listenerCount(signal) > 1) return
    if (signal === 'SIGHUP' && this.reload) {
      if (this.#begun === undefined) this.reload()
      return
    }
    const again = this.#begun !== undefined
    if (again && signal === 'SIGINT' && Date.now() - this.#begunAt < sameKeystroke) return
    if (again && signal === 'SIGTERM' && this.patient) return
    // An app that has closed its server itself sends the signal on (Nest, with its shutdown hooks): no failure.
    // Others that are taken along may be busy: those of a primary.
    const idle = this.#stoppables.every(
      (each) => each.stop === undefined && each.kill === undefined && each.idle?.(),
    )
    if (again && idle && this.#stoppables.length > 0) {
      for (const { release } of this.#stoppables) release?.()
      this.#exit(this.#status)
      return
    }
    if (again) {
      this.log(`${signal} again: ending at once`)
      for (const { release, kill } of this.#stoppables) {
        release?.()
        kill?.()
      }
      const { constants } = process.getBuiltinModule('node:os')
      this.#exit(128 + (constants.signals[signal] ?? 0))
      return
    }
    const restart =
      signal === 'SIGHUP'
        ? '; a single process cannot reload, whoever started it must start it again'
        : ''
    void this.begin(`${signal}: finishing what runs, then ending${restart}`, 0)
  }

  /**
   * Begins the end; a second call waits for the same one.
   *
   * @param reason for the log; undefined says nothing
   * @param status exit status; the highest one asked for counts
   */
  begin(reason: string | undefined, status: number): Promise<void> {
    this.#status = Math.max(this.#status, status)
    if (this.#begun === undefined) {
      this.#begunAt = Date.now()
      this.started?.()
      this.#begun = this.#end()
      // Said when it is true: nothing listens any more.
      if (reason !== undefined) this.log(reason)
    }
    return this.#begun
  }

  async #end(): Promise<void> {
    for (const { release } of this.#stoppables) release?.()
    await Promise.all(this.#stoppables.map((each) => this.#endOne(each)))
    this.#exit(this.#status)
  }

  async #endOne({ timeout, drain, stop }: Stoppable): Promise<void> {
    const deadline = performance.now() + timeout
    try {
      await within(timeout + leastStopTime, drain(timeout))
      await within(Math.max(deadline - performance.now(), leastStopTime), stop?.())
    } catch (error) {
      this.log(`the app failed to stop: ${describeError(error)}`)
      this.#status = Math.max(this.#status, 1)
    }
  }
}

/** Waits for work, but not for ever. */
async function within(timeout: number, work: unknown): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeout)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

let shared: Shutdown | undefined

/** The shutdown of this process; several servers end together. */
export function processShutdown(): Shutdown {
  return (shared ??= new Shutdown())
}

/**
 * Whether this process is to outlive its terminal. Node takes back an ignored SIGHUP when it starts, so nohup(1) is known
 * only by the variable in which shells name the command.
 */
function isUnderNohup(): boolean {
  return basename(process.env._ ?? '') === 'nohup'
}
