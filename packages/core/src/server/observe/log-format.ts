// Format strings of the access log, with the letters of php-fpm's access.format, and two of Apache's that it lacks.
import { bare, clfTime, quoted, targetOf, type Finished } from './log-fields.ts'

type Field = (finished: Finished) => string | number | undefined

const fields: Readonly<Record<string, Field>> = {
  R: ({ remoteAddress }) => remoteAddress,
  u: ({ request }) => request.fastcgi.remoteUser,
  t: ({ startedAt }) => clfTime(startedAt),
  m: ({ request }) => request.method,
  r: ({ request }) => targetOf(request).split('?', 1)[0],
  Q: ({ request }) => (targetOf(request).includes('?') ? '?' : ''),
  q: ({ request }) => queryOf(targetOf(request)),
  H: ({ request }) => `HTTP/${request.httpVersion}`,
  s: ({ status }) => status,
  d: ({ duration }) => (duration / 1000).toFixed(3),
  l: ({ request }) => request.headers['content-length'] ?? 0,
  b: ({ bytes }) => bytes,
  p: () => process.pid,
  L: ({ id }) => id,
}

const units: Readonly<Record<string, (milliseconds: number) => string>> = {
  seconds: (milliseconds) => (milliseconds / 1000).toFixed(3),
  milliseconds: (milliseconds) => milliseconds.toFixed(3),
  milli: (milliseconds) => milliseconds.toFixed(3),
  microseconds: (milliseconds) => (milliseconds * 1000).toFixed(0),
  micro: (milliseconds) => (milliseconds * 1000).toFixed(0),
}

/** Letters whose values are ours: nothing in them needs an escape, and a time has a blank. */
const ours = 'tsdbp'

/** `%{NAME}x`: a variable of the web server's, a header of the response, a duration in a unit, a time. */
const named: Readonly<Record<string, (name: string) => Field | undefined>> = {
  e:
    (name) =>
    ({ request }) =>
      request.fastcgi.params[name],
  o:
    (name) =>
    ({ response }) =>
      response.getHeader(name)?.toString(),
  d: (name) => {
    const unit = Object.hasOwn(units, name) ? units[name] : undefined
    return unit && (({ duration }) => unit(duration))
  },
  t: (name) => (name === 'iso' ? ({ startedAt }) => new Date(startedAt).toISOString() : undefined),
}

/**
 * Makes what writes a request's line. Whatever a client or the app chose is escaped, between quotes as for a quoted
 * field, elsewhere blanks as well, so that it ends neither the line nor its field; what is not known is `-`.
 *
 * @throws TypeError that names what is unknown in the format
 */
export function logFormat(format: string): (finished: Finished) => string {
  const parts: (string | ((finished: Finished) => string))[] = []
  let isQuoted = false
  let at = 0
  for (const found of format.matchAll(/%(?:\{([^{}]*)\})?(.?)/gs)) {
    const text = format.slice(at, found.index)
    at = found.index + found[0].length
    isQuoted = parity(text, isQuoted)
    parts.push(text)
    const [whole, name, letter = ''] = found
    if (whole === '%%') {
      parts.push('%')
      continue
    }
    const field = fieldOf(name, letter)
    if (!field)
      throw new TypeError(`option accessLog: unknown ${whole} in ${JSON.stringify(format)}`)
    const escape = ours.includes(letter) ? String : isQuoted ? quoted : bare
    const empty = letter === 'Q' || letter === 'q' ? '' : '-'
    parts.push((finished) => escape(String(field(finished) ?? '')) || empty)
  }
  parts.push(format.slice(at))
  if (/[^\x20-\x7e]/.test(format)) {
    throw new TypeError('option accessLog: a format is one line of printable ASCII')
  }
  return (finished) =>
    parts.map((part) => (typeof part === 'string' ? part : part(finished))).join('')
}

function fieldOf(name: string | undefined, letter: string): Field | undefined {
  if (name === undefined) return Object.hasOwn(fields, letter) ? fields[letter] : undefined
  if (name === '' || !Object.hasOwn(named, letter)) return undefined
  return named[letter]?.(name)
}

/** Whether what follows stands between quotes. */
function parity(text: string, before: boolean): boolean {
  return (text.split('"').length - 1) % 2 === 0 ? before : !before
}

function queryOf(target: string): string {
  const at = target.indexOf('?')
  return at === -1 ? '' : target.slice(at + 1)
}
