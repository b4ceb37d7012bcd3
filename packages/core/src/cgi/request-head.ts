// PARAMS → what node:http's parser would have made of the request (RFC 3875 §4.1). This is the hottest function of the
// server: the block is decoded once, lengths are walked in the bytes, names are recognised by what followed them last
// time, and only values that are used become strings.

import { correctForwarded } from './forwarded.ts'
import { HeadError } from './head-error.ts'
import { addHeader, Rule } from './header-rules.ts'
import { findMount, fixedMount, type EntryScript } from './mount.ts'
import { normalizedPath } from './normalized.ts'
import {
  afterMount,
  decodePath,
  encodePath,
  normalizePath,
  reduceTarget,
  targetOf,
} from './target.ts'
import { lookUp, Slot, SLOTS, startOfBlock } from './variables.ts'
import { webServerOf, WebServer } from './web-server.ts'
import { notNormalized, type HeadWarning } from './warnings.ts'

export { readParams } from './params.ts'
export { HeadError, type HeadErrorCode } from './head-error.ts'
export type { HeadWarning } from './warnings.ts'

/** What decides how params are read; limits are in bytes and come from the server's options. */
export interface HeadOptions extends EntryScript {
  /** Overrides the mount rule: '' or a path such as `/app` (see {@link normalizeMount}). */
  readonly mount?: string | undefined
  /** `raw`: the path as the client wrote it. `normalized`: SCRIPT_NAME + PATH_INFO, as the web server judged it. */
  readonly target: 'raw' | 'normalized'
  /** Whether this peer (REMOTE_ADDR) may say X-Forwarded-* and Forwarded about others. */
  readonly trustedProxies: (address: string) => boolean
  readonly trustRemoteUser: boolean
  /** Bytes of target, header names and header values together, as node:http counts; reaching it is 431. */
  readonly maxHeaderSize: number
  readonly maxPairs: number
  readonly maxNameLength: number
  readonly maxValueLength: number
  /** `http.METHODS`; others are 400 as Node's parser answers. CONNECT is refused in any case. */
  readonly methods: ReadonlySet<string>
}

/** A request as node:http would show it, before there is a body. */
export interface RequestHead {
  method: string
  /** Raw rest of the target after the mount; begins with `/`, or is `*`. */
  url: string
  /** The whole target as the client sent it, reduced to path and query. */
  originalUrl: string
  /** '' or `/app`: percent-encoded where needed, no slash at the end. */
  mount: string
  /** From SERVER_PROTOCOL: `1.1`, `2.0`. INCLUDED is 1.0 (RFC 3875 §4.1.16); missing or unreadable is 1.1. */
  httpVersion: string
  httpVersionMajor: number
  httpVersionMinor: number
  /** As `IncomingMessage.headers`: lower-case names, latin1 values, joined as node:http joins. */
  headers: Record<string, string | string[]>
  /** As `IncomingMessage.rawHeaders`, but names are written `Title-Case`: CGI does not tell the client's case. */
  rawHeaders: string[]
  /** `undecided`: no length was told. Wait for the first STDIN record; when it has content call `bodyArrived`. */
  body: 'length' | 'chunked' | 'none' | 'undecided'
  /** Bytes of body the server promised, -1 when not known. */
  contentLength: number
  /** Undefined for a unix socket. */
  remoteAddress: string | undefined
  remotePort: number | undefined
  localAddress: string | undefined
  /** SERVER_PORT. Apache and Caddy take it from the client's Host header by default. */
  localPort: number | undefined
  encrypted: boolean
  /** The whole block in latin1: what `readParams` reads when somebody asks. */
  text: string
  /** Something to change in the web server's configuration; log each code once. */
  warning: HeadWarning | undefined
}

// Offsets of the values in the slots: written and read within one call, so one pair of arrays serves all.
const starts = new Int32Array(SLOTS)
const ends = new Int32Array(SLOTS)

/**
 * Reads a complete PARAMS block.
 *
 * @throws HeadError status 400 for what Node's parser would refuse, 431 above a limit; `protocol` is true when the
 * block is no list of name-value pairs at all.
 */
