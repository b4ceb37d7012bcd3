/**
 * `target: 'normalized'`, for a web server that decides by path who may see what: whatever form a path
 * comes in, the app reads it as the server has, so that a client cannot slip between two readings.
 */
import { describe, expect, it } from 'vitest'

import { ask } from '../conformance/site.ts'
import { running } from './conformance.ts'
import { caddy } from './programs/caddy.ts'
import { h2o } from './programs/h2o.ts'
import { haproxy } from './programs/haproxy.ts'
import { lighttpd } from './programs/lighttpd.ts'
import { nginx } from './programs/nginx.ts'
import type { Server } from './setup.ts'

const forms: readonly (readonly [sent: string, cleaned: string])[] = [
  ['/admin', '/admin'],
  ['/admin/../public', '/public'],
  ['/public/../admin', '/admin'],
  ['/public/%2e%2e/admin', '/admin'],
  ['/public/%2E%2E/%2e/admin', '/admin'],
  ['//admin', '/admin'],
  ['/x//..//admin', '/admin'],
  ['/%61dmin', '/admin'],
  ['/./admin/.', '/admin/'],
  ['/app.fcgi/admin', '/app.fcgi/admin'],
  ['/x?next=/a/../b//c', '/x?next=/a/../b//c'],
]

/** How a server reads a path where it does not clean it as far as the others do. */
const readings: Readonly<Record<string, (sent: string, cleaned: string) => string>> = {
  // Decodes and leaves the rest: what it sends is what its ACLs see, once decoded.
  haproxy: (sent) => decodeURIComponent(sent),
  // Resolves dots and keeps doubled slashes.
  h2o: (sent, cleaned) => ({ '//admin': '//admin', '/x//..//admin': '/x//admin' })[sent] ?? cleaned,
}

const sites: readonly (readonly [name: string, server: Server, file: string])[] = [
  ['nginx', nginx, 'site.conf'],
  ['lighttpd', lighttpd, 'socket.conf'],
  ['haproxy', haproxy, 'haproxy.cfg'],
  ['caddy', caddy, 'Caddyfile'],
  ['h2o', h2o, 'h2o.conf'],
]

describe.each(sites)('%s', (name, server, file) => {
  const up = running(server, { server: name, file, options: { target: 'normalized' } })

  it.each(forms)('%s', async (sent, cleaned) => {
    const response = await ask(up().site, sent)
    expect(response.status).toBe(200)
    const read = readings[name]?.(sent, cleaned) ?? cleaned
    expect(response.json()).toMatchObject({ url: read, mount: '' })
  })
})
