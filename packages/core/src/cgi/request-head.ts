// PARAMS → what node:http's parser would have made of the request (RFC 3875 §4.1). This is the hottest function of the
// server: the block is decoded once, lengths are walked in the bytes, names are recognised by what followed them last
// time, and only values that are used become strings.

import { correctForwarded } from './forwarded.ts'
import type { HeadOptions, RequestHead } from './head.ts'
import { badHeader, HeadError } from './head-error.ts'
import { headerObject } from './header-object.ts'
import { addHeader, Rule } from './header-rules.ts'
import { readBody, setHeader } from './request-body.ts'
import { readTarget } from './request-target.ts'
import {
  ends,
  isEncrypted,
  readAddress,
  readMethod,
  readPort,
  readVersion,
  starts,
  valueOf,
} from './values.ts'
import { isNamed, lookUp, Slot, SLOTS, startOfBlock } from './variables.ts'
import { webServerOf } from './web-server.ts'
import { hasControl, memoryOf } from './words.ts'

export type { HeadOptions, RequestHead } from './head.ts'
export { HeadError } from './head-error.ts'
export { readParams } from './params.ts'
export { bodyArrived } from './request-body.ts'
export { normalizeMount } from './request-target.ts'

/**
 * Reads a complete PARAMS block.
 *
 * @throws HeadError status 400 for what Node's parser would refuse, 431 above a limit; `protocol` is true when the
 * block is no list of name-value pairs at all.
 */
export function readRequestHead(block: Buffer, options: HeadOptions): RequestHead {
  const length = block.length
  const text = block.latin1Slice(0, length)
  const memory = memoryOf(block)
  const offset = block.byteOffset
  const headers = headerObject()
  const rawHeaders: string[] = []
  const { maxPairs, maxNameLength, maxValueLength } = options
  const joinAll = options.joinDuplicateHeaders === true
  for (let slot = 0; slot < SLOTS; slot++) starts[slot] = -1
  let size = 0
  let count = 0
  let hasForwarded = false
  let previous = startOfBlock
  // Where the next NUL is, so that one search serves all the pairs before it.
  let nul = -1
  let position = 0
  while (position < length) {
    let nameLength = block[position++]!
    if (nameLength > 127) {
      nameLength = longLength(block, position - 1)
      position += 3
    }
    let valueLength = block[position++]!
    if (valueLength > 127) {
      valueLength = longLength(block, position - 1)
      position += 3
    }
    const nameStart = position
    const valueStart = nameStart + nameLength
    position = valueStart + valueLength
    // A length byte that is missing makes NaN, which fails as well.
    if (!(position <= length)) throw badPair(length)
    if (++count > maxPairs) throw tooMany(maxPairs)
    if (nameLength > maxNameLength) throw tooLong('name', maxNameLength)
    if (valueLength > maxValueLength) throw tooLong('value', maxValueLength)
    if (nul < position) {
      if (nul < nameStart) {
        nul = text.indexOf('\0', nameStart)
        if (nul < 0) nul = length
      }
      if (nul < position) throw new HeadError(400, 'FCGI_NUL_IN_PARAM', 'a param holds a NUL byte')
    }

    let variable = previous.next
    if (
      variable === undefined ||
      !isNamed(variable, memory, offset + nameStart, offset + valueStart)
    ) {
      variable = lookUp(block, nameStart, nameLength, previous)
    }
    previous = variable
    const { slot, rule } = variable
    if (slot !== 0) {
      // The last value wins: nginx sends a param of an included file and then the one that overrides it.
      starts[slot] = valueStart
      ends[slot] = position
    }
    if (rule === Rule.None) continue
    if (hasControl(memory, offset + valueStart, offset + position)) throw badHeader()
    if (rule === Rule.Body) continue
    size += nameLength - 5 + valueLength
    if (rule === Rule.Dropped) continue
    if (rule === Rule.Bad) throw badHeader()
    if (rule === Rule.Authorization && valueLength === 0) continue
    if (rule === Rule.Forwarded) hasForwarded = true
    addHeader(
      headers,
      rawHeaders,
      rule,
      variable.header,
      variable.rawName,
      text.slice(valueStart, position),
      joinAll,
    )
  }

  const server = webServerOf(valueOf(text, Slot.ServerSoftware))
  const head: RequestHead = {
    method: readMethod(text, options.methods),
    url: '',
    originalUrl: '',
    mount: '',
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    headers,
    rawHeaders,
    body: 'undecided',
    contentLength: -1,
    remoteAddress: readAddress(block, text, Slot.RemoteAddr),
    remotePort: readPort(block, Slot.RemotePort),
    localAddress: readAddress(block, text, Slot.ServerAddr),
    localPort: readPort(block, Slot.ServerPort),
    encrypted: isEncrypted(text),
    text,
    warning: undefined,
  }
  readVersion(text, head)
  readTarget(block, text, head, server, options)
  size += readBody(block, text, head, server) + head.originalUrl.length
  if (size >= options.maxHeaderSize) {
    throw new HeadError(
      431,
      'FCGI_HEADERS_TOO_LARGE',
      `the target and headers reach maxHeaderSize (${options.maxHeaderSize} bytes)`,
    )
  }
  if (headers['authorization'] === undefined) recoverAuthorization(text, head)
  // Caddy makes a Host out of nothing for HTTP/1.0.
  if (headers['host'] === '') removeHost(head)
  if (hasForwarded && !options.trustedProxies(head.remoteAddress ?? '')) {
    correctForwarded(headers, rawHeaders, head)
  }
  return head
}

/** Apache keeps Authorization back; rewrite rules and SetEnvIf bring it under other names. */
function recoverAuthorization(text: string, head: RequestHead): void {
  const value =
    valueOf(text, Slot.RedirectAuthorization) || valueOf(text, Slot.LiteralAuthorization)
  if (value === '') return
  if (/[\0-\x08\n-\x1f\x7f]/.test(value)) throw badHeader()
  setHeader(head, 'authorization', 'Authorization', value)
}

function removeHost(head: RequestHead): void {
  delete head.headers['host']
  const at = head.rawHeaders.indexOf('Host')
  head.rawHeaders.splice(at, 2)
}

function longLength(block: Buffer, at: number): number {
  return (
    ((block[at]! & 127) << 24) | (block[at + 1]! << 16) | (block[at + 2]! << 8) | block[at + 3]!
  )
}

function badPair(length: number): HeadError {
  return new HeadError(
    400,
    'FCGI_BAD_PAIR',
    `a name-value pair reaches beyond its block of ${length} bytes`,
  )
}

function tooMany(limit: number): HeadError {
  return new HeadError(431, 'FCGI_TOO_MANY_PAIRS', `more than ${limit} params (option maxParams)`)
}

function tooLong(what: 'name' | 'value', limit: number): HeadError {
  return what === 'name'
    ? new HeadError(
        431,
        'FCGI_NAME_TOO_LONG',
        `a param's name exceeds ${limit} bytes (option maxParamNameLength)`,
      )
    : new HeadError(
        431,
        'FCGI_VALUE_TOO_LONG',
        `a param exceeds ${limit} bytes (option maxParamValueLength)`,
      )
}
