/** The pictures that the README shows. */
import { CASES } from '../cases.ts'
import type { GrowthSeries } from '../growth.ts'
import { IMPLEMENTATIONS } from '../implementations.ts'
import type { Measurement, Results } from '../results.ts'
import { box, dot, line, picture, polyline, text } from './svg.ts'

const WIDTH = 860
const LEFT = 300
const RIGHT = 70
const ROW = 24

function titleOf(id: string): string {
  return IMPLEMENTATIONS.find((one) => one.id === id)?.title ?? id
}

function isOurs(id: string): boolean {
  return id.startsWith('ours-')
}

/** Bars: CPU of the application per request, hello through nginx, without a framework. */
function bars(
  measurements: readonly Measurement[],
  top: number,
): [parts: string[], bottom: number] {
  const rows = measurements
    .filter(({ caseId, mode }) => caseId === 'hello' && mode === 'nginx')
    .filter(({ implementation }) => !/express|koa|fastify$/.test(implementation))
    .filter(({ figures }) => Number.isFinite(figures.cpuMicros.median))
    .toSorted((a, b) => a.figures.cpuMicros.median - b.figures.cpuMicros.median)
  const longest = Math.max(...rows.map(({ figures }) => figures.cpuMicros.median))
  const parts = [
    text(16, top, 'CPU of the application per request: hello, through nginx, µs', 'start', 'title'),
  ]
  let y = top + 14
  for (const { implementation, figures } of rows) {
    const { median } = figures.cpuMicros
    const width = Math.max(2, (median / longest) * (WIDTH - LEFT - RIGHT))
    parts.push(text(LEFT - 10, y + 15, titleOf(implementation), 'end'))
    parts.push(box(LEFT, y + 3, width, ROW - 8, isOurs(implementation) ? 'ours' : 'theirs'))
    parts.push(text(LEFT + width + 8, y + 15, median.toPrecision(3)))
    y += ROW
  }
  return [parts, y]
}

const LOWEST = 0.4
const HIGHEST = 1.3

function ratioX(ratio: number): number {
  const inside = Math.min(HIGHEST, Math.max(LOWEST, ratio))
  return LEFT + ((inside - LOWEST) / (HIGHEST - LOWEST)) * (WIDTH - LEFT - RIGHT)
}

/** Dots with quartiles: ours divided by node:http with the same app, one row a case and framework. */
function dots(
  measurements: readonly Measurement[],
  top: number,
): [parts: string[], bottom: number] {
  const rows = CASES.filter(({ kind }) => kind === 'load').flatMap(({ id, title }) =>
    measurements
      .filter(
        ({ caseId, mode, implementation }) =>
          caseId === id && mode === 'nginx' && isOurs(implementation),
      )
      .map((one) => ({ title, one })),
  )
  const parts = [
    text(
      16,
      top,
      'The same divided by node:http behind the same nginx (median and quartiles; left is better)',
      'start',
      'title',
    ),
  ]
  const bottom = top + 20 + rows.length * ROW
  for (const mark of [0.5, 0.75, 1, 1.25]) {
    parts.push(line(ratioX(mark), top + 16, ratioX(mark), bottom, mark === 1 ? 'one' : 'rule'))
    parts.push(text(ratioX(mark), bottom + 14, mark.toFixed(2), 'middle', 'small'))
  }
  rows.forEach(({ title, one }, i) => {
    const y = top + 20 + i * ROW
    const ratio = one.ratios?.cpuMicros
    if (ratio === undefined) return
    const framework = titleOf(one.implementation).split(' + ')[1]
    parts.push(
      text(LEFT - 10, y + 16, framework === undefined ? title : `${title}, ${framework}`, 'end'),
    )
    parts.push(line(ratioX(ratio.low), y + 12, ratioX(ratio.high), y + 12, 'ours'))
    parts.push(dot(ratioX(ratio.median), y + 12, 'ours'))
    parts.push(text(WIDTH - RIGHT + 16, y + 16, ratio.median.toFixed(2)))
  })
  return [parts, bottom + 20]
}

/** The chart of a whole run. */
export function resultChart({ measurements, circumstances }: Results): string {
  const [first, afterBars] = bars(measurements, 26)
  const [second, afterDots] = dots(measurements, afterBars + 30)
  const { node, date, cpu, cores, versions } = circumstances
  const note = `Node ${node}, nginx ${versions['nginx'] ?? '?'}, ${cpu}, ${cores} cores, ${date.slice(0, 10)}`
  const parts = [...first, ...second, text(16, afterDots + 20, note, 'start', 'small')]
  return picture(WIDTH, afterDots + 34, 'CPU per request', parts)
}

const PLOT = { width: 400, height: 250, left: 56, right: 16, top: 34, bottom: 44 }

function plot(series: GrowthSeries, left: number, top: number): string[] {
  const points = series.lines.flatMap(({ points: list }) => list)
  const logs = (values: number[]): [number, number] => {
    const sorted = values.map(Math.log10)
    return [Math.min(...sorted), Math.max(...sorted)]
  }
  const [x0, x1] = logs(points.map(([x]) => x))
  const [low, high] = logs(points.map(([, y]) => y))
  const [y0, y1] = [Math.floor(low), Math.max(Math.ceil(high), Math.floor(low) + 1)]
  const width = PLOT.width - PLOT.left - PLOT.right
  const height = PLOT.height - PLOT.top - PLOT.bottom
  const px = (x: number): number =>
    left + PLOT.left + ((Math.log10(x) - x0) / (x1 - x0 || 1)) * width
  const py = (y: number): number => top + PLOT.top + (1 - (Math.log10(y) - y0) / (y1 - y0)) * height
  const parts = [text(left + PLOT.left, top + 20, series.title, 'start', 'title')]
  for (let power = y0; power <= y1; power++) {
    const y = py(10 ** power)
    parts.push(line(left + PLOT.left, y, left + PLOT.width - PLOT.right, y, 'rule'))
    parts.push(text(left + PLOT.left - 6, y + 4, compact(10 ** power), 'end', 'small'))
  }
  for (const x of new Set(points.map(([value]) => value))) {
    parts.push(text(px(x), top + PLOT.height - PLOT.bottom + 16, compact(x), 'middle', 'small'))
  }
  parts.push(text(left + PLOT.width / 2, top + PLOT.height - 10, series.x, 'middle', 'small'))
  for (const { implementation, points: list } of series.lines) {
    const className = isOurs(implementation) ? 'ours' : 'theirs'
    parts.push(
      polyline(
        list.map(([x, y]) => [px(x), py(y)] as const),
        className,
      ),
    )
    for (const [x, y] of list) parts.push(dot(px(x), py(y), className))
  }
  return parts
}

function compact(value: number): string {
  if (value >= 1e9) return `${value / 1e9}G`
  if (value >= 1e6) return `${value / 1e6}M`
  if (value >= 1e3) return `${value / 1e3}k`
  return String(value)
}

/** Four plots, both axes logarithmic: a straight line of slope one is cost in proportion. */
export function growthChart(series: readonly GrowthSeries[], note: string): string {
  const parts = series.flatMap((one, i) => plot(one, (i % 2) * 410, Math.floor(i / 2) * 260))
  const height = Math.ceil(series.length / 2) * 260 + 30
  const legend = 'blue: @fastcgi/core, grey: node:http; CPU of the application, directly loaded'
  return picture(WIDTH, height, 'How cost grows', [
    ...parts,
    text(16, height - 10, `${legend}. ${note}`, 'start', 'small'),
  ])
}
