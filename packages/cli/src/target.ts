/** Addresses of FastCGI applications as they are written on the command line, in the forms that `listen` takes. */
import type { Target } from '@fastcgi/core/client'
import { ExitCode, Failure } from './exit.ts'

/** `/run/app.sock`, `./app.sock`, `unix:app.sock`, `@name`, `host:port`, `:port`, `port`. */
export function parseTarget(text: string): Target {
  if (text.startsWith('unix:')) return { socketPath: text.slice(5).replace(/^\/\/(?=\/)/, '') }
  if (text.startsWith('@')) return { socketPath: `\0${text.slice(1)}` }
  if (text.includes('/') || text.endsWith('.sock')) return { socketPath: text }
  const match = /^(?:(.*):)?(\d+)$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port < 1 || port > 65_535) {
    throw new Failure(
      ExitCode.Usage,
      `${JSON.stringify(text)} is no address: /run/app.sock, @name, host:port or :port`,
    )
  }
  const host = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1')
  return { port, host: host === '' ? '127.0.0.1' : host }
}

/** A whole number with a unit: `30s`, `500ms`, `5m` for milliseconds; `256k`, `10m` for bytes. */
export function parseQuantity(text: string, unit: 'time' | 'size'): number {
  const units: Record<string, number> =
    unit === 'time'
      ? { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
      : { '': 1, b: 1, k: 1024, kb: 1024, m: 1024 ** 2, mb: 1024 ** 2, g: 1024 ** 3 }
  const match = /^(\d+)\s*([a-z]*)$/i.exec(text)
  const factor = match === null ? undefined : units[match[2]!.toLowerCase()]
  if (factor === undefined) {
    const forms = unit === 'time' ? '500ms, 30s or 5m' : '4096, 256k or 10m'
    throw new Failure(ExitCode.Usage, `${JSON.stringify(text)} is not understood: ${forms}`)
  }
  return Number(match![1]) * factor
}
