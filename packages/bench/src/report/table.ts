/** The table that a run prints. */
import { CASES } from '../cases.ts'
import type { GrowthSeries } from '../growth.ts'
import { IMPLEMENTATIONS } from '../implementations.ts'
import type { Measurement, Results } from '../results.ts'
import type { Spread } from '../statistics.ts'

function number(value: number): string {
  if (!Number.isFinite(value)) return ''
  if (value >= 1000) return Math.round(value).toString()
  return value.toPrecision(3)
}

/** `0.84 (0.81–0.88)`: median and quartiles. */
export function ratioText(ratio: Spread | undefined): string {
  if (ratio === undefined || !Number.isFinite(ratio.median)) return ''
  return `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`
}

/** Lines of cells, padded to columns. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  '),
    )
    .map((line) => line.trimEnd())
    .join('\n')
}

const headings: { readonly [kind: string]: readonly string[] } = {
  load: [
    'CPU µs',
    '/ node:http',
    'req/s',
    '/ node:http',
    'p50 ms',
    'p99 ms',
    '/ node:http',
    'peak MB',
  ],
  idle: ['bytes each', '/ node:http', 'rss MB'],
  start: ['ms', '/ node:http', 'CPU ms', '/ node:http', 'rss MB'],
}

function row(kind: string, { figures, ratios }: Measurement): string[] {
  const memory = number(figures.peakBytes.median / 1e6)
  const cpu = [number(figures.cpuMicros.median / 1000), ratioText(ratios?.cpuMicros)]
  if (kind === 'start') {
    return [number(figures.special.median), ratioText(ratios?.special), ...cpu, memory]
  }
  if (kind !== 'load') return [number(figures.special.median), ratioText(ratios?.special), memory]
  return [
    number(figures.cpuMicros.median),
    ratioText(ratios?.cpuMicros),
    number(figures.requestsPerSecond.median),
    ratioText(ratios?.requestsPerSecond),
    number(figures.p50Millis.median),
    number(figures.p99Millis.median),
    ratioText(ratios?.p99Millis),
    memory,
  ]
}

/** One block a case and mode, in the order of the lists. */
export function resultTable({ measurements }: Results): string {
  const title = new Map(IMPLEMENTATIONS.map(({ id, title: text }) => [id, text]))
  const blocks: string[] = []
  for (const { id, title: caseTitle, kind, modes, unit } of CASES) {
    for (const mode of modes) {
      const rows = measurements.filter((one) => one.caseId === id && one.mode === mode)
      if (rows.length === 0) continue
      const where = mode === 'nginx' ? 'through nginx' : 'directly'
      blocks.push(
        columns([
          [`${caseTitle}, ${where}, per ${unit}`, ...(headings[kind] ?? [])],
          ...rows.map((one) => [
            `  ${title.get(one.implementation) ?? one.implementation}`,
            ...row(kind, one),
          ]),
        ]),
      )
    }
  }
  return blocks.join('\n\n')
}

/** One block a growth: values across, implementations down. */
export function growthTable(series: readonly GrowthSeries[]): string {
  return series
    .map(({ title, lines }) =>
      columns([
        [title, ...(lines[0]?.points ?? []).map(([x]) => String(x))],
        ...lines.map(({ implementation, points }) => [
          `  ${implementation}`,
          ...points.map(([, micros]) => number(micros)),
        ]),
      ]),
    )
    .join('\n\n')
}
