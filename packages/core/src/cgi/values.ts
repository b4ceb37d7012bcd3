// Where the values of one block lie, and the simple ones of them read: method, version, addresses (RFC 3875 §4.1).

import type { RequestHead } from './head.ts'
import { badHeader, HeadError } from './head-error.ts'
import { Slot, SLOTS } from './variables.ts'
import { hasControl, memoryOf } from './words.ts'

// Written and read within one call of readRequestHead, so one pair of arrays serves all requests.
/** Offset of the value of each {@link Slot} in the block, -1 for one that is missing. */
export const starts: Int32Array = new Int32Array(SLOTS)
/** Offset behind the value of each {@link Slot}. */
export const ends: Int32Array = new Int32Array(SLOTS)

/** The value of a slot, '' for one that is missing. */
export function valueOf(text: string, slot: number): string {
  const start = starts[slot]!
  return start < 0 ? '' : text.slice(start, ends[slot]!)
}

/** Whether a slot has this value, which is not empty. Makes no string of it. */
export function hasValue(text: string, slot: number, value: string): boolean {
  const start = starts[slot]!
  return start >= 0 && ends[slot]! - start === value.length && text.startsWith(value, start)
}

let lastMethod = 'GET'

/** REQUEST_METHOD. @throws HeadError `FCGI_BAD_METHOD` */
export function readMethod(text: string, methods: ReadonlySet<string>): string {
  // Mostly the same, and found among `methods` before, which are node:http's for every server: no look-up, and one string
  // for all, by which routers find their way without a look-up of theirs.
  if (hasValue(text, Slot.RequestMethod, lastMethod)) return lastMethod
  const method = valueOf(text, Slot.RequestMethod)
  // node:http hands CONNECT to another event and closes when nobody listens; over FastCGI there is no tunnel.
  if (!methods.has(method) || method === 'CONNECT') {
    throw new HeadError(400, 'FCGI_BAD_METHOD', 'REQUEST_METHOD is missing or unknown')
  }
  lastMethod = method
  return method
}

/** Sets the version by SERVER_PROTOCOL; leaves it when that is missing or unreadable. */
export function readVersion(text: string, head: RequestHead): void {
  if (hasValue(text, Slot.ServerProtocol, 'HTTP/1.1')) return
  const version = valueOf(text, Slot.ServerProtocol)
  const match = /^HTTP\/(\d{1,2})(?:\.(\d{1,2}))?$/.exec(
    version === 'INCLUDED' ? 'HTTP/1.0' : version,
  )
  if (match === null) return
  head.httpVersionMajor = Number(match[1])
  head.httpVersionMinor = Number(match[2] ?? 0)
  head.httpVersion = `${head.httpVersionMajor}.${head.httpVersionMinor}`
}

/**
 * The address of a peer, undefined for a unix socket (nginx says `unix:`). What could be neither an address nor a name
 * is none: it would end up in Forwarded and X-Forwarded-For.
 */
export function readAddress(block: Buffer, text: string, slot: number): string | undefined {
  const start = starts[slot]!
  const end = ends[slot]!
  if (start < 0 || start === end) return undefined
  for (let i = start; i < end; i++) {
    // Letters, digits and `-` `.` `:` `_` `%`, which have 45 to 58, 65 to 90 and 95 to 122 between them.
    const byte = block[i]!
    if (byte < 45 ? byte !== 37 : byte > 122 || byte === 47 || (byte > 58 && byte < 65)) {
      return undefined
    }
    if (byte > 90 && byte < 97 && byte !== 95) return undefined
  }
  // No address begins so.
  if (end - start >= 5 && text.startsWith('unix:', start)) return undefined
  return text.slice(start, end)
}

/** A port, undefined for what is none. */
export function readPort(block: Buffer, slot: number): number | undefined {
  const start = starts[slot]!
  const end = ends[slot]!
  if (start < 0 || start === end || end - start > 5) return undefined
  let port = 0
  for (let i = start; i < end; i++) {
    const digit = block[i]! - 48
    if (digit < 0 || digit > 9) return undefined
    port = port * 10 + digit
  }
  return port <= 65535 ? port : undefined
}

/** Whether the client came by HTTPS. */
export function isEncrypted(text: string): boolean {
  const https = valueOf(text, Slot.Https)
  if (https !== '' && /^(?:on|1|true)$/i.test(https)) return true
  const start = starts[Slot.RequestScheme]!
  return start >= 0 && ends[Slot.RequestScheme]! - start === 5 && text.startsWith('https', start)
}

/** Node's parser refuses control bytes in a value, tab excepted. */
export function checkValue(block: Buffer, slot: number): void {
  const { byteOffset } = block
  if (hasControl(memoryOf(block), byteOffset + starts[slot]!, byteOffset + ends[slot]!))
    throw badHeader()
}
