/** What the project has promised itself, and whether a run meets it. */
import type { Mode } from './cases.ts'
import { columns } from './report/table.ts'
import type { Figures, Measurement } from './results.ts'

interface Bar {
  readonly what: string
  readonly caseId: string
  readonly mode: Mode
  readonly implementation: string
  /** Divided by this one instead of by node:http with the same app. */
  readonly against?: string
  readonly figure: keyof Figures
  readonly must: number
  readonly aim?: number
  /** Which side of the bar is good. */
  readonly better: 'lower' | 'higher'
}

const frameworks = ['raw', 'express', 'koa', 'fastify'] as const

function cpuBars(must: number, aim: number): Bar[] {
  return ['hello', 'json'].flatMap((caseId) =>
    frameworks.map((framework): Bar => ({
      what: `CPU a request, ${caseId}, ${framework}`,
      caseId,
      mode: 'nginx',
      implementation: `ours-${framework}`,
      figure: 'cpuMicros',
      must,
      aim,
      better: 'lower',
    })),
  )
}

function transferBars(caseId: string): Bar[] {
  const base = { caseId, mode: 'nginx', implementation: 'ours-raw' } as const
  return [
    {
      ...base,
      what: `CPU a MB, ${caseId}`,
      figure: 'cpuMicros',
      must: 1.1,
      aim: 1,
      better: 'lower',
    },
    {
      ...base,
      what: `MB/s, ${caseId}`,
      figure: 'requestsPerSecond',
      must: 0.9,
      aim: 1,
      better: 'higher',
    },
  ]
}

/** Node 26 made node:http cheaper, so the bar there is another. */
function barsFor(node: string): Bar[] {
  const newest = Number(/^v(\d+)/.exec(node)?.[1]) >= 26
  const direct = { mode: 'direct', implementation: 'ours-raw' } as const
  return [
    ...cpuBars(newest ? 1.05 : 1, newest ? 0.95 : 0.85),
    ...(['raw', 'express'] as const).map((framework): Bar => ({
      what: `CPU a request against node-fastcgi, ${framework}`,
      caseId: 'hello',
      mode: 'nginx',
      implementation: `ours-${framework}`,
      against: `node-fastcgi-${framework}`,
      figure: 'cpuMicros',
      must: framework === 'raw' ? 0.1 : 0.4,
      better: 'lower',
    })),
    ...frameworks.map((framework): Bar => ({
      what: `requests a second, hello, ${framework}`,
      caseId: 'hello',
      mode: 'nginx',
      implementation: `ours-${framework}`,
      figure: 'requestsPerSecond',
      must: 1,
      aim: 1.1,
      better: 'higher',
    })),
    ...transferBars('upload'),
    ...transferBars('download'),
    {
      what: 'CPU a chunk, event stream',
      caseId: 'events',
      mode: 'nginx',
      implementation: 'ours-raw',
      figure: 'cpuMicros',
      must: 1,
      aim: 0.8,
      better: 'lower',
    },
    {
      ...direct,
      what: 'bytes an idle connection',
      caseId: 'idle',
      figure: 'special',
      must: 0.6,
      better: 'lower',
    },
    {
      what: 'p99 at 64 connections',
      caseId: 'connections64',
      mode: 'nginx',
      implementation: 'ours-raw',
      figure: 'p99Millis',
      must: 1,
      better: 'lower',
    },
    {
      ...direct,
      what: 'CPU a request, multiplexed on 2 against 64 connections',
      caseId: 'multiplex',
      against: 'ours-raw@connections64',
      figure: 'cpuMicros',
      must: 1,
      aim: 0.9,
      better: 'lower',
    },
  ]
}

/** Milliseconds by which an Express app on ours may start later than on node:http. */
const START_BAR = 15

function verdict(value: number, bar: Bar): string {
  const reaches = (limit: number): boolean =>
    bar.better === 'lower' ? value <= limit : value >= limit
  if (bar.aim !== undefined && reaches(bar.aim)) return 'aim met'
  if (reaches(bar.must)) return bar.aim === undefined ? 'met' : 'met, aim missed'
  return 'MISSED'
}

/** The lines of the table of bars, for all that the run has measured. */
export function barTable(measurements: readonly Measurement[], node: string): string {
  const find = (caseId: string, mode: Mode, implementation: string): Measurement | undefined =>
    measurements.find(
      (one) => one.caseId === caseId && one.mode === mode && one.implementation === implementation,
    )
  const rows = [['bar', 'must', 'aim', 'measured', '']]
  for (const bar of barsFor(node)) {
    const ours = find(bar.caseId, bar.mode, bar.implementation)
    if (ours === undefined) continue
    const [other, otherCase = bar.caseId] = (bar.against ?? '').split('@')
    const rival = bar.against === undefined ? undefined : find(otherCase, bar.mode, other ?? '')
    const value =
      bar.against === undefined
        ? ours.ratios?.[bar.figure].median
        : ours.figures[bar.figure].median / (rival?.figures[bar.figure].median ?? Number.NaN)
    if (value === undefined || !Number.isFinite(value)) continue
    const sign = bar.better === 'lower' ? '≤' : '≥'
    rows.push([
      bar.what,
      `${sign} ${bar.must}`,
      bar.aim === undefined ? '' : `${sign} ${bar.aim}`,
      value.toFixed(2),
      verdict(value, bar),
    ])
  }
  const start = (id: string): number =>
    find('start', 'direct', id)?.figures.special.median ?? Number.NaN
  const later = start('ours-express') - start('http-express')
  if (Number.isFinite(later)) {
    rows.push([
      'spawn to first byte, Express, ours − node:http, ms',
      `≤ ${START_BAR}`,
      '',
      later.toFixed(1),
      later <= START_BAR ? 'met' : 'MISSED',
    ])
  }
  return columns(rows)
}
