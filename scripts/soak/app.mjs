// The app under load. Its one worker is replaced at every reload; /figures tells of the one that answers.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { pathToFileURL } from 'node:url'

const { serve } = await import(pathToFileURL(process.env.SOAK_CORE).href)
const block = Buffer.alloc(16_384, 'block of a stream, ')
let requests = 0

function stream(response, blocks) {
  let left = blocks
  const hash = createHash('sha1')
  const next = () => {
    if (left-- === 0) return void response.end(hash.digest('hex'))
    hash.update(block)
    if (!response.write(block)) response.once('drain', next)
    else setTimeout(next, 2)
  }
  next()
}

await serve(
  (request, response) => {
    requests++
    const [, page, count] = request.url.split('/')
    if (page === 'figures') {
      if (request.fastcgi.params.HTTP_HOST !== 'figures') return void response.writeHead(404).end()
      const { rss, heapUsed } = process.memoryUsage()
      const fds = fs.readdirSync('/proc/self/fd').length
      return void response.end(JSON.stringify({ pid: process.pid, rss, heapUsed, fds, requests }))
    }
    if (page === 'echo') return void request.pipe(response)
    if (page === 'hash') {
      const hash = createHash('sha1')
      request.on('data', (chunk) => hash.update(chunk))
      request.on('end', () => response.end(hash.digest('hex')))
      return
    }
    if (page === 'stream') return stream(response, Number(count))
    response.setHeader('Content-Type', 'text/plain')
    response.end('hello, world')
  },
  { workers: 1, mode: 0o666, log: process.env.SOAK_LOG },
)
