// What lines about requests are made of, and how it is escaped.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { internals } from '../../http/node-private.ts'

/** A request that is over. */
export interface Finished {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** Milliseconds. */
  readonly duration: number
  /** What the client saw; 499 when it had gone before. */
  readonly status: number
  /** The client had gone before the response was complete. */
  readonly aborted: boolean
  /** Bytes of the response's body that were sent. */
  readonly bytes: number
  readonly remoteAddress: string | undefined
  readonly id: string | undefined
}

/** What the client asked for, mount included. */
export function targetOf(request: IncomingMessage): string {
  return (request as { originalUrl?: string }).originalUrl ?? request.url ?? ''
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
export function bare(text: string): string {
  return text.replace(/[^\x21\x23-\x5a\x5e-\x7e]/g, escape)
}

function escape(character: string): string {
  const code = character.charCodeAt(0)
  return code < 256
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`
}

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

let second = 0
let secondText = ''

/** As Apache writes it, without its brackets. */
export function clfTime(time: number): string {
  const now = Math.floor(time / 1000)
  if (now === second) return secondText
  const date = new Date(time)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${two(date.getUTCDate())}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}`
  second = now
  secondText = `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`
  return secondText
}