export function readRequestHead(block: Buffer, options: HeadOptions): RequestHead {
  const length = block.length
  const text = block.latin1Slice(0, length)
  const headers: Record<string, string | string[]> = {}
  const rawHeaders: string[] = []
  const { maxPairs, maxNameLength, maxValueLength } = options
  starts.fill(-1)
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

    // Written out where the guess is right: a call costs as much as the comparison.
    let variable = previous.next
    let same = 0
    if (variable !== undefined && variable.bytes.length === nameLength) {
      const { bytes } = variable
      while (same < nameLength && block[nameStart + same] === bytes[same]) same++
    }
    if (variable === undefined || same !== nameLength) {
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
    for (let i = valueStart; i < position; i++) {
      const byte = block[i]!
      if (byte < 32 ? byte !== 9 : byte === 127) throw badHeader()
    }
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
    remoteAddress: readAddress(text, Slot.RemoteAddr),
    remotePort: readPort(block, Slot.RemotePort),
    localAddress: readAddress(text, Slot.ServerAddr),
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

/** A body came for which no length was told: body parsers find it by `transfer-encoding: chunked`. */
export function bodyArrived(head: RequestHead): void {
  head.body = 'chunked'
  setHeader(head, 'transfer-encoding', 'Transfer-Encoding', 'chunked')
}

/**
 * Brings the option `mount` into form: '' for '' and '/', else with a slash before and none behind, decoded.
 *
 * @throws TypeError for a mount with a query, a fragment, a space or control characters.
 */
export function normalizeMount(mount: string): string {
  if (/[\0-\x20?#\x7f]/.test(mount)) {
    throw new TypeError(`mount must be a path such as '/app', not ${JSON.stringify(mount)}`)
  }
  const clean = normalizePath('/' + decodePath(Buffer.from(mount, 'utf8').latin1Slice()))
  return clean.endsWith('/') ? clean.slice(0, -1) : clean
}

function readMethod(text: string, methods: ReadonlySet<string>): string {
  const method = valueOf(text, Slot.RequestMethod)
  // node:http hands CONNECT to another event and closes when nobody listens; over FastCGI there is no tunnel.
  if (!methods.has(method) || method === 'CONNECT') {
    throw new HeadError(400, 'FCGI_BAD_METHOD', 'REQUEST_METHOD is missing or unknown')
  }
  return method
}

function readVersion(text: string, head: RequestHead): void {
  const version = valueOf(text, Slot.ServerProtocol)
  if (version === 'HTTP/1.1') return
  const match = /^HTTP\/(\d{1,2})(?:\.(\d{1,2}))?$/.exec(
    version === 'INCLUDED' ? 'HTTP/1.0' : version,
  )
  if (match === null) return
  head.httpVersionMajor = Number(match[1])
  head.httpVersionMinor = Number(match[2] ?? 0)
  head.httpVersion = `${head.httpVersionMajor}.${head.httpVersionMinor}`
}

function readTarget(
  block: Buffer,
  text: string,
  head: RequestHead,
  server: WebServer,
  options: HeadOptions,
): void {
  const scriptName = valueOf(text, Slot.ScriptName)
  const pathInfo = starts[Slot.PathInfo]! < 0 ? undefined : valueOf(text, Slot.PathInfo)
  const query = valueOf(text, Slot.QueryString)
  const start = starts[Slot.RequestUri]!
  const end = ends[Slot.RequestUri]!
  const target =
    start < 0 || start === end
      ? targetOf(scriptName, pathInfo ?? '', query)
      : reduceTarget(block, text, start, end)
  if (target === undefined) {
    throw new HeadError(
      400,
      'FCGI_BAD_TARGET',
      'REQUEST_URI is no path, URL or *, or has a control byte or space',
    )
  }
  head.originalUrl = target
  head.url = target
  if (target === '*') return
  const queryAt = target.indexOf('?')
  const path = queryAt < 0 ? target : target.slice(0, queryAt)
  const found =
    options.mount === undefined
      ? findMount(
          {
            path,
            scriptName,
            pathInfo,
            scriptFilename: valueOf(text, Slot.ScriptFilename),
            documentRoot: valueOf(text, Slot.DocumentRoot),
            contextPrefix: valueOf(text, Slot.ContextPrefix),
            contextDocumentRoot: valueOf(text, Slot.ContextDocumentRoot),
            server,
          },
          options,
        )
      : fixedMount(path, options.mount)
  head.mount = encodePath(found.mount)
  head.url = afterMount(target, found.end)
  head.warning = found.warning
  if (options.target === 'raw') return
  const normalized = normalizedPath(path, scriptName, pathInfo ?? '', found.mount, server)
  if (!normalized.told) head.warning ??= notNormalized
  const mount = fixedMount(normalized.path, found.mount)
  const rest = queryAt < 0 ? '' : target.slice(queryAt)
  head.mount = encodePath(mount.mount)
  head.url = encodePath(afterMount(normalized.path, mount.end)) + rest
  head.originalUrl = encodePath(normalized.path) + rest
}

/** Sets `body`, `contentLength` and the headers that speak of the body; returns their size. */
function readBody(block: Buffer, text: string, head: RequestHead, server: WebServer): number {
  let size = 0
  const type = valueOf(text, Slot.ContentType)
  // Caddy writes this type where the client sent none; what it did send is in HTTP_CONTENT_TYPE as well.
  const invented =
    type === 'application/x-www-form-urlencoded' &&
    starts[Slot.HttpContentType]! < 0 &&
    server === WebServer.Caddy
  if (type !== '' && !invented) {
    size += 12 + type.length
    checkValue(block, Slot.ContentType)
    setHeader(head, 'content-type', 'Content-Type', type)
  }
  const start = starts[Slot.ContentLength]!
  const end = ends[Slot.ContentLength]!
  const length = start < 0 ? -1 : readLength(block, start, end)
  if (length >= 0) {
    head.contentLength = length
    const { method } = head
    // Most servers write 0 where the client said nothing.
    if (
      length === 0 &&
      (method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE')
    ) {
      head.body = 'none'
      return size
    }
    head.body = 'length'
    setHeader(head, 'content-length', 'Content-Length', text.slice(start, end))
    return size + 14 + end - start
  }
  const encoding = valueOf(text, Slot.HttpTransferEncoding)
  if (encoding === '') return size
  if (encoding !== 'chunked' && !/(?:^|,)[ \t]*chunked[ \t]*$/i.test(encoding)) {
    throw new HeadError(
      400,
      'FCGI_BAD_TRANSFER_ENCODING',
      'there is no CONTENT_LENGTH and Transfer-Encoding does not end in chunked',
    )
  }
  head.body = 'chunked'
  setHeader(head, 'transfer-encoding', 'Transfer-Encoding', encoding)
  return size + 17 + encoding.length
}

/** CONTENT_LENGTH as a number; -1 for an empty one and for `-1`, which Caddy writes for a chunked upload. */
function readLength(block: Buffer, start: number, end: number): number {
  if (start === end) return -1
  if (end - start === 2 && block[start] === 45 && block[start + 1] === 49) return -1
  let length = 0
  for (let i = start; i < end; i++) {
    const digit = block[i]! - 48
    length = length * 10 + digit
    if (digit < 0 || digit > 9 || length > Number.MAX_SAFE_INTEGER) {
      throw new HeadError(
        400,
        'FCGI_BAD_CONTENT_LENGTH',
        'CONTENT_LENGTH is no number of bytes, or more than 2^53 - 1',
      )
    }
  }
  return length
}

/** Apache keeps Authorization back; rewrite rules and SetEnvIf bring it under other names. */
function recoverAuthorization(text: string, head: RequestHead): void {
  const value =
    valueOf(text, Slot.RedirectAuthorization) || valueOf(text, Slot.LiteralAuthorization)
  if (value !== '') setHeader(head, 'authorization', 'Authorization', value)
}

function removeHost(head: RequestHead): void {
  delete head.headers['host']
  const at = head.rawHeaders.indexOf('Host')
  head.rawHeaders.splice(at, 2)
}

function setHeader(head: RequestHead, header: string, rawName: string, value: string): void {
  head.headers[header] = value
  head.rawHeaders.push(rawName, value)
}

function valueOf(text: string, slot: number): string {
  const start = starts[slot]!
  return start < 0 ? '' : text.slice(start, ends[slot]!)
}

/** The address of a peer, undefined for a unix socket (nginx says `unix:`). */
function readAddress(text: string, slot: number): string | undefined {
  const address = valueOf(text, slot)
  return address === '' || address.startsWith('unix:') ? undefined : address
}

function readPort(block: Buffer, slot: number): number | undefined {
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

function isEncrypted(text: string): boolean {
  const https = valueOf(text, Slot.Https)
  if (https !== '' && /^(?:on|1|true)$/i.test(https)) return true
  return valueOf(text, Slot.RequestScheme) === 'https'
}

/** Node's parser refuses control bytes in a value, tab excepted. */
function checkValue(block: Buffer, slot: number): void {
  for (let i = starts[slot]!; i < ends[slot]!; i++) {
    const byte = block[i]!
    if (byte < 32 ? byte !== 9 : byte === 127) throw badHeader()
  }
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
  return new HeadError(431, 'FCGI_TOO_MANY_PAIRS', `more than maxPairs (${limit}) params`)
}

function tooLong(what: 'name' | 'value', limit: number): HeadError {
  return what === 'name'
    ? new HeadError(
        431,
        'FCGI_NAME_TOO_LONG',
        `a param's name exceeds maxNameLength (${limit} bytes)`,
      )
    : new HeadError(431, 'FCGI_VALUE_TOO_LONG', `a param exceeds maxValueLength (${limit} bytes)`)
}

function badHeader(): HeadError {
  return new HeadError(
    400,
    'FCGI_BAD_HEADER',
    'a header name is no token, or a value holds a control byte',
  )
}
