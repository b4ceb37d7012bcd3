// A worker as the primary knows it.
import type { Worker } from 'node:cluster'
import type { Socket } from 'node:net'
import type { RawHandle } from './net-private.ts'
import type { ProcessFigures } from '../observe/figures.ts'
import type { PrimaryMessage } from './messages.ts'

/** A connection that the primary has accepted, or a worker that had more than its share. Not read from. */
export type Connection = Socket | RawHandle

/** A connection on its way to a worker. The primary keeps its copy until the worker has it. */
export interface Handed {
  readonly connection: Connection
  readonly at: number
}

/** `failed`: the app did not load, every request is answered 503. `leaving`: ends, by our word or its own. */
export type MemberState = 'starting' | 'ready' | 'failed' | 'leaving'

/** Milliseconds on top of a worker's own deadline. */
const grace = 2_000

/** One worker of a pool. */
export class Member {
  readonly worker: Worker
  readonly startedAt: number = performance.now()
  /** Is to replace another, and gets nothing before it has shown that it can. */
  candidate: boolean
  state: MemberState = 'starting'
  lastBeat: number = performance.now()
  /** When it may be tried again to replace it. */
  replaceableFrom = 0
  figures: ProcessFigures | undefined
  /** Connections it had open when it last said so. */
  open = 0
  /** Has been told to accept on the shared socket. */
  accepting = false
  /** In the order they were sent, which is the order they arrive in. */
  readonly handed: Handed[] = []

  constructor(worker: Worker, candidate: boolean) {
    this.worker = worker
    this.candidate = candidate
  }

  get pid(): number | undefined {
    return this.worker.process.pid
  }

  /** Counts as one of the workers that there should be. */
  get serving(): boolean {
    return !this.candidate && this.state !== 'leaving'
  }

  /** Sends a message; does nothing when the worker has gone. */
  tell(message: PrimaryMessage, handle?: Connection): void {
    if (!this.worker.isConnected()) return
    try {
      if (handle) this.worker.send(message, handle as Socket, { keepOpen: true }, () => {})
      else this.worker.send(message, () => {})
    } catch {
      // Gone in this moment; its end is noticed elsewhere.
    }
  }

  /**
   * Tells it to finish what runs and to end.
   *
   * @param timeout milliseconds it has for that; then it is killed
   * @param ending all workers end: those who wait to be accepted have nobody else
   */
  drain(timeout: number, ending: { readonly narrow: boolean } | undefined): void {
    // One that is starting does not hear messages yet, and has nothing to finish.
    if (this.state === 'starting') this.worker.process.kill('SIGTERM')
    else
      this.tell({ fastcgi: 'drain', last: ending !== undefined, narrow: ending?.narrow === true })
    this.state = 'leaving'
    this.killLate(timeout)
  }

  /** Kills it when it has not ended by then. */
  killLate(timeout: number): void {
    const timer = setTimeout(() => this.worker.process.kill('SIGKILL'), timeout + grace)
    this.worker.once('exit', () => clearTimeout(timer))
  }
}
