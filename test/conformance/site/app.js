/**
 * The app behind every web server in the conformance tests: a plain listener that says what it was
 * asked, and does on request what tests need an app to do. Its state is what it has seen of
 * requests that carry an id, so that a test can look at a request from outside.
 */
'use strict'

const crypto = require('node:crypto')
const path = require('node:path')
const zlib = require('node:zlib')

/** What was seen of a request with an id: bytes of its body, and events in their order. */
const seen = new Map()

function watch(req, res, id) {
  const record = { bytes: 0, events: [] }
  seen.set(id, record)
  const note = (event) => record.events.push(event)
  req.on('data', (chunk) => (record.bytes += chunk.length))
  req.on('end', () => note('req end'))
  req.on('aborted', () => note('req aborted'))
  req.on('error', (error) => note(`req error ${error.code}`))
  req.on('close', () => note('req close'))
  res.on('finish', () => note('res finish'))
  res.on('close', () => note('res close'))
  req.fastcgi?.signal.addEventListener('abort', () => note('signal abort'))
  return record
}

function json(res, value, status = 200) {
  const body = Buffer.from(JSON.stringify(value))
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
  res.end(body)
}

/** Everything of a request that a server could get wrong. */
function describe(req, body) {
  const { socket, fastcgi } = req
  return {
    method: req.method,
    url: req.url,
    originalUrl: req.originalUrl ?? req.url,
    mount: fastcgi.mount,
    httpVersion: req.httpVersion,
    headers: req.headers,
    rawHeaders: req.rawHeaders,
    complete: req.complete,
    bodyLength: body.length,
    body: body.length <= 4096 ? body.toString() : undefined,
    sha256: crypto.createHash('sha256').update(body).digest('hex'),
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    localPort: socket.localPort,
    encrypted: socket.encrypted === true,
    authorized: socket.authorized === true,
    peer: socket.getPeerCertificate?.()?.subject,
    remoteUser: fastcgi.remoteUser,
    authType: fastcgi.authType,
    params: fastcgi.params,
    pid: process.pid,
  }
}

