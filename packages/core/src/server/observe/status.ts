// The status of an app: the figures of its processes, added up, and as JSON, text for Prometheus, or a page.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ProcessFigures, SlowRequest } from './figures.ts'
import { prometheusText } from './prometheus.ts'
import { statusPage } from './status-page.ts'

/** A process that serves. */
export interface WorkerStatus {
  readonly pid: number
  /** `starting`, `ready`, `failed` (the app did not load) or `leaving`. */
  readonly state: string
  /** Seconds. */
  readonly uptime: number
  readonly requests: number
  readonly active: number
  readonly connections: number
  /** Bytes of resident memory. */
  readonly rss: number
  /** Milliseconds, at worst in the last second. */
  readonly loopDelay: number
}

/** What the status page tells. Sizes in bytes; counts since the start, those of workers that have ended included. */
export interface Status {
  /** ISO 8601. */
  readonly startedAt: string
  /** Seconds. */
  readonly uptime: number
  readonly requests: {
    readonly accepted: number
    readonly active: number
    readonly aborted: number
    readonly failed: number
    readonly refused: number
    readonly slow: number
  }
  readonly connections: {
    readonly accepted: number
    readonly open: number
    readonly waiting: number
  }
  readonly bytes: { readonly read: number; readonly written: number }
  readonly memory: { readonly rss: number; readonly heapUsed: number }
  /** Milliseconds by which the event loop was late; of the worst process. */
  readonly loopDelay: { readonly mean: number; readonly max: number }
  /** Only with workers. */
  readonly pool?: {
    readonly workers: number
    readonly ready: number
    readonly crashed: number
    readonly hung: number
    readonly recycled: number
    readonly reloads: number
  }
  readonly workers: readonly WorkerStatus[]
  readonly recentSlow: readonly SlowRequest[]
}

/** A process, as far as it is known; no figures before its first sign of life. */
export interface KnownProcess {
  readonly pid: number
  readonly state: string
  readonly figures: ProcessFigures | undefined
}

/** What is added up. */
export interface StatusParts {
  readonly processes: readonly KnownProcess[]
  /** The last figures of processes that have ended. */
  readonly past?: readonly ProcessFigures[]
  /** Connections that no process has yet. */
  readonly waiting?: number
  readonly pool?: Status['pool']
}

const maxSlow = 20

/** Adds figures up. */
export function addUp({ processes, past = [], waiting = 0, pool }: StatusParts): Status {
  const now = processes.flatMap(({ figures }) => (figures ? [figures] : []))
  const all = [...now, ...past]
  const sum = (of: readonly ProcessFigures[], name: Counted): number =>
    of.reduce((total, figures) => total + figures[name], 0)
  const most = (name: 'loopDelayMean' | 'loopDelayMax'): number =>
    Math.max(0, ...now.map((figures) => figures[name]))
  const uptime = Math.round(process.uptime())
  return {
    startedAt: new Date(Date.now() - uptime * 1000).toISOString(),
    uptime,
    requests: {
      accepted: sum(all, 'requests'),
      active: sum(now, 'running'),
      aborted: sum(all, 'aborted'),
      failed: sum(all, 'failed'),
      refused: sum(all, 'refused'),
      slow: sum(all, 'slow'),
    },
    connections: {
      accepted: sum(all, 'connections'),
      open: sum(now, 'openConnections'),
      waiting: sum(now, 'waitingConnections') + waiting,
    },
    bytes: { read: sum(all, 'bytesRead'), written: sum(all, 'bytesWritten') },
    memory: { rss: sum(now, 'rss'), heapUsed: sum(now, 'heapUsed') },
    loopDelay: { mean: most('loopDelayMean'), max: most('loopDelayMax') },
    ...(pool ? { pool } : {}),
    workers: processes.map(({ pid, state, figures }) => ({
      pid,
      state,
      uptime: figures ? Math.round((Date.now() - Date.parse(figures.startedAt)) / 1000) : 0,
      requests: figures?.requests ?? 0,
      active: figures?.running ?? 0,
      connections: figures?.openConnections ?? 0,
      rss: figures?.rss ?? 0,
      loopDelay: figures?.loopDelayMax ?? 0,
    })),
    recentSlow: all
      .flatMap(({ recentSlow }) => recentSlow)
      .sort((a, b) => b.time.localeCompare(a.time))
      .slice(0, maxSlow),
  }
}

type Counted = {
  [Name in keyof ProcessFigures]: ProcessFigures[Name] extends number ? Name : never
}[keyof ProcessFigures]

/** The figures of ended processes as one, so that they do not grow. */
export function merge(past: ProcessFigures | undefined, ended: ProcessFigures): ProcessFigures {
  if (!past) return ended
  return {
    ...ended,
    requests: past.requests + ended.requests,
    aborted: past.aborted + ended.aborted,
    failed: past.failed + ended.failed,
    refused: past.refused + ended.refused,
    slow: past.slow + ended.slow,
    connections: past.connections + ended.connections,
    bytesRead: past.bytesRead + ended.bytesRead,
    bytesWritten: past.bytesWritten + ended.bytesWritten,
    recentSlow: [...ended.recentSlow, ...past.recentSlow].slice(0, maxSlow),
  }
}

/**
 * Answers with the status in the form that is asked for: by `?json`, `?prometheus` or `?html`, by the path's end
 * (`/metrics`, `.json`), or by Accept; JSON otherwise.
 */
export function answerStatus(
  request: IncomingMessage,
  response: ServerResponse,
  status: Status,
): void {
  const form = formOf(request)
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (form === 'prometheus') {
    response.setHeader('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
    response.end(prometheusText(status))
  } else if (form === 'html') {
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    response.setHeader('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'")
    response.end(statusPage(status))
  } else {
    response.setHeader('Content-Type', 'application/json')
    response.end(`${JSON.stringify(status, undefined, 2)}\n`)
  }
}

function formOf({ url = '', headers }: IncomingMessage): 'json' | 'prometheus' | 'html' {
  const [path = '', query = ''] = url.split('?', 2)
  const asked = /^(json|prometheus|html)\b/.exec(query)?.[1]
  if (asked) return asked as 'json' | 'prometheus' | 'html'
  if (path.endsWith('/metrics')) return 'prometheus'
  if (path.endsWith('.json')) return 'json'
  const accept = headers.accept ?? ''
  if (accept.includes('text/html')) return 'html'
  return /version=0\.0\.4|openmetrics/.test(accept) ? 'prometheus' : 'json'
}
