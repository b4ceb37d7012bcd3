// What is known about a body before it comes: CONTENT_LENGTH is a claim of the web server, often `0` or empty where the
// client said nothing, and missing where it said `chunked` (RFC 3875 §4.1.2).

import type { RequestHead } from './head.ts'
import { HeadError } from './head-error.ts'
import { checkValue, ends, starts, valueOf } from './values.ts'
import { Slot } from './variables.ts'
import { WebServer } from './web-server.ts'

/** Sets `body`, `contentLength` and the headers that speak of the body; returns their size. */
export function readBody(
  block: Buffer,
  text: string,
  head: RequestHead,
  server: WebServer,
): number {
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
    // Most servers write 0 where the client said nothing; what it did say nginx passes on as a header as well.
    if (
      length === 0 &&
      (method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE') &&
      valueOf(text, Slot.HttpContentLength) === '' &&
      valueOf(text, Slot.HttpTransferEncoding) === ''
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

/** A body came for which no length was told: body parsers find it by `transfer-encoding: chunked`. */
export function bodyArrived(head: RequestHead): void {
  head.body = 'chunked'
  setHeader(head, 'transfer-encoding', 'Transfer-Encoding', 'chunked')
}

/** Sets a header that is not there yet. */
export function setHeader(head: RequestHead, header: string, rawName: string, value: string): void {
  head.headers[header] = value
  head.rawHeaders.push(rawName, value)
}
