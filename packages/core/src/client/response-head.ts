/**
 * Reads the CGI header block at the start of STDOUT (RFC 3875 §6) as web servers do: `Status` may stand anywhere, lines
 * may end in LF alone, `Location` without `Status` is a redirect. What no server lets through is an error here too.
 */
import { STATUS_CODES } from 'node:http'
import { ClientError, ClientErrorCode } from './errors.ts'

/** The head of a response as the application sent it. */
export interface ResponseHead {
  /** 100 to 999; 200 when the application named none, 302 when it named none but a Location. */
  readonly status: number
  /** The application's reason, else the usual one, else empty. */
  readonly statusText: string
  /** By lower-case name, values of a repeated header joined by `, `; `set-cookie` is always an array. No prototype. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** Name, value, name, value … as sent, `Status` left out. latin1. */
  readonly rawHeaders: readonly string[]
}

/** A complete head and the bytes after it. */
export interface ReadHead {
  readonly head: ResponseHead
  /** The first bytes of the body; may be empty. */
  readonly rest: Buffer
}

const LF = 10
const CR = 13
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/
const STATUS_LINE = /^HTTP\/\d(?:\.\d)? +(\d{3})(?: +(.*))?$/i
const STATUS_VALUE = /^(\d{3})(?:[ \t]+(.*))?$/

/** Collects STDOUT until the blank line that ends the head. Interim (1xx) heads are skipped. */
export class ResponseHeadReader {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #length = 0
  #lineIsEmpty = true

  /** @param maxBytes the longest header block accepted, blank line included */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** True when nothing of a head has come yet. */
  get empty(): boolean {
    return this.#length === 0
  }

  /**
   * Takes the next piece of STDOUT.
   *
   * @returns the head once it is complete, else undefined
   * @throws {ClientError} FCGI_BAD_RESPONSE or FCGI_HEADER_TOO_LARGE
   */
  push(chunk: Buffer): ReadHead | undefined {
    let rest = chunk
    for (;;) {
      const end = this.#findEnd(rest)
      if (this.#length + (end === -1 ? rest.length : end) > this.#maxBytes) {
        throw new ClientError(
          ClientErrorCode.HeaderTooLarge,
          `The response's header block is longer than ${this.#maxBytes} bytes`,
        )
      }
      if (end === -1) {
        // A copy: the chunk is lent, and its owner may use the memory again.
        this.#chunks.push(Buffer.from(rest))
        this.#length += rest.length
        return undefined
      }
      this.#chunks.push(rest.subarray(0, end))
      const head = parseResponseHead(Buffer.concat(this.#chunks).latin1Slice())
      this.#chunks = []
      this.#length = 0
      rest = rest.subarray(end)
      if (head.status >= 200) return { head, rest }
    }
  }

  /** The index after the blank line, or -1. */
  #findEnd(chunk: Buffer): number {
    let lineIsEmpty = this.#lineIsEmpty
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index]
      if (byte === LF) {
        if (lineIsEmpty) {
          this.#lineIsEmpty = true
          return index + 1
        }
        lineIsEmpty = true
      } else if (byte !== CR) {
        lineIsEmpty = false
      }
    }
    this.#lineIsEmpty = lineIsEmpty
    return -1
  }
}

/**
 * Parses one header block.
 *
 * @param text the block in latin1, with or without its final blank line
 * @throws {ClientError} FCGI_BAD_RESPONSE: no field at all, a line without a colon, a name that is no token, a control
 *   character in a value, two Status lines, a Status or Content-Length that is no number
 */
export function parseResponseHead(text: string): ResponseHead {
  let status = 0
  let statusText: string | undefined
  let fields = 0
  const rawHeaders: string[] = []
  const headers: Record<string, string | string[]> = Object.create(null) as Record<
    string,
    string | string[]
  >
  const lines = text.split('\n')
  for (const [index, withEnd] of lines.entries()) {
    const line = withEnd.replace(/\r+$/, '')
    if (line === '') continue
    // Not CGI, but lighttpd honours it and scripts written as NPH send it.
    const statusLine = index === 0 ? STATUS_LINE.exec(line) : null
    if (statusLine) {
      status = statusNumber(line, statusLine[1])
      statusText = statusLine[2] ?? ''
      fields++
      continue
    }
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    if (!TOKEN.test(name)) {
      throw bad(
        colon === -1
          ? `a line without a colon: ${quote(line)}`
          : `not a header name: ${quote(name)}`,
      )
    }
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
    if (CONTROL.test(value)) throw bad(`a control character in the value of ${name}`)
    fields++
    const key = name.toLowerCase()
    if (key === 'status') {
      if (status !== 0) throw bad('two Status lines')
      const parts = STATUS_VALUE.exec(value)
      status = statusNumber(`Status: ${value}`, parts?.[1])
      statusText = parts?.[2] ?? ''
      continue
    }
    rawHeaders.push(name, value)
    addHeader(headers, key, value)
  }
  if (fields === 0) throw bad('it has no header field')
  if (status === 0) status = headers['location'] === undefined ? 200 : 302
  return { status, statusText: statusText || (STATUS_CODES[status] ?? ''), headers, rawHeaders }
}

function addHeader(headers: Record<string, string | string[]>, key: string, value: string): void {
  const before = headers[key]
  if (key === 'set-cookie') {
    if (Array.isArray(before)) before.push(value)
    else headers[key] = [value]
    return
  }
  if (key === 'content-length') {
    if (!/^\d+$/.test(value) || !Number.isSafeInteger(Number(value))) {
      throw bad(`Content-Length is ${quote(value)}`)
    }
    if (before !== undefined && before !== value) throw bad('two different Content-Length lines')
    headers[key] = value
    return
  }
  headers[key] = typeof before === 'string' ? `${before}, ${value}` : value
}

function statusNumber(line: string, digits: string | undefined): number {
  const status = digits === undefined ? 0 : Number(digits)
  if (status < 100) throw bad(`no status in ${quote(line)}`)
  return status
}

function bad(what: string): ClientError {
  return new ClientError(
    ClientErrorCode.BadResponse,
    `The response does not begin with a CGI header block: ${what}`,
  )
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
