// Looks for workers that give no sign of life, and kills them: whoever hangs hears no other word.
import type { LogLevel } from '../log.ts'
import type { Member } from './member.ts'
import { beatInterval } from './messages.ts'

/** What a {@link Vigil} works with. */
export interface VigilSettings {
  /** Milliseconds without a sign of life; 0: never. */
  readonly hangTimeout: number
  /** The same for one that loads its app, where that is longer. */
  readonly loadTimeout: number
  readonly log: (message: string, level?: LogLevel) => void
  /** Called at each look. */
  readonly looked: () => void
}

/** The look at all workers, once in each interval of their signs. */
export class Vigil {
  readonly #members: ReadonlySet<Member>
  readonly #settings: VigilSettings
  #timer: NodeJS.Timeout | undefined
  #last = 0
  /** Workers that were killed. */
  hung = 0

  constructor(members: ReadonlySet<Member>, settings: VigilSettings) {
    this.#members = members
    this.#settings = settings
  }

  /** Begins to look. */
  start(): void {
    this.#last = performance.now()
    this.#timer = setInterval(() => this.#look(), beatInterval)
  }

  /** Looks no more. */
  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { hangTimeout, loadTimeout, log, looked } = this.#settings
    const now = performance.now()
    const late = now - this.#last - beatInterval
    this.#last = now
    looked()
    for (const member of this.#members) {
      // While the primary itself stood still, their signs were not read. On a busy machine it is late again and again, and
      // the rest counts all the same.
      if (late > beatInterval) member.lastBeat = Math.min(now, member.lastBeat + late)
      const silent = now - member.lastBeat
      const loads = member.state === 'starting'
      if (hangTimeout === 0 || silent <= Math.max(hangTimeout, loads ? loadTimeout : 0)) continue
      const seconds = Math.round(silent / 1000)
      log(`worker ${member.pid} has given no sign of life for ${seconds} s: killed`, 'error')
      this.hung += 1
      member.lastBeat = now
      member.worker.process.kill('SIGKILL')
    }
  }
}
