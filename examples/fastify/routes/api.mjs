/** A JSON API: what the app saw of a request, a sum, and a body of any size counted as it comes. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'

function* blocks(count) {
  const block = Buffer.alloc(65_536, 'abcdefghijklmnop')
  for (let sent = 0; sent < count; sent += block.length) {
    yield block.subarray(0, Math.min(block.length, count - sent))
  }
}

/** Bodies here are not parsed but read. */
async function bytes(app) {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request, body, done) => done(null, body))

  app.put('/bytes', { bodyLimit: 1024 ** 3 }, async (request) => {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of request.raw) {
      bytes += chunk.length
      hash.update(chunk)
    }
    return { bytes, sha256: hash.digest('hex') }
  })
}

export async function api(app) {
  app.register(bytes)

  app.get('/bytes/:count', (request, reply) => {
    const count = Math.min(Number(request.params.count) || 0, 1e9)
    reply.type('application/octet-stream').header('Content-Length', count)
    return reply.send(Readable.from(blocks(count)))
  })

  const echo = async (request) => ({
    method: request.method,
    url: request.url,
    baseUrl: request.base,
    originalUrl: request.originalUrl,
    query: request.query,
    httpVersion: request.raw.httpVersion,
    ip: request.ip,
    protocol: request.protocol,
    hostname: request.hostname,
    headers: request.headers,
    session: request.session,
    body: request.body ?? null,
  })
  app.all('/echo', echo)
  app.all('/echo/*', echo)

  app.post('/sum', (request, reply) => {
    const numbers = request.body?.numbers
    if (!Array.isArray(numbers) || !numbers.every((n) => typeof n === 'number')) {
      return reply.code(422).send({ error: 'send {"numbers": [1, 2, 3]}' })
    }
    return reply.code(201).send({ sum: numbers.reduce((a, b) => a + b, 0) })
  })
}
