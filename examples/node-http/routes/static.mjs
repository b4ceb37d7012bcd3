/** Files below /static/. Under the example configurations the web server serves them itself. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../public/', import.meta.url))
const types = { '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' }

/** Answers and resolves with true when the URL names one of our files. */
export async function staticFile({ req, res, url }) {
  const name = /^\/static\/([\w-]+\.\w+)$/.exec(url.pathname)?.[1]
  if (name === undefined || (req.method !== 'GET' && req.method !== 'HEAD')) return false
  const content = await readFile(path.join(folder, name)).catch(() => undefined)
  if (content === undefined) return false
  res.writeHead(200, {
    'Content-Type': types[path.extname(name)] ?? 'application/octet-stream',
    'Content-Length': content.length,
    'Cache-Control': 'public, max-age=3600',
  })
  res.end(content)
  return true
}