async function readBody(req) {
  const chunks = []
  for await (const chunk of req) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** `length` bytes that repeat no 64 KiB block, so that lost or doubled parts change the hash. */
function* pattern(length) {
  for (let at = 0; at < length; at += 65_536) {
    const block = Buffer.alloc(Math.min(65_536, length - at), `${at} `)
    yield block
  }
}

const text = Array.from({ length: 400 }, (_, n) => `line ${n}\n`).join('')
const etag = `"${crypto.createHash('sha256').update(text).digest('hex').slice(0, 16)}"`

/** What `serve` gave. */
let server

/** Event streams that wait for somebody to ask for the next event. */
const streams = new Map()

const routes = {
  '/seen': (req, res, url) => json(res, seen.get(url.searchParams.get('id')) ?? null),

  '/status': (req, res, url) => {
    res.statusCode = Number(url.searchParams.get('code'))
    if (url.searchParams.has('reason')) res.statusMessage = url.searchParams.get('reason')
    res.setHeader('content-type', 'text/plain')
    res.end(`status ${res.statusCode}\n`)
  },

  '/cookies': (req, res) => {
    res.setHeader('set-cookie', ['a=1; Path=/; HttpOnly', 'b=2; Path=/'])
    json(res, { cookie: req.headers.cookie ?? null })
  },

  '/redirect': (req, res) => {
    res.writeHead(302, { location: `${req.fastcgi.mount}/target?from=redirect` })
    res.end()
  },

  '/big-head': (req, res, url) => {
    const count = Number(url.searchParams.get('count'))
    for (let n = 0; n < count; n += 1) res.setHeader(`x-filler-${n}`, 'f'.repeat(100))
    res.end('big head\n')
  },

  '/text': (req, res) => {
    res.setHeader('etag', etag)
    res.setHeader('content-type', 'text/plain')
    res.setHeader('vary', 'accept-encoding')
    if (req.headers['if-none-match'] === etag) {
      res.statusCode = 304
      return res.end()
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '')
    if (range !== null) {
      const part = Buffer.from(text).subarray(Number(range[1]), Number(range[2]) + 1)
      res.writeHead(206, {
        'content-range': `bytes ${range[1]}-${range[2]}/${text.length}`,
        'content-length': part.length,
      })
      return res.end(part)
    }
    if (/\bgzip\b/.test(req.headers['accept-encoding'] ?? '')) {
      res.setHeader('content-encoding', 'gzip')
      return res.end(zlib.gzipSync(text))
    }
    res.setHeader('content-length', text.length)
    res.end(text)
  },

  '/large': async (req, res, url) => {
    const length = Number(url.searchParams.get('bytes'))
    res.setHeader('content-type', 'application/octet-stream')
    if (url.searchParams.has('length')) res.setHeader('content-length', length)
    for (const block of pattern(length)) {
      if (!res.write(block)) await new Promise((resolve) => res.once('drain', resolve))
    }
    res.end()
  },

  '/upload': async (req, res, url) => {
    watch(req, res, url.searchParams.get('id'))
    const hash = crypto.createHash('sha256')
    let bytes = 0
    try {
      for await (const chunk of req) {
        hash.update(chunk)
        bytes += chunk.length
      }
    } catch {
      return
    }
    json(res, { bytes, sha256: hash.digest('hex'), complete: req.complete })
  },

  '/refuse': (req, res) => {
    json(res, { refused: true }, 413)
  },

  '/events': (req, res, url) => {
    const id = url.searchParams.get('id')
    watch(req, res, id)
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    let count = 0
    const next = () => res.write(`data: ${(count += 1)}\n\n`)
    streams.set(id, { next, end: () => res.end() })
    next()
  },

  '/events/next': (req, res, url) => {
    streams.get(url.searchParams.get('id')).next()
    json(res, {})
  },

  '/events/end': (req, res, url) => {
    streams.get(url.searchParams.get('id')).end()
    json(res, {})
  },

  '/silent': (req, res, url) => {
    watch(req, res, url.searchParams.get('id'))
    streams.set(url.searchParams.get('id'), { end: () => res.end('spoke\n') })
  },

  '/cut': (req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain', 'content-length': 100_000 })
    res.write('x'.repeat(50_000), () => res.destroy())
  },

  // Without a length only the connection tells where it ends.
  '/cut-unknown': (req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.write('x'.repeat(50_000), () => res.destroy())
  },

  '/offload': (req, res, url) => {
    const file = path.join(__dirname, 'files', 'hello.txt')
    const by = url.searchParams.get('by')
    res.setHeader('content-type', 'text/plain')
    res.setHeader(by, by === 'x-accel-redirect' ? '/files/hello.txt' : file)
    res.end()
  },

  '/auth': (req, res) => {
    const isIn = /\bin=1\b/.test(req.headers.cookie ?? '')
    res.statusCode = isIn ? 204 : 401
    if (isIn) res.setHeader('x-user', 'ann')
    res.setHeader('x-asked', req.headers['x-original-uri'] ?? '')
    res.end()
  },

  '/health': (req, res) => res.end('ok\n'),

  // Never reads its body and never answers: what then happens to others is the question.
  '/stalled': (req, res, url) => {
    const record = { bytes: 0, events: [] }
    seen.set(url.searchParams.get('id'), record)
    res.on('close', () => record.events.push('res close'))
    req.on('aborted', () => record.events.push('req aborted'))
  },

  '/statistics': (req, res) => json(res, server.statistics),

  '/stderr': (req, res, url) => {
    req.fastcgi.stderr.write(`${url.searchParams.get('say')}\n`)
    res.end('said\n')
  },
}

module.exports = function app(req, res) {
  // Not `new URL`: it would clean the target that is under test.
  const [pathname, ...query] = req.url.split('?')
  const url = { searchParams: new URLSearchParams(query.join('?')) }
  const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined
  const answer = async () => {
    if (route !== undefined) return route(req, res, url)
    json(res, describe(req, await readBody(req)))
  }
  answer().catch((error) => {
    if (!res.headersSent) res.statusCode = 500
    res.end(String(error.stack))
  })
}
module.exports.served = (given) => (server = given)
