/** HTTPS through every server with its example file: HTTP/2, and certificates of clients. */
import { once } from 'node:events'
import fs from 'node:fs'
import http2 from 'node:http2'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

import { ask } from '../conformance/site.ts'
import { running, type Running } from './conformance.ts'
import { caddy, caddySetups } from './programs/caddy.ts'
import { h2o, h2oSetups } from './programs/h2o.ts'
import { haproxy, haproxySetups } from './programs/haproxy.ts'
import { lighttpd, lighttpdSetups } from './programs/lighttpd.ts'
import { nginx, nginxSetups } from './programs/nginx.ts'
import type { Server, Setup } from './setup.ts'

interface Answer {
  readonly status: number
  readonly body: string
}

/** One request over HTTP/2. */
async function askHttp2(
  port: number,
  headers: http2.OutgoingHttpHeaders,
  body = '',
): Promise<Answer> {
  const session = http2.connect(`https://localhost:${String(port)}`, {
    rejectUnauthorized: false,
    lookup: (_name, options, done) => {
      if (options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }])
      else done(null, '127.0.0.1', 4)
    },
  })
  try {
    const stream = session.request(headers)
    const head = once(stream, 'response') as Promise<[http2.IncomingHttpHeaders]>
    stream.end(body)
    const [response] = await head
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    return { status: Number(response[':status']), body: Buffer.concat(chunks).toString() }
  } finally {
    session.destroy()
  }
}

function clientCertificate({ folder }: Running): { cert: Buffer; key: Buffer } {
  const read = (name: string): Buffer => fs.readFileSync(path.join(folder, 'tls', name))
  return { cert: read('client.pem'), key: read('client-key.pem') }
}

function tests(up: () => Running, clientCertificates: boolean): void {
  it('HTTP/2: a request with cookies and a body', async () => {
    const { port } = up().site
    const { status, body } = await askHttp2(
      port,
      { ':method': 'POST', ':path': '/h2/a%2Fb?x=1', cookie: ['a=1', 'b=2'], 'content-length': 5 },
      'hello',
    )
    expect(status).toBe(200)
    const seen = JSON.parse(body)
    expect(seen).toMatchObject({
      method: 'POST',
      url: '/h2/a%2Fb?x=1',
      body: 'hello',
      encrypted: true,
      httpVersion: '2.0',
    })
    expect(seen.headers.cookie.replaceAll(/;\s*/g, '; ')).toBe('a=1; b=2')
    expect(seen.headers.host.replace(/:\d+$/, '')).toBe('localhost')
  })

  it('without a certificate of the client: encrypted, not authorized', async () => {
    const seen = (await ask(up().site, '/')).json()
    expect(seen).toMatchObject({ encrypted: true, authorized: false })
    expect(seen.peer?.CN).toBeUndefined()
  })

  if (!clientCertificates) return
  it('with a certificate of the client: authorized, and its subject', async () => {
    const { site } = up()
    const response = await ask({ ...site, tls: { ...site.tls, ...clientCertificate(up()) } }, '/')
    const seen = response.json()
    expect(seen).toMatchObject({ encrypted: true, authorized: true })
    expect(seen.peer.CN).toBe('alice')
  })
}

function https(server: Server, setups: readonly Setup[], clientCertificates = true): void {
  const setup = setups.find(({ tls }) => tls === true)
  if (setup === undefined) return
  describe(`${setup.server} ${setup.file}`, () => {
    tests(running(server, setup), clientCertificates)
  })
}

https(nginx, nginxSetups)
https(lighttpd, lighttpdSetups)
https(haproxy, haproxySetups)
https(caddy, caddySetups)
// h2o 2.2 does not ask clients for certificates.
https(h2o, h2oSetups, false)
