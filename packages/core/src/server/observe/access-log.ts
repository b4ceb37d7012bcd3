// A line for each request, in the formats that log analysers know.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { internals } from '../../http/node-private.ts'

/** `common` and `combined` as Apache has them; `json`: an object a line, with duration and request id. */
export type AccessLogFormat = 'common' | 'combined' | 'json'

/** A request that is over. */
export interface Finished {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** Milliseconds. */
  readonly duration: number
  /** Bytes of the response's body that were sent. */
  readonly bytes: number
  readonly remoteAddress: string | undefined
  readonly id: string | undefined
}

/** nginx's status for a client that went away before there was an answer. */
const clientGone = 499

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** Makes the line of a request. Nothing in it that a client or app chose can end the line or a quoted field. */
export function accessLine(format: AccessLogFormat, finished: Finished): string {
  if (format === 'json') return jsonLine(finished)
  const { request, startedAt, bytes, remoteAddress } = finished
  const user = request.fastcgi.remoteUser
  const host = remoteAddress === undefined ? '-' : bare(remoteAddress)
  const size = bytes === 0 ? '-' : String(bytes)
  const common = `${host} - ${user ? bare(user) : '-'} [${clfTime(startedAt)}] "${requestLine(request)}" ${statusOf(finished)} ${size}`
  if (format === 'common') return common
  const { referer, 'user-agent': agent } = request.headers
  return `${common} "${quoted(referer ?? '-')}" "${quoted(agent ?? '-')}"`
}

function requestLine(request: IncomingMessage): string {
  return quoted(`${request.method} ${targetOf(request)} HTTP/${request.httpVersion}`)
}

/** What the client asked for, mount included. */
export function targetOf(request: IncomingMessage): string {
  return (request as { originalUrl?: string }).originalUrl ?? request.url ?? ''
}

/** The status the client saw. */
export function statusOf({ response }: Pick<Finished, 'response'>): number {
  return response.headersSent ? response.statusCode : clientGone
}

/** The size of the head, which counts among the bytes of the connection but not of the body. */
export function headLength(response: ServerResponse): number {
  return internals(response)._header?.length ?? 0
}

/** For a place between quotes: those, backslashes and all that is not printable ASCII as `\xNN`. */
export function quoted(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, escape)
}

/** For a place between blanks. */
function bare(text: string): string {
  return text.replace(/[^\x21\x23-\x5a\x5e-\x7e]/g, escape)
}

function escape(character: string): string {
  const code = character.charCodeAt(0)
  return code < 256
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`
}

let second = 0
let secondText = ''

function clfTime(time: number): string {
  const now = Math.floor(time / 1000)
  if (now === second) return secondText
  const date = new Date(time)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${two(date.getUTCDate())}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}`
  second = now
  secondText = `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`
  return secondText
}

function jsonLine(finished: Finished): string {
  const { request, response, startedAt, duration, bytes, remoteAddress, id } = finished
  const line = JSON.stringify({
    time: new Date(startedAt).toISOString(),
    id,
    remoteAddress,
    remoteUser: request.fastcgi.remoteUser,
    method: request.method,
    url: targetOf(request),
    httpVersion: request.httpVersion,
    host: request.headers.host,
    status: statusOf(finished),
    // Gone before the response was complete.
    aborted: response.writableFinished ? undefined : true,
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
