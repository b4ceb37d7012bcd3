/** What is asked of the Koa app. */
import { filler } from '../differential/scenarios/common.ts'
import type { Step } from './conversation.ts'
import { multipart } from './express-steps.ts'

const json = [['Content-Type', 'application/json']] as const
const gzip = [['Accept-Encoding', 'gzip']] as const

const files = multipart([
  { name: 'title', content: 'Grüße' },
  { name: 'files', file: 'a.txt', type: 'text/plain', content: 'small' },
  { name: 'files', file: 'b.bin', type: 'application/octet-stream', content: filler(150_000) },
])

export const koaSteps: readonly Step[] = [
  { path: '/told?a=1&b=%C3%A4', status: 200, has: '"ip":"127.0.0.1"' },
  { path: '/method', method: 'DELETE', status: 200, has: 'DELETE' },
  { path: '/method', method: 'PUT', body: 'x', status: 200, has: 'PUT' },
  { path: '/method', method: 'HEAD', status: 200 },
  { path: '/told', method: 'OPTIONS', status: 200 },
  { path: '/told', method: 'POST', status: 405 },
  { path: '/told', method: 'PROPFIND', status: 501 },
  { path: '/parsed', method: 'POST', headers: json, body: '{"a":[1,"ü"]}', status: 200 },
  { path: '/parsed', method: 'POST', headers: json, body: '{"a":', status: 400 },
  {
    path: '/parsed',
    method: 'POST',
    headers: json,
    body: `["${'x'.repeat(2_000_000)}"]`,
    status: 413,
  },
  { path: '/parsed', method: 'POST', status: 200 },
  {
    path: '/parsed',
    method: 'POST',
    headers: [['Content-Type', 'application/x-www-form-urlencoded']],
    body: 'a=1&b[c]=2',
    status: 200,
  },
  {
    path: '/parsed',
    method: 'POST',
    headers: [['Content-Type', 'text/plain']],
    body: 'text',
    status: 200,
  },
  { path: '/body', method: 'POST', headers: json, body: '{"a":1}', status: 200, has: '"a":1' },
  { path: '/body', method: 'POST', ...files, status: 200, has: '150000' },
  { path: '/count', status: 200, has: '"count":1' },
  { path: '/count', status: 200, has: '"count":2' },
  { path: '/cookies', status: 200 },
  { path: '/cookies', status: 200, has: '"value","value"' },
  { path: '/redirect', status: 302 },
  { path: '/page', status: 200 },
  { path: '/page', headers: gzip, status: 200, has: '<p>page</p>' },
  { path: '/page', method: 'HEAD', headers: gzip, status: 200 },
  { path: '/buffer', status: 200, has: 'bbb' },
  { path: '/stream', status: 200, has: 'one two three' },
  { path: '/stream', headers: gzip, status: 200, has: 'one two three' },
  { path: '/file', status: 200, has: 'line 19999' },
  { path: '/file', headers: gzip, status: 200, has: 'line 19999' },
  { path: '/file', method: 'HEAD', status: 200 },
  { path: '/attachment', status: 200, has: 'umlaut' },
  { path: '/events', status: 200, has: 'data: 1' },
  { path: '/nothing', status: 204 },
  { path: '/null', status: 204 },
  { path: '/unchanged', headers: [['If-None-Match', '"a"']], status: 304 },
  { path: '/own', status: 203, has: 'own' },
  { path: '/throws', status: 403, has: 'not for you' },
  { path: '/broken', status: 500 },
  { path: '/static/hello.txt', status: 200, has: 'hello, world' },
  { path: '/static/hello.txt', headers: gzip, status: 200, has: 'hello, world' },
  { path: '/static/', status: 200, has: 'index' },
  { path: '/static/none', status: 404 },
  { path: '/mounted/here?x', status: 200 },
  { path: '/none', status: 404 },
]
