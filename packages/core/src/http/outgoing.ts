// http.ServerResponse → response head: one own property turns Node's HTTP head into a CGI header block
// (RFC 3875 §6). It must be an own property: Express replaces the prototype of every response.
import type { ServerResponse } from 'node:http'
import { statusLine } from '../cgi/response-head.ts'
import { internals, storeHeader, type ResponseInternals } from './node-private.ts'

/**
 * Lines that belong to one connection (RFC 9110 §7.6.1, RFC 3875 §6.3.4), and `Status`, which is ours. Most responses
 * have none of them; the test costs about 0.1 µs.
 */
const connectionLine =
  /(?:^|\n)(?:connection|keep-alive|proxy-connection|status|te|trailer|transfer-encoding|upgrade):/i
const connectionLines =
  /^(?:connection|keep-alive|proxy-connection|status|te|trailer|transfer-encoding|upgrade):.*\r\n/gim
const contentLengthLine = /^content-length:.*\r\n/gim

/**
 * The hook. Node goes on to do what it does: validation, Content-Length, Date, HEAD, 204 and 304, strictContentLength.
 * Only the first line, what concerns the connection, and chunk framing go.
 */
function storeCgiHeader(this: ServerResponse, _firstLine: string, headers: unknown): void {
  const own = internals(this)
  own._removedConnection = true
  own._removedTE = true
  try {
    ;(storeHeader as ResponseInternals['_storeHeader']).call(own, '', headers)
  } catch (error) {
    // Node allows a Trailer header with chunk framing only. Where it would have framed, it must not complain here;
    // trailers themselves cannot pass through CGI and are dropped.
    if (
      (error as { code?: string }).code !== 'ERR_HTTP_TRAILER_INVALID' ||
      !wouldChunk(this, own)
    ) {
      throw error
    }
    own.chunkedEncoding = true
    ;(storeHeader as ResponseInternals['_storeHeader']).call(own, '', headers)
  }
  own.chunkedEncoding = false
  own._header = cgiBlock(own._header as string, this.statusCode, this.statusMessage)
}

function wouldChunk(response: ServerResponse, own: ResponseInternals): boolean {
  return (
    own._hasBody !== false &&
    own.useChunkedEncodingByDefault !== false &&
    !response.hasHeader('content-length')
  )
}

/**
 * Node's header lines → CGI header block. `Status` stands last: HAProxy makes 302 of a 201 with a Location after it.
 *
 * @param lines header lines with the empty line that ends them
 */
export function cgiBlock(lines: string, status: number, reason: string): string {
  let block = lines
  if (connectionLine.test(block)) block = block.replace(connectionLines, '')
  // RFC 9110 §8.6: no Content-Length in a 204.
  if (status === 204) block = block.replace(contentLengthLine, '')
  return block.slice(0, -2) + statusLine(status, reason) + '\r\n'
}

/**
 * The part of a response's first text that is to go out as latin1, whatever the rest is. Node hands a head over
 * together with the first text, in that text's encoding, but where it frames in chunks the head goes with the latin1
 * of the chunk's size. So a head with umlauts is spoilt by UTF-8 behind it or not: here as there.
 */
export function separateHead(response: ServerResponse, text: string): string {
  const own = internals(response)
  const head = own._header
  if (typeof head !== 'string' || Buffer.byteLength(head) === head.length || !text.startsWith(head))
    return ''
  const framed = own.useChunkedEncodingByDefault !== false && !/(?:^|\n)content-length:/i.test(head)
  return framed ? head : ''
}

/** Makes a response write CGI heads. */
export function useCgiHead(response: ServerResponse): void {
  internals(response)._storeHeader = storeCgiHeader
}
