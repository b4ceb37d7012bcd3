// A line for each request, in the formats that log analysers know.
import type { IncomingMessage } from 'node:http'
import { bare, clfTime, quoted, targetOf, type Finished } from './log-fields.ts'
import { logFormat } from './log-format.ts'

/**
 * `common` and `combined` as Apache has them; `json`: an object a line, with duration and request id; or a format with
 * `%`, as php-fpm's access.format.
 */
export type AccessLogFormat = 'common' | 'combined' | 'json' | (string & {})

/**
 * What makes the line of a request. Nothing in it that a client or app chose can end the line or a field.
 *
 * @throws TypeError for a format that cannot be
 */
export function accessLine(format: AccessLogFormat): (finished: Finished) => string {
  if (format === 'json') return jsonLine
  if (format === 'common') return commonLine
  if (format === 'combined') return combinedLine
  return logFormat(format)
}

function commonLine(finished: Finished): string {
  const { request, startedAt, status, bytes, remoteAddress } = finished
  const user = request.fastcgi.remoteUser
  const host = remoteAddress === undefined ? '-' : bare(remoteAddress)
  const size = bytes === 0 ? '-' : String(bytes)
  return `${host} - ${user ? bare(user) : '-'} [${clfTime(startedAt)}] "${requestLine(request)}" ${status} ${size}`
}

function combinedLine(finished: Finished): string {
  const { referer, 'user-agent': agent } = finished.request.headers
  return `${commonLine(finished)} "${quoted(referer ?? '-')}" "${quoted(agent ?? '-')}"`
}

function requestLine(request: IncomingMessage): string {
  return quoted(`${request.method} ${targetOf(request)} HTTP/${request.httpVersion}`)
}

function jsonLine(finished: Finished): string {
  const { request, startedAt, duration, status, aborted, bytes, remoteAddress, id } = finished
  const line = JSON.stringify({
    time: new Date(startedAt).toISOString(),
    id,
    remoteAddress,
    remoteUser: request.fastcgi.remoteUser,
    method: request.method,
    url: targetOf(request),
    httpVersion: request.httpVersion,
    host: request.headers.host,
    status,
    aborted: aborted || undefined,
    bytes,
    durationMs: Math.round(duration * 10) / 10,
    referer: request.headers.referer,
    userAgent: request.headers['user-agent'],
  })
  // JSON leaves these be, and some readers take them for line ends.
  return line.replace(
    /[\x7f-\x9f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
