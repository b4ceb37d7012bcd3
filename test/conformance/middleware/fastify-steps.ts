/** What is asked of the Fastify app. */
import { filler } from '../differential/scenarios/common.ts'
import type { Step } from './conversation.ts'
import { multipart } from './express-steps.ts'

const json = [['Content-Type', 'application/json']] as const
const gzip = [['Accept-Encoding', 'gzip']] as const

const files = multipart([
  { name: 'title', content: 'title' },
  { name: 'files', file: 'a.txt', type: 'text/plain', content: 'small' },
  { name: 'files', file: 'b.bin', type: 'application/octet-stream', content: filler(150_000) },
])
const tooLarge = multipart([
  { name: 'files', file: 'c.bin', type: 'application/octet-stream', content: filler(250_000) },
])

export const fastifySteps: readonly Step[] = [
  { path: '/told?a=1&b=%C3%A4', status: 200, has: '"ip":"127.0.0.1"' },
  { path: '/method', method: 'DELETE', status: 200, has: 'DELETE' },
  { path: '/method', method: 'PUT', headers: json, body: '1', status: 200, has: 'PUT' },
  { path: '/method', method: 'PATCH', status: 200, has: 'PATCH' },
  { path: '/method', method: 'HEAD', status: 200 },
  { path: '/method', method: 'POST', status: 404 },
  { path: '/checked', method: 'POST', headers: json, body: '{"a":"1"}', status: 200, has: '"a":1' },
  { path: '/checked', method: 'POST', headers: json, body: '{}', status: 400 },
  { path: '/checked', method: 'POST', status: 400 },
  { path: '/json', method: 'POST', headers: json, body: '{"a":', status: 400 },
  { path: '/json', method: 'POST', headers: json, body: '', status: 400 },
  { path: '/json', method: 'POST', headers: json, body: `"${'x'.repeat(400_000)}"`, status: 413 },
  { path: '/json', method: 'POST', headers: [['Content-Type', 'x/y']], body: 'x', status: 415 },
  {
    path: '/json',
    method: 'POST',
    headers: [['Content-Type', 'text/plain']],
    body: 'grüße',
    status: 200,
  },
  { path: '/page', status: 200 },
  { path: '/page', headers: gzip, status: 200, has: '<p>page</p>' },
  { path: '/page', method: 'HEAD', headers: gzip, status: 200 },
  { path: '/buffer', status: 200, has: 'bbb' },
  { path: '/stream', status: 200, has: 'one two three' },
  { path: '/stream', headers: gzip, status: 200, has: 'one two three' },
  { path: '/file', status: 200, has: 'line 19999' },
  { path: '/file', headers: gzip, status: 200, has: 'line 19999' },
  { path: '/nofile', status: 500 },
  { path: '/hijack', status: 203, has: 'own' },
  { path: '/events', status: 200, has: 'data: 1' },
  { path: '/redirect', status: 302 },
  { path: '/nothing', status: 204 },
  { path: '/headers', status: 200 },
  { path: '/broken', status: 503, has: 'broken' },
  { path: '/later', status: 500, has: 'broken later' },
  { path: '/none', status: 404 },
  // What the plugins answer.
  { path: '/alive', status: 200 },
  { path: '/middle?x', status: 200 },
  { path: '/count', status: 200, has: '"count":1' },
  { path: '/count', status: 200, has: '"count":2' },
  { path: '/cookies', status: 200 },
  { path: '/cookies', status: 200, has: '"valid":true' },
  {
    path: '/told',
    method: 'OPTIONS',
    headers: [
      ['Origin', 'https://other.test'],
      ['Access-Control-Request-Method', 'POST'],
    ],
    status: 204,
  },
  { path: '/told', headers: [['Origin', 'https://other.test']], status: 200 },
  { path: '/upload', method: 'POST', ...files, status: 200, has: '150000' },
  { path: '/upload', method: 'POST', ...tooLarge, status: 413 },
  { path: '/upload', method: 'POST', headers: json, body: '{}', status: 406 },
  { path: '/static/hello.txt', status: 200, has: 'hello, world' },
  { path: '/static/hello.txt', headers: gzip, status: 200, has: 'hello, world' },
  { path: '/static/large.txt', headers: [['Range', 'bytes=5-14']], status: 206 },
  { path: '/static/large.txt', headers: [['Range', 'bytes=999999999-']], status: 416 },
  {
    path: '/static/hello.txt',
    headers: [['If-Modified-Since', 'Thu, 01 Jan 2026 00:00:00 GMT']],
    status: 304,
  },
  { path: '/static/', status: 200, has: 'index' },
  { path: '/static/none', status: 404 },
  { path: '/from', status: 200, has: 'from=GET' },
  { path: '/from', method: 'POST', headers: json, body: '{"a":1}', status: 200, has: 'from=POST' },
  { path: '/from/large', status: 200, has: 'xxx' },
]
