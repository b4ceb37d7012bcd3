/**
 * The bytes that a client sends, built once before anything is measured. Written apart from the product's encoder on
 * purpose: a benchmark that shares code with what it measures shares its mistakes.
 */
import type { RequestShape } from '../cases.ts'

const STDIN = 5
/** Length of one STDIN record's content, or one piece of an HTTP body. */
const PIECE = 32 * 1024

function record(type: number, id: number, content: Uint8Array): Buffer {
  const padding = (8 - (content.length % 8)) % 8
  const header = [1, type, id >> 8, id & 255, content.length >> 8, content.length & 255, padding, 0]
  return Buffer.concat([Buffer.from(header), content, Buffer.alloc(padding)])
}

function lengthBytes(length: number): number[] {
  if (length < 128) return [length]
  return [(length >>> 24) | 128, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]
}

function pairs(list: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    list.map(([name, value]) =>
      Buffer.concat([
        Buffer.from([...lengthBytes(name.length), ...lengthBytes(value.length)]),
        Buffer.from(name + value, 'latin1'),
      ]),
    ),
  )
}

function bodyLength(request: RequestShape): number {
  return request.streamedBytes ?? request.body?.length ?? 0
}

/** What nginx 1.22 with its own `fastcgi_params` sends, in its order, then the headers. */
export function fastcgiParams(request: RequestShape): [string, string][] {
  const [path = '/', query = ''] = request.path.split('?')
  const length = bodyLength(request)
  const header = (wanted: string): string =>
    request.headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? ''
  const all: [string, string][] = [
    ['QUERY_STRING', query],
    ['REQUEST_METHOD', request.method],
    ['CONTENT_TYPE', header('content-type')],
    ['CONTENT_LENGTH', length > 0 ? String(length) : ''],
    ['SCRIPT_NAME', path],
    ['REQUEST_URI', request.path],
    ['DOCUMENT_URI', path],
    ['DOCUMENT_ROOT', '/usr/share/nginx/html'],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['REQUEST_SCHEME', 'http'],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_SOFTWARE', 'nginx/1.22.1'],
    ['REMOTE_ADDR', '127.0.0.1'],
    ['REMOTE_PORT', '60748'],
    ['REMOTE_USER', ''],
    ['SERVER_ADDR', '127.0.0.1'],
    ['SERVER_PORT', '8080'],
    ['SERVER_NAME', 'localhost'],
    ['REDIRECT_STATUS', '200'],
    ...request.headers.map(([name, value]): [string, string] => [
      `HTTP_${name.toUpperCase().replaceAll('-', '_')}`,
      value,
    ]),
  ]
  return request.fewParams === true ? all.filter(([name]) => few.has(name)) : all
}

/** What a request cannot do without, and where it comes from: ten with one header. */
const few: ReadonlySet<string> = new Set([
  ...['QUERY_STRING', 'REQUEST_METHOD', 'SCRIPT_NAME', 'REQUEST_URI', 'SERVER_PROTOCOL'],
  ...['GATEWAY_INTERFACE', 'SERVER_SOFTWARE', 'REMOTE_ADDR', 'SERVER_PORT', 'HTTP_HOST'],
])

/** Extra params for one implementation, such as SCRIPT_FILENAME for php-fpm. */
export type ExtraParams = readonly (readonly [string, string])[]

/** BEGIN, PARAMS and, for a small body, all of STDIN: everything up to a streamed body. */
export function fastcgiRequest(
  request: RequestShape,
  id: number,
  keepConnection: boolean,
  extra: ExtraParams = [],
): Buffer {
  const block = pairs([...fastcgiParams(request), ...extra])
  const parts = [record(1, id, Buffer.from([0, 1, keepConnection ? 1 : 0, 0, 0, 0, 0, 0]))]
  for (let at = 0; at < block.length; at += 65_528) {
    parts.push(record(4, id, block.subarray(at, at + 65_528)))
  }
  parts.push(record(4, id, Buffer.alloc(0)))
  if (request.streamedBytes === undefined) {
    if (request.body !== undefined) parts.push(record(STDIN, id, Buffer.from(request.body)))
    parts.push(record(STDIN, id, Buffer.alloc(0)))
  }
  return Buffer.concat(parts)
}

/** The HTTP request as a proxy would send it on: the client's headers and two X-Forwarded ones. */
export function httpRequest(request: RequestShape): Buffer {
  const length = bodyLength(request)
  const lines = [
    `${request.method} ${request.path} HTTP/1.1`,
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Proto: http',
  ]
  if (length > 0) lines.push(`Content-Length: ${length}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${request.body ?? ''}`)
}

/** A piece of a streamed body: for FastCGI one STDIN record, for HTTP the bare bytes. */
export function bodyPiece(protocol: 'fcgi' | 'http', length: number): Buffer {
  const content = Buffer.alloc(length, 'x')
  return protocol === 'fcgi' ? record(STDIN, 1, content) : content
}

/** The pieces of a whole streamed body are all this long but the last. */
export const PIECE_BYTES: number = PIECE

/** What follows a streamed body. */
export function bodyEnd(protocol: 'fcgi' | 'http'): Buffer {
  return protocol === 'fcgi' ? record(STDIN, 1, Buffer.alloc(0)) : Buffer.alloc(0)
}
