/** A JSON API: what the app saw of a request, a sum, and a body of any size counted as it comes. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { readSession } from '../session.mjs'

async function countBytes({ req, json }) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of req) {
    bytes += chunk.length
    hash.update(chunk)
  }
  json(200, { bytes, sha256: hash.digest('hex') })
}

function* blocks(count) {
  const block = Buffer.alloc(65_536, 'abcdefghijklmnop')
  for (let sent = 0; sent < count; sent += block.length) {
    yield block.subarray(0, Math.min(block.length, count - sent))
  }
}

async function sendBytes({ res }, asked) {
  const count = Math.min(Number(asked) || 0, 1e9)
  res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': count })
  // It fails when the client leaves; then there is nobody to tell.
  await pipeline(Readable.from(blocks(count)), res).catch(() => {})
}

/** The body as JSON; null when there is none, undefined when it is none. */
async function readJson(req) {
  const chunks = []
  for await (const chunk of req) chunks.push(chunk)
  if (chunks.length === 0) return null
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return undefined
  }
}

async function echo({ req, base, url, json }) {
  json(200, {
    method: req.method,
    url: req.url,
    baseUrl: base,
    originalUrl: req.originalUrl ?? req.url,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    httpVersion: req.httpVersion,
    ip: req.socket.remoteAddress,
    protocol: req.socket.encrypted ? 'https' : 'http',
    hostname: (req.headers.host ?? '').replace(/:\d+$/, ''),
    headers: req.headers,
    session: readSession(req),
    body: (await readJson(req)) ?? null,
  })
}

async function sum({ req, json }) {
  const numbers = (await readJson(req))?.numbers
  if (!Array.isArray(numbers) || !numbers.every((n) => typeof n === 'number')) {
    return json(422, { error: 'send {"numbers": [1, 2, 3]}' })
  }
  return json(201, { sum: numbers.reduce((a, b) => a + b, 0) })
}

/** Everything below /api/. */
export async function api(context) {
  const { method } = context.req
  const { pathname } = context.url
  if (method === 'PUT' && pathname === '/api/bytes') return countBytes(context)
  if (method === 'GET' && pathname.startsWith('/api/bytes/')) {
    return sendBytes(context, pathname.slice('/api/bytes/'.length))
  }
  if (pathname === '/api/echo' || pathname.startsWith('/api/echo/')) return echo(context)
  if (method === 'POST' && pathname === '/api/sum') return sum(context)
  return context.json(404, { error: 'not found' })
}
