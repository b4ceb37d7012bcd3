/** A JSON API: what the app saw of a request, a sum, and a body of any size counted as it comes. */
import { createHash } from 'node:crypto'

import express from 'express'

export const api = express.Router()

// Before the JSON parser: this body is not parsed but read.
api.put('/bytes', async (req, res) => {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of req) {
    bytes += chunk.length
    hash.update(chunk)
  }
  res.json({ bytes, sha256: hash.digest('hex') })
})

api.get('/bytes/:count', async (req, res) => {
  const count = Math.min(Number(req.params.count) || 0, 1e9)
  res.type('application/octet-stream').set('Content-Length', String(count))
  const block = Buffer.alloc(65_536, 'abcdefghijklmnop')
  for (let sent = 0; sent < count && !res.destroyed; sent += block.length) {
    if (!res.write(block.subarray(0, Math.min(block.length, count - sent)))) {
      await new Promise((resolve) => res.once('drain', resolve).once('close', resolve))
    }
  }
  res.end()
})

api.use(express.json({ limit: '1mb' }))

api.all(['/echo', '/echo/*rest'], (req, res) => {
  res.json({
    method: req.method,
    url: req.url,
    baseUrl: req.baseUrl,
    originalUrl: req.originalUrl,
    path: req.path,
    query: req.query,
    httpVersion: req.httpVersion,
    ip: req.ip,
    protocol: req.protocol,
    hostname: req.hostname,
    headers: req.headers,
    session: { ...req.session },
    body: req.body ?? null,
  })
})

api.post('/sum', (req, res) => {
  const numbers = req.body?.numbers
  if (!Array.isArray(numbers) || !numbers.every((n) => typeof n === 'number')) {
    return res.status(422).json({ error: 'send {"numbers": [1, 2, 3]}' })
  }
  return res.status(201).json({ sum: numbers.reduce((a, b) => a + b, 0) })
})
