/** Just enough SVG for two kinds of chart: text, lines, boxes. Colours follow the reader's light or dark scheme. */

/** Escapes text for SVG. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

/** One line of text; `anchor` as in SVG. */
export function text(
  x: number,
  y: number,
  content: string,
  anchor: 'start' | 'middle' | 'end' = 'start',
  className = 'text',
): string {
  return `<text class="${className}" x="${x}" y="${y}" text-anchor="${anchor}">${escape(content)}</text>`
}

export function line(x1: number, y1: number, x2: number, y2: number, className: string): string {
  return `<line class="${className}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`
}

export function box(
  x: number,
  y: number,
  width: number,
  height: number,
  className: string,
): string {
  return `<rect class="${className}" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" rx="2"/>`
}

export function dot(x: number, y: number, className: string): string {
  return `<circle class="${className}" cx="${round(x)}" cy="${round(y)}" r="4"/>`
}

export function polyline(
  points: readonly (readonly [number, number])[],
  className: string,
): string {
  return `<polyline class="${className}" points="${points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ')}"/>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

const STYLE = `
  .text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font: 600 14px system-ui, sans-serif; fill: #24292f }
  .small { font: 11px system-ui, sans-serif; fill: #57606a }
  .ours { fill: #2f6feb; stroke: #2f6feb } .theirs { fill: #8c959f; stroke: #8c959f }
  .rule { stroke: #d0d7de; stroke-width: 1 } .one { stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 4 3 }
  rect.ours, rect.theirs { stroke: none } polyline { fill: none; stroke-width: 2 } polyline.ours, polyline.theirs { fill: none }
  line.ours, line.theirs { stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    .text, .title { fill: #e6edf3 } .small { fill: #9198a1 } .rule { stroke: #3d444d }
    .ours { fill: #4493f8; stroke: #4493f8 } .one { stroke: #9198a1 }
  }`

/** A whole picture. */
export function picture(
  width: number,
  height: number,
  title: string,
  parts: readonly string[],
): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escape(title)}</title>
<style>${STYLE}
</style>
${parts.join('\n')}
</svg>
`
}
