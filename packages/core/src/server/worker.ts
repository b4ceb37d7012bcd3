// A worker's side of a pool: connections come from the primary, which owns the socket and never loads the app.
import type { Socket } from 'node:net'
import type { Server } from './server.ts'
import {
  beatInterval,
  isPoolMessage,
  workerVariable,
  type PrimaryMessage,
  type WorkerMessage,
} from './worker-messages.ts'

/** When a worker asks to be replaced. */
export interface RecycleLimits {
  /** Requests; 0 for no limit. */
  readonly requests: number
  /** Megabytes of resident memory; 0 for no limit. */
  readonly memory: number
}

/** Whether this process is a worker; the variable that says so goes. */
export function takeWorkerPlace(env: Record<string, string | undefined>): boolean {
  const worker = env[workerVariable] !== undefined && process.send !== undefined
  delete env[workerVariable]
  return worker
}

/** What a worker does on the primary's word. */
export interface WorkerDuties {
  readonly server: Server
  readonly recycle: RecycleLimits
  /** Finishes what runs and ends. */
  drain(reason: string | undefined): void
  reopen(): void
}

/** The channel to the primary. */
export class WorkerPlace {
  readonly #duties: WorkerDuties
  #asked = false
  #expected = 0
  #worst = 0

  constructor(duties: WorkerDuties) {
    this.#duties = duties
    process.on('message', (message: unknown, socket?: unknown) => this.#take(message, socket))
    process.once('disconnect', () =>
      duties.drain('the primary process has gone: finishing what runs, then ending'),
    )
    this.#expected = performance.now() + beatInterval
    // The channel itself must not keep a drained worker, nor the beat.
    setInterval(() => this.#beat(), beatInterval).unref()
  }

  /** Tells the primary how loading went. */
  loaded(failure: string | undefined): void {
    this.#send(
      failure === undefined ? { fastcgi: 'ready' } : { fastcgi: 'failed', reason: failure },
    )
  }

  #take(message: unknown, socket: unknown): void {
    if (!isPoolMessage<PrimaryMessage>(message)) return
    const { server, drain, reopen } = this.#duties
    if (message.fastcgi === 'connection') {
      // A peer that went away on the way leaves nothing to serve.
      if (socket) server.emit('connection', socket as Socket)
    } else if (message.fastcgi === 'drain') {
      drain(undefined)
    } else if (message.fastcgi === 'reopen') {
      reopen()
    }
  }

  #beat(): void {
    const now = performance.now()
    this.#worst = Math.max(0, now - this.#expected)
    this.#expected = now + beatInterval
    const { server, recycle } = this.#duties
    const { requests, running, openConnections, aborted, failed, refused } = server.statistics
    const { rss, heapUsed } = process.memoryUsage()
    const loopDelay = Math.round(this.#worst)
    this.#send({
      fastcgi: 'beat',
      figures: {
        requests,
        running,
        openConnections,
        aborted,
        failed,
        refused,
        rss,
        heapUsed,
        loopDelay,
      },
    })
    if (this.#asked) return
    const megabytes = Math.round(rss / 2 ** 20)
    if (recycle.requests > 0 && requests >= recycle.requests) {
      this.#recycle(`it has served ${requests} requests`)
    } else if (recycle.memory > 0 && megabytes > recycle.memory) {
      this.#recycle(`it uses ${megabytes} MB`)
    }
  }

  #recycle(reason: string): void {
    this.#asked = true
    this.#send({ fastcgi: 'recycle', reason })
  }

  #send(message: WorkerMessage): void {
    if (process.connected) process.send?.(message, undefined, undefined, () => {})
  }
}
