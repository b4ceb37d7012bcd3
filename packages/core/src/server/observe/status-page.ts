// The status as a page for a person: no script, nothing from elsewhere.
import type { Status } from './status.ts'

const style =
  'body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:60em}table{border-collapse:collapse;margin:0 0 1.5em}td,th{padding:.2em 1em .2em 0;text-align:left;border-bottom:1px solid #8884}td.n{text-align:right;font-variant-numeric:tabular-nums}h1{font-size:1.4em}h2{font-size:1em;margin-bottom:.3em}:root{color-scheme:light dark}'

/** The page. */
export function statusPage(status: Status): string {
  const { requests, connections, bytes, memory, loopDelay, pool, workers, recentSlow } = status
  const groups: [string, Readonly<Record<string, number>>][] = [
    ['Requests', requests],
    ['Connections', connections],
    ['Bytes', bytes],
    ['Memory (bytes)', memory],
    ['Event loop delay (ms)', loopDelay],
  ]
  if (pool) groups.push(['Workers', pool])
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>FastCGI status</title><style>${style}</style>
<h1>Up for ${duration(status.uptime)}</h1>
<p>Since ${text(status.startedAt)}</p>
${groups.map(([name, values]) => `<h2>${name}</h2>${pairs(values)}`).join('\n')}
<h2>Processes</h2>${rows(workers)}
<h2>Recent slow requests</h2>${recentSlow.length === 0 ? '<p>None.</p>' : rows(recentSlow)}
</html>
`
}

function pairs(values: Readonly<Record<string, number>>): string {
  return rows([values])
}

function rows(list: readonly object[]): string {
  const names = Object.keys(list[0] ?? {})
  const head = names.map((name) => `<th>${text(name)}`).join('')
  const body = list.map((row) => `<tr>${Object.values(row).map(cell).join('')}`)
  return `<table><tr>${head}${body.join('')}</table>`
}

function cell(value: unknown): string {
  return typeof value === 'number'
    ? `<td class="n">${value.toLocaleString('en')}`
    : `<td>${text(String(value))}`
}

function text(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

function duration(seconds: number): string {
  const days = Math.floor(seconds / 86_400)
  const time = new Date((seconds % 86_400) * 1000).toISOString().slice(11, 19)
  return days > 0 ? `${days} d ${time}` : time
}
