/** What is asked of the Express app. */
import { filler } from '../differential/scenarios/common.ts'
import type { Step } from './conversation.ts'

const json = [['Content-Type', 'application/json']] as const
const gzip = [['Accept-Encoding', 'gzip']] as const

/** A multipart body (RFC 7578). */
export function multipart(
  parts: readonly { name: string; file?: string; type?: string; content: string | Buffer }[],
): { headers: [string, string][]; body: Buffer } {
  const boundary = 'boundary-of-the-test'
  const pieces: Buffer[] = []
  for (const { name, file, type, content } of parts) {
    const disposition = `form-data; name="${name}"${file === undefined ? '' : `; filename="${file}"`}`
    const head = [`Content-Disposition: ${disposition}`]
    if (type !== undefined) head.push(`Content-Type: ${type}`)
    pieces.push(Buffer.from(`--${boundary}\r\n${head.join('\r\n')}\r\n\r\n`))
    pieces.push(Buffer.from(content), Buffer.from('\r\n'))
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`))
  return {
    headers: [['Content-Type', `multipart/form-data; boundary=${boundary}`]],
    body: Buffer.concat(pieces),
  }
}

const files = multipart([
  { name: 'title', content: 'Grüße' },
  { name: 'files', file: 'a.txt', type: 'text/plain', content: 'small' },
  { name: 'files', file: 'b.bin', type: 'application/octet-stream', content: filler(150_000) },
])
const tooLarge = multipart([
  { name: 'files', file: 'c.bin', type: 'application/octet-stream', content: filler(250_000) },
])

export const expressSteps: readonly Step[] = [
  { path: '/told?a=1&b[]=2&c=%C3%A4', status: 200, has: '"ip":"127.0.0.1"' },
  {
    path: '/told',
    headers: [
      ['X-Requested-With', 'XMLHttpRequest'],
      ['Accept', 'text/html'],
      ['Accept-Language', 'de;q=0.5, en'],
      ['Range', 'bytes=0-9'],
    ],
    status: 200,
  },
  { path: '/method', method: 'DELETE', status: 200 },
  { path: '/method', method: 'PATCH', status: 200 },
  { path: '/method', method: 'PUT', body: 'x', status: 200 },
  { path: '/method', method: 'HEAD', status: 200 },
  { path: '/method', method: 'OPTIONS', status: 204 },
  {
    path: '/json',
    method: 'OPTIONS',
    headers: [
      ['Origin', 'https://other.test'],
      ['Access-Control-Request-Method', 'POST'],
    ],
    status: 204,
  },
  { path: '/method', headers: [['Origin', 'https://other.test']], status: 200 },
  { path: '/json', method: 'POST', headers: json, body: '{"a":[1,"ü"]}', status: 200, has: '"a"' },
  { path: '/json', method: 'POST', headers: json, body: '{"a":', status: 400 },
  { path: '/json', method: 'POST', headers: json, body: `"${'x'.repeat(200_000)}"`, status: 413 },
  { path: '/json', method: 'POST', status: 200 },
  {
    path: '/json',
    method: 'POST',
    headers: [['Content-Type', 'application/json; charset=nonsense']],
    body: '{}',
    status: 415,
  },
  {
    path: '/form',
    method: 'POST',
    headers: [['Content-Type', 'application/x-www-form-urlencoded']],
    body: 'a=1&b[c]=2&d=%C3%BC',
    status: 200,
    has: '"c":"2"',
  },
  {
    path: '/text',
    method: 'POST',
    headers: [['Content-Type', 'text/plain']],
    body: 'grüße',
    status: 200,
  },
  {
    path: '/raw',
    method: 'POST',
    headers: [['Content-Type', 'application/octet-stream']],
    body: filler(500_000),
    status: 200,
    has: '500000',
  },
  { path: '/raw', method: 'POST', body: '', status: 200 },
  { path: '/upload', method: 'POST', ...files, status: 200, has: '150000' },
  { path: '/upload', method: 'POST', ...tooLarge, status: 500, has: 'File too large' },
  { path: '/cookies', status: 200 },
  { path: '/cookies', status: 200, has: '"plain":"a b"' },
  { path: '/count', status: 200, has: '"count":1' },
  { path: '/count', status: 200, has: '"count":2' },
  { path: '/who', status: 200, has: '"authenticated":false' },
  { path: '/login', status: 401 },
  { path: '/login?user=ada', status: 200, has: 'ada' },
  { path: '/who', status: 200, has: '"authenticated":true' },
  { path: '/logout', status: 302 },
  { path: '/who', status: 200, has: '"authenticated":false' },
  { path: '/redirect', status: 303 },
  { path: '/page', status: 200 },
  { path: '/page', headers: gzip, status: 200, has: '<p>page</p>' },
  { path: '/page', method: 'HEAD', headers: gzip, status: 200 },
  { path: '/events', status: 200, has: 'data: 1' },
  { path: '/events', headers: gzip, status: 200, has: 'data: 1' },
  { path: '/download', status: 200, has: 'umlaut' },
  { path: '/file', status: 200, has: 'line 19999' },
  { path: '/file', headers: gzip, status: 200, has: 'line 19999' },
  { path: '/file', headers: [['Range', 'bytes=5-14']], status: 206 },
  { path: '/file', headers: [['Range', 'bytes=-10']], status: 206 },
  { path: '/file', headers: [['Range', 'bytes=999999999-']], status: 416 },
  { path: '/file', method: 'HEAD', status: 200 },
  { path: '/nofile', status: 404 },
  { path: '/format', headers: [['Accept', 'application/json']], status: 200, has: 'json' },
  { path: '/format', headers: [['Accept', 'image/png']], status: 406 },
  { path: '/jsonp?callback=f', status: 200, has: 'f(' },
  { path: '/links', status: 201 },
  { path: '/nothing', status: 204 },
  { path: '/teapot', status: 418 },
  { path: '/error', status: 503, has: 'broken' },
  { path: '/later', status: 502, has: 'broken later' },
  { path: '/limited', status: 200 },
  { path: '/limited', status: 200 },
  { path: '/limited', status: 429 },
  { path: '/static/hello.txt', status: 200, has: 'hello, world' },
  {
    path: '/static/hello.txt',
    headers: [['If-Modified-Since', 'Thu, 01 Jan 2026 00:00:00 GMT']],
    status: 304,
  },
  { path: '/static/hello.txt', headers: [['Range', 'bytes=0-4, 10-14']], status: 200 },
  { path: '/static/', status: 200, has: 'index' },
  { path: '/static/sub', status: 301 },
  { path: '/static/gr%C3%BCn.txt', status: 200 },
  { path: '/static/../secret', status: 404, notInjected: 'it resolves dots itself' },
  { path: '/static/none', status: 404 },
  { path: '/proxy/any?a=1', headers: [['X-Own', '1']], status: 200, has: '"own":"1"' },
  { path: '/proxy/any', method: 'POST', body: filler(100_000), status: 200, has: '100000' },
  { path: '/proxy/large', headers: gzip, status: 200, has: 'xxx' },
  { path: '/sub/here?x', status: 200 },
  { path: '/none', status: 404 },
]
