// Next.js behind nginx: the same requests over HTTP and over FastCGI, to `next start`, to a custom server and to Next's
// request handler, with nothing changed in the app. Installs the pinned Next.js (340 MB) in a temporary folder.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, parseArgs } from 'node:util'

import { startNginx } from '../nginx.mjs'

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    ports: { type: 'string', default: '23700' },
    // A folder to install in that is kept and used again.
    folder: { type: 'string' },
  },
})
const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.resolve(here, '../../..')
const place = values.folder ?? fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-next-'))
const count = 5
const port = { http: Number(values.ports), fastcgi: Number(values.ports) + 2 * count }
const env = {
  ...process.env,
  PATH: `${path.dirname(values.node)}:${process.env.PATH}`,
  NEXT_TELEMETRY_DISABLED: '1',
}

const manifest = {
  name: 'next-over-fastcgi',
  private: true,
  dependencies: { next: '16.4.6', react: '19.2.0', 'react-dom': '19.2.0' },
}
fs.cpSync(path.join(here, 'site'), place, { recursive: true })
fs.writeFileSync(path.join(place, 'package.json'), JSON.stringify(manifest))
if (!fs.existsSync(path.join(place, 'node_modules/next'))) {
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'])
}
fs.mkdirSync(path.join(place, 'node_modules/@fastcgi'), { recursive: true })
fs.rmSync(path.join(place, 'node_modules/@fastcgi/core'), { force: true })
fs.symlinkSync(path.join(root, 'packages/core'), path.join(place, 'node_modules/@fastcgi/core'))
const next = 'node_modules/next/dist/bin/next'
await run(values.node, [next, 'build'])

