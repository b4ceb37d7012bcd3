// Replaces workers by new ones, which load the code as it is now: an old one only when its successor has shown that it
// can. The first is replaced alone, which shows whether the new code loads, the others several at a time.
import type { LogLevel } from '../log.ts'
import type { Member } from './member.ts'

/** What {@link Replacing} does it to. */
export interface Replaceable {
  /** All workers, those that begin and leave included. */
  readonly members: readonly Member[]
  readonly stopping: boolean
  /** Milliseconds a worker has to load the app when it is to replace another. */
  readonly loadTimeout: number
  /** A reload begins. */
  begin(): void
  /** Starts a worker that serves nobody yet. */
  startCandidate(): Member
  /** It serves from here on, and the other one finishes what runs and ends. */
  accept(candidate: Member, instead: Member): void
  /** It finishes what runs and ends. */
  drain(member: Member): void
  readonly log: (message: string, level?: LogLevel) => void
}

/** Milliseconds before one that failed to load its app is tried again, doubled each time up to the last. */
const retryPauses = { first: 500, last: 30_000 }
/** Milliseconds before a replacement that failed is tried again. */
const replaceAgain = 60_000

/**
 * So large a part of the workers is replaced at a time. On a busy machine a process that starts gets its share of the
 * processor and no more, so several start in the time of one; all of them at once would need twice the memory.
 */
const atOnce = 0.5

/** One reload. */
interface Round {
  /** Those whose turn has not come. */
  readonly old: Member[]
  replaced: number
  /** A new worker could not take its place. */
  failed: boolean
}

/** The replacements in a pool. */
export class Replacing {
  readonly #pool: Replaceable
  readonly counts: { recycled: number; reloads: number } = { recycled: 0, reloads: 0 }
  /** Until a worker that could not be replaced by a new one is given another try. */
  #retry: NodeJS.Timeout | undefined
  #retryPause = retryPauses.first
  #work: Promise<unknown> = Promise.resolve()
  #queued: Promise<boolean> | undefined

  constructor(pool: Replaceable) {
    this.#pool = pool
  }

  /**
   * Replaces all workers. Where the new code does not load, the old workers stay.
   *
   * @returns whether all were replaced
   */
  reload(): Promise<boolean> {
    // A call during a reload is for newer code still: once more when it is through, and once for all such calls.
    this.#queued ??= this.#inTurn(() => {
      this.#queued = undefined
      return this.#reload()
    })
    return this.#queued
  }

  async #reload(): Promise<boolean> {
    const pool = this.#pool
    this.counts.reloads += 1
    const old = pool.members.filter((member) => member.serving)
    pool.begin()
    const width = Math.ceil(old.length * atOnce)
    const round: Round = { old, replaced: 0, failed: false }
    await this.#replaceSome(round, 1)
    await Promise.all(Array.from({ length: width }, () => this.#replaceSome(round, Infinity)))
    if (pool.stopping) return false
    if (round.failed) {
      pool.log('reload given up, the new code does not load: the old workers go on', 'error')
      return false
    }
    pool.log(`reloaded: ${round.replaced} ${round.replaced === 1 ? 'worker' : 'workers'} replaced`)
    return true
  }

  /** One after the other, until so many have been. */
  async #replaceSome(round: Round, enough: number): Promise<void> {
    while (round.replaced < enough && !round.failed && !this.#pool.stopping) {
      const member = round.old.shift()
      if (!member) return
      // Gone meanwhile: whoever took its place has the new code.
      if (!member.serving || !this.#has(member)) continue
      if (await this.#replace(member)) round.replaced += 1
      else round.failed = true
    }
  }

  /** Replaces a worker that has had enough. */
  async recycle(member: Member, reason: string): Promise<void> {
    const pool = this.#pool
    const now = performance.now()
    if (member.state !== 'ready' || !member.serving || now < member.replaceableFrom) return
    member.replaceableFrom = now + pool.loadTimeout + replaceAgain
    pool.log(`worker ${member.pid} ${reason}: another takes its place`)
    this.counts.recycled += 1
    await this.#inTurn(async () => {
      if (member.serving && this.#has(member)) await this.#replace(member)
    })
    member.replaceableFrom = performance.now() + replaceAgain
  }

  /** An app that could not be loaded because something else was not there yet: tried again, by one worker. */
  retryLater(): void {
    const pool = this.#pool
    if (this.#retry || pool.stopping) return
    const isFailed = ({ serving, state }: Member): boolean => serving && state === 'failed'
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      void this.#inTurn(async () => {
        for (const member of pool.members) {
          if (isFailed(member) && !(await this.#replace(member))) return
        }
        this.#retryPause = retryPauses.first
      }).then(() => {
        if (pool.members.some(isFailed)) this.retryLater()
      })
    }, this.#retryPause)
    this.#retryPause = Math.min(this.#retryPause * 2, retryPauses.last)
  }

  /** Tries nothing again. */
  stop(): void {
    clearTimeout(this.#retry)
  }

  async #replace(member: Member): Promise<boolean> {
    const pool = this.#pool
    const next = pool.startCandidate()
    if (!(await this.#isReady(next))) {
      pool.drain(next)
      return false
    }
    if (pool.stopping) return false
    pool.accept(next, member)
    return true
  }

  #has(member: Member): boolean {
    return this.#pool.members.includes(member)
  }

  #isReady(member: Member): Promise<boolean> {
    const { loadTimeout, log } = this.#pool
    return new Promise((resolve) => {
      const { worker } = member
      const settle = (): void => {
        clearTimeout(timer)
        worker.removeListener('message', look)
        worker.removeListener('exit', settle)
        worker.removeListener('error', settle)
        resolve(member.state === 'ready' && this.#has(member))
      }
      const look = (): void => {
        if (member.state !== 'starting') settle()
      }
      const timer = setTimeout(() => {
        log(`worker ${member.pid} is not ready after ${loadTimeout} ms`, 'warning')
        settle()
      }, loadTimeout)
      worker.on('message', look)
      worker.once('exit', settle)
      worker.once('error', settle)
    })
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#work.then(task)
    this.#work = run.catch(() => {})
    return run
  }
}
