// A worker as the primary knows it.
import type { Worker } from 'node:cluster'
import type { Socket } from 'node:net'
import type { ProcessFigures } from './observe/figures.ts'
import type { PrimaryMessage } from './worker-messages.ts'

/** A connection on its way to a worker. The primary keeps its copy until the worker has it. */
export interface Handed {
  readonly socket: Socket
  readonly at: number
}

/** `failed`: the app did not load, every request is answered 503. `leaving`: ends, by our word or its own. */
export type MemberState = 'starting' | 'ready' | 'failed' | 'leaving'

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
  tell(message: PrimaryMessage, socket?: Socket): void {
    if (!this.worker.isConnected()) return
    try {
      if (socket) this.worker.send(message, socket, { keepOpen: true }, () => {})
      else this.worker.send(message, () => {})
    } catch {
      // Gone in this moment; its end is noticed elsewhere.
    }
  }
}