async function run(command, args) {
  const child = spawn(command, args, { cwd: place, env, stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`)
}

const register = ['--import', '@fastcgi/core/register']
const pairs = [
  { name: 'next start', plain: [next, 'start'], fastcgi: [...register, next, 'start'] },
  { name: 'a custom server', plain: ['custom.mjs'], fastcgi: [...register, 'custom.mjs'] },
  { name: 'the request handler', plain: ['custom.mjs'], fastcgi: ['handed.mjs'] },
]

const form = new FormData()
form.set('title', 'Grüße')
form.set('file', new Blob(['x'.repeat(200_000)], { type: 'text/plain' }), 'a.txt')
/** Of the connection, or nginx's own. */
const varying = /^(?:date|server|connection|keep-alive|transfer-encoding)$/
const json = { 'content-type': 'application/json' }
const requests = [
  { path: '/', status: 200, has: 'a static page' },
  { path: '/', method: 'HEAD', status: 200 },
  { path: '/', headers: { rsc: '1' }, status: 307 },
  { path: '/told/T%C3%B6m?a=1&a=2', headers: { cookie: 'a=b' }, status: 200, has: 'T%C3%B6m' },
  { path: '/also/Tom', status: 200, has: 'Tom' },
  { path: '/old/a', status: 308 },
  { path: '/stream', status: 200, has: 'came later' },
  { path: '/moved', status: 307 },
  { path: '/none', status: 404 },
  { path: '/nowhere', status: 404 },
  { path: '/broken', status: 500 },
  { path: '/api/echo?x=1', status: 200, has: '"search":"?x=1"' },
  { path: '/api/echo', method: 'POST', headers: json, body: '{"a":1}', status: 201, has: '"a":1' },
  { path: '/api/echo', method: 'POST', headers: json, body: '{"a":', status: 500 },
  { path: '/api/echo', method: 'POST', body: form, status: 200, has: '200000' },
  { path: '/api/echo', method: 'PUT', body: 'x'.repeat(3_000_000), status: 200, has: '3000000' },
  { path: '/api/echo', method: 'DELETE', status: 204 },
  { path: '/api/echo', method: 'PATCH', status: 405 },
  { path: '/api/echo', method: 'OPTIONS', status: 204 },
  { path: '/api/events', status: 200, has: 'data: 1' },
  { path: '/api/cookies', status: 200 },
  { path: '/api/refused', status: 403 },
  { path: '/api/old?a=1', status: 200, has: '"a":"1"' },
  { path: '/api/old', method: 'POST', headers: json, body: '{"a":1}', status: 201, has: '"a":1' },
  { path: '/api/old', method: 'POST', headers: json, body: '{"a":', status: 400 },
  { path: '/api/piped', method: 'POST', body: 'y'.repeat(500_000), status: 200 },
  { path: '/hello.txt', status: 200, has: 'hello from public' },
  { path: '/hello.txt', headers: { range: 'bytes=0-4' }, status: 206, has: 'hello' },
  { path: '/_next/image?url=%2Fnone.png&w=64&q=75', status: 404 },
]

async function ask(side, { path: target, method = 'GET', headers = {}, body }) {
  const sent = body === undefined ? undefined : new Response(body)
  const type = body === form ? { 'content-type': sent.headers.get('content-type') } : {}
  const content = sent && Buffer.from(await sent.arrayBuffer())
  const length = content ? { 'content-length': content.length } : {}
  const request = http.request({
    port: port[side],
    path: target,
    method,
    headers: { host: 'example.test', ...headers, ...type, ...length },
  })
  request.end(content)
  const [response] = await once(request, 'response')
  const parts = []
  for await (const part of response) parts.push(part)
  const answered = []
  for (let at = 0; at < response.rawHeaders.length; at += 2) {
    const [name, value] = [response.rawHeaders[at].toLowerCase(), response.rawHeaders[at + 1]]
    if (!varying.test(name)) answered.push([name, value])
  }
  return {
    status: response.statusCode,
    reason: response.statusMessage,
    headers: answered,
    // A server on every address sees IPv4 clients so.
    body: String(Buffer.concat(parts)).replaceAll('::ffff:127.0.0.1', '127.0.0.1'),
  }
}

/** Also what pages refer to: scripts and styles. */
async function all(side) {
  const answers = []
  for (const request of requests) answers.push({ request, answer: await ask(side, request) })
  const assets = [...new Set(answers[0].answer.body.match(/\/_next\/static\/[^"'\\ ]+/g))].sort()
  for (const asset of assets) {
    const request = { path: asset, status: 200 }
    const answer = await ask(side, request)
    answers.push({ request, answer })
    const etag = new Map(answer.headers).get('etag')
    const again = { path: asset, headers: { 'if-none-match': etag }, status: 304 }
    answers.push({ request: again, answer: await ask(side, again) })
  }
  return answers
}

async function start(side, args) {
  const behind = port[side] + count
  const where =
    side === 'http'
      ? { PORT: String(behind) }
      : { PORT: '3000', FASTCGI_LISTEN: `127.0.0.1:${behind}` }
  const child = spawn(values.node, args, {
    cwd: place,
    env: { ...env, ...where, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += part))
  while (!(await accepts(behind))) {
    if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended:\n${output}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  // Next listens before it is prepared, and answers when it is.
  await ask(side, requests[0])
  return {
    output: () => output,
    async stop() {
      child.kill('SIGTERM')
      const [code, signal] = await once(child, 'exit')
      return code ?? signal
    },
  }
}

function accepts(at) {
  return new Promise((resolve) => {
    const socket = net.connect(at, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

const fronts = []
let failed = 0
let passed = 0
try {
  for (const side of ['http', 'fastcgi']) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), `fastcgi-next-nginx-`))
    fronts.push({ folder, nginx: await startNginx(side, folder, port[side], count) })
  }
  for (const { name, plain, fastcgi } of pairs) {
    const there = await start('http', plain)
    const expected = await all('http')
    const usual = await there.stop()
    const here = await start('fastcgi', fastcgi)
    const actual = await all('fastcgi')
    const status = await here.stop()
    for (const [at, { request, answer }] of expected.entries()) {
      const problems = []
      const own = actual[at]?.answer
      if (answer.status !== request.status) problems.push(`node:http answers ${answer.status}`)
      if (request.has && !answer.body.includes(request.has))
        problems.push(`node:http: no ${request.has}`)
      if (!isDeepStrictEqual(own, answer)) problems.push(difference(answer, own))
      if (problems.length === 0) passed += 1
      else failed += 1
      for (const problem of problems) {
        console.log(`${name}: ${request.method ?? 'GET'} ${request.path}: ${problem}`)
      }
    }
    console.log(
      `${name}: ${expected.length} requests; SIGTERM ends it with ${status}, on node:http with ${usual}`,
    )
    if (failed > 0) console.log(here.output())
  }
} finally {
  for (const { folder, nginx } of fronts) {
    await nginx.stop()
    fs.rmSync(folder, { recursive: true, force: true })
  }
  if (values.folder === undefined) fs.rmSync(place, { recursive: true, force: true })
}
console.log(`Node.js ${values.node}: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

function difference(expected, actual) {
  const lines = (answer) =>
    [
      `${answer?.status} ${answer?.reason}`,
      ...(answer?.headers ?? []).map((header) => header.join(': ')),
      ...(answer?.body ?? '').split(/(?<=>)/),
    ].map((line) => line.slice(0, 200))
  const [there, here] = [lines(expected), lines(actual)]
  const only = (some, others, sign) =>
    some.filter((line) => !others.includes(line)).map((line) => `\n    ${sign} ${line}`)
  return [...only(there, here, '-'), ...only(here, there, '+')].slice(0, 12).join('')
}
