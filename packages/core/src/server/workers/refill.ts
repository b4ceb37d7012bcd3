// Starts another worker for one that ended unasked: at once, and later and later where they end soon.
import type { LogLevel } from '../log.ts'
import type { Member } from './member.ts'

/** Milliseconds before the second one; doubled each time up to the last. */
const firstPause = 500
const lastPause = 30_000
/** Milliseconds: a worker that lived so long is no reason to pause. */
const longLife = 30_000

/** The pauses between workers that end. */
export class Refill {
  readonly #fill: () => void
  readonly #log: (message: string, level?: LogLevel) => void
  #pause = 0
  #timer: NodeJS.Timeout | undefined

  /** @param fill starts as many workers as are missing */
  constructor(fill: () => void, log: (message: string, level?: LogLevel) => void) {
    this.#fill = fill
    this.#log = log
  }

  /** A worker has ended, or does not do what it should: another takes its place. */
  soon(member: Member, what: string): void {
    const lived = performance.now() - member.startedAt
    if (lived > longLife) this.#pause = 0
    const when = this.#pause === 0 ? 'now' : `in ${this.#pause / 1000} s`
    const age = Math.round(lived / 1000)
    this.#log(`worker ${member.pid} ${what} after ${age} s; another starts ${when}`, 'error')
    if (this.#pause === 0) {
      this.#fill()
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.#fill()
      }, this.#pause)
    }
    this.#pause = Math.min(Math.max(this.#pause * 2, firstPause), lastPause)
  }

  /** Ends the pause. */
  now(): void {
    if (!this.#timer) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#fill()
  }

  /** A worker does well: the next one that ends is replaced at once. */
  reset(): void {
    this.#pause = 0
  }

  /** Starts nothing any more. */
  stop(): void {
    clearTimeout(this.#timer)
  }
}
