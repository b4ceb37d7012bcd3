// What a process that serves can tell about itself.
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import type { Server } from '../server.ts'

/** A request that took long. */
export interface SlowRequest {
  /** ISO 8601. */
  readonly time: string
  readonly method: string
  /** Path without the query, which may hold what is nobody's business. */
  readonly path: string
  readonly status: number
  readonly durationMs: number
}

/** How one process is. Times in milliseconds, sizes in bytes, counts since its start. */
export interface ProcessFigures {
  readonly pid: number
  /** ISO 8601. */
  readonly startedAt: string
  readonly requests: number
  readonly running: number
  readonly aborted: number
  readonly failed: number
  readonly refused: number
  readonly slow: number
  readonly connections: number
  readonly openConnections: number
  readonly waitingConnections: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly rss: number
  readonly heapUsed: number
  /** By which the event loop was late, since the last time it was asked. */
  readonly loopDelayMean: number
  readonly loopDelayMax: number
  readonly recentSlow: readonly SlowRequest[]
}

/** Milliseconds between looks at the event loop; finer costs more. */
const resolution = 20
/** So many slow requests are kept. */
const maxSlow = 10

/** Collects the figures of this process. */
export class FigureTaker {
  readonly #server: Server
  readonly #startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString()
  readonly #delay: IntervalHistogram | undefined
  #slow = 0
  #recentSlow: SlowRequest[] = []

  /** @param watchLoop measure the event loop's delay, which wakes the process 50 times a second */
  constructor(server: Server, watchLoop: boolean) {
    this.#server = server
    if (!watchLoop) return
    this.#delay = monitorEventLoopDelay({ resolution })
    this.#delay.enable()
  }

  /** A request was slow. */
  slow(request: SlowRequest): void {
    this.#slow += 1
    this.#recentSlow = [request, ...this.#recentSlow.slice(0, maxSlow - 1)]
  }

  /** The figures now. */
  take(): ProcessFigures {
    const { rss, heapUsed } = process.memoryUsage()
    // The histogram holds the time between looks; what goes beyond the resolution is delay.
    const late = (nanoseconds: number): number =>
      Number.isFinite(nanoseconds) ? Math.max(0, Math.round(nanoseconds / 1e6 - resolution)) : 0
    const { mean = 0, max = 0 } = this.#delay ?? {}
    this.#delay?.reset()
    return {
      pid: process.pid,
      startedAt: this.#startedAt,
      ...this.#server.statistics,
      slow: this.#slow,
      rss,
      heapUsed,
      loopDelayMean: late(mean),
      loopDelayMax: late(max),
      recentSlow: this.#recentSlow,
    }
  }
}
