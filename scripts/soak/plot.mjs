// Curves over time as one SVG, without any library.

const WIDTH = 760
const HEIGHT = 150

/** @param curves `{ title, unit, values: [seconds, value][] }[]`; @param marks seconds at which something was done */
export function plot(title, curves, marks) {
  const panels = curves.map((curve, n) => panel(curve, 40 + n * (HEIGHT + 40), marks))
  const height = 40 + curves.length * (HEIGHT + 40)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH + 90} ${height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="10" y="22" font-size="15">${title}</text>
${panels.join('\n')}
</svg>
`
}

function panel({ title, unit, values }, top, marks) {
  const last = Math.max(1, values.at(-1)?.[0] ?? 1)
  const most = Math.max(...values.map(([, value]) => value), 1) * 1.1
  const x = (seconds) => (70 + (seconds / last) * WIDTH).toFixed(1)
  const y = (value) => (top + 20 + HEIGHT - (value / most) * HEIGHT).toFixed(1)
  const lines = marks.map(
    (at) =>
      `<path d="M${x(at)} ${top + 20}V${top + 20 + HEIGHT}" stroke="#ccc" stroke-dasharray="3"/>`,
  )
  const path = values.map(([at, value], n) => `${n === 0 ? 'M' : 'L'}${x(at)} ${y(value)}`).join('')
  return `<text x="10" y="${top + 12}">${title} (${unit})</text>
<path d="M70 ${top + 20}V${top + 20 + HEIGHT}H${70 + WIDTH}" fill="none" stroke="#888"/>
<text x="62" y="${top + 26}" text-anchor="end">${most.toFixed(0)}</text>
<text x="62" y="${top + 20 + HEIGHT}" text-anchor="end">0</text>
${lines.join('')}
<path d="${path}" fill="none" stroke="#06c" stroke-width="1.5"/>`
}
