/** A JSON API: what the app saw of a request, a sum, and a body of any size counted as it comes. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'

import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'

export const api = new Router({ prefix: '/api' })

// Before the JSON parser: this body is not parsed but read.
api.put('/bytes', async (ctx) => {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of ctx.req) {
    bytes += chunk.length
    hash.update(chunk)
  }
  ctx.body = { bytes, sha256: hash.digest('hex') }
})

function* blocks(count) {
  const block = Buffer.alloc(65_536, 'abcdefghijklmnop')
  for (let sent = 0; sent < count; sent += block.length) {
    yield block.subarray(0, Math.min(block.length, count - sent))
  }
}

api.get('/bytes/:count', (ctx) => {
  const count = Math.min(Number(ctx.params.count) || 0, 1e9)
  ctx.type = 'application/octet-stream'
  ctx.body = Readable.from(blocks(count))
  ctx.length = count
})

api.use(bodyParser({ enableTypes: ['json'], jsonLimit: '1mb' }))

function echo(ctx) {
  ctx.body = {
    method: ctx.method,
    url: ctx.url,
    baseUrl: ctx.mountPath ?? '',
    originalUrl: ctx.originalUrl,
    path: ctx.path,
    query: ctx.query,
    httpVersion: ctx.req.httpVersion,
    ip: ctx.ip,
    protocol: ctx.protocol,
    hostname: ctx.hostname,
    headers: ctx.headers,
    session: ctx.session?.toJSON?.() ?? {},
    body: ctx.request.body ?? null,
  }
}
api.all('/echo', echo)
api.all('/echo/*rest', echo)

api.post('/sum', (ctx) => {
  const numbers = ctx.request.body?.numbers
  if (!Array.isArray(numbers) || !numbers.every((n) => typeof n === 'number')) {
    ctx.status = 422
    ctx.body = { error: 'send {"numbers": [1, 2, 3]}' }
    return
  }
  ctx.status = 201
  ctx.body = { sum: numbers.reduce((a, b) => a + b, 0) }
})
