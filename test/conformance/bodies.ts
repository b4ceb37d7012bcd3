/** Request bodies: with a length, chunked, empty, large, streamed, refused, broken off. */
import crypto from 'node:crypto'
import { expect } from 'vitest'

import { until } from '../support/until.ts'
import { except, type HttpCase } from './case.ts'
import { ask, connect, seenOf, type Site } from './site.ts'

const MIB = 1024 * 1024

function* blocks(length: number): Generator<Buffer> {
  for (let at = 0; at < length; at += 65_536) {
    yield Buffer.alloc(Math.min(65_536, length - at), `${String(at)} `)
  }
}

async function* streamed(length: number): AsyncGenerator<Buffer> {
  yield* blocks(length)
}

function hashOf(length: number): string {
  const hash = crypto.createHash('sha256')
  for (const block of blocks(length)) hash.update(block)
  return hash.digest('hex')
}

async function upload(site: Site, bytes: number, chunked: boolean): Promise<void> {
  const response = await ask(site, '/upload?id=plain', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/octet-stream',
      ...(chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(bytes) }),
    },
    body: streamed(bytes),
  })
  expect(response.json()).toEqual({ bytes, sha256: hashOf(bytes), complete: true })
}

const noStreamedUpload = (site: Site): string | undefined =>
  site.can.streamsUploads ? undefined : 'the server collects an upload before it calls the app'

const noChunked = except({
  haproxy: 'answers 400 to a chunked upload that does not fit its buffer',
  'lighttpd socket.conf': 'answers 411 to a chunked upload when it streams requests',
})

export const bodyCases: readonly HttpCase[] = [
  {
    name: 'a form',
    async run(site) {
      const response = await ask(site, '/form', {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: 'a=1&b=%C3%BC',
      })
      const seen = response.json()
      expect(seen).toMatchObject({ body: 'a=1&b=%C3%BC', complete: true })
      expect(seen.headers['content-type']).toBe('application/x-www-form-urlencoded')
      expect(seen.headers['content-length']).toBe('12')
    },
  },
  {
    name: 'an empty POST',
    async run(site) {
      const headers = { 'Content-Length': '0' }
      const response = await ask(site, '/empty', { method: 'POST', headers })
      expect(response.json()).toMatchObject({ bodyLength: 0, complete: true })
    },
  },
  {
    name: 'a small chunked body',
    not: except({ 'lighttpd socket.conf': 'answers 411 to chunked uploads when it streams' }),
    async run(site) {
      async function* body(): AsyncGenerator<string> {
        yield 'hello '
        yield 'world'
      }
      const seen = (await ask(site, '/chunked', { method: 'POST', body: body() })).json()
      expect(seen).toMatchObject({ body: 'hello world', complete: true })
      // Body parsers look for one of the two to know that there is a body.
      const { headers } = seen
      expect(headers['content-length'] === '11' || headers['transfer-encoding'] === 'chunked').toBe(
        true,
      )
      expect('content-length' in headers && 'transfer-encoding' in headers).toBe(false)
    },
  },
  {
    name: 'an upload of 1 MiB with a length',
    not: except({
      'nginx minimal.conf': 'client_max_body_size is 1 MiB by default',
    }),
    run: (site) => upload(site, MIB + 1, false),
  },
  {
    name: 'an upload of 300 kB with a length',
    run: (site) => upload(site, 300_000, false),
  },
  {
    name: 'an upload of 300 kB, chunked',
    not: noChunked,
    run: (site) => upload(site, 300_000, true),
  },
  {
    name: 'an upload of 100 MB through a server that streams',
    not: noStreamedUpload,
    run: (site) => upload(site, 100_000_000, false),
  },
  {
    name: 'an upload reaches the app while it is sent',
    not: noStreamedUpload,
    async run(site) {
      const id = crypto.randomUUID()
      async function* body(): AsyncGenerator<Buffer> {
        yield Buffer.alloc(100_000, 'a')
        // The app must see the first part before the second one exists.
        await until(
          async () => ((await seenOf(site, id))?.bytes ?? 0) > 0,
          'the app to see the first part',
        )
        yield Buffer.alloc(100_000, 'b')
      }
      const response = await ask(site, `/upload?id=${id}`, {
        method: 'POST',
        headers: { 'Content-Length': '200000' },
        body: body(),
      })
      expect(response.json()).toMatchObject({ bytes: 200_000, complete: true })
    },
  },
  {
    name: 'an answer that does not wait for the body',
    async run(site) {
      const response = await ask(site, '/refuse', { method: 'POST', body: 'x'.repeat(200_000) })
      expect(response.status).toBe(413)
      expect(response.json()).toEqual({ refused: true })
    },
  },
  {
    name: 'Expect: 100-continue',
    async run(site) {
      const headers = { Expect: '100-continue' }
      const response = await ask(site, '/expect', { method: 'POST', headers, body: 'hello' })
      expect(response.json()).toMatchObject({ body: 'hello' })
    },
  },
  {
    name: 'a client that leaves in mid-upload: the app sees an aborted request',
    not: (site) =>
      noStreamedUpload(site) ??
      (site.name === 'haproxy multiplex.cfg'
        ? 'the server tells the app nothing while others run on the connection'
        : undefined),
    async run(site) {
      const id = crypto.randomUUID()
      const socket = await connect(site)
      const head = `POST ${site.mount}/upload?id=${id} HTTP/1.1\r\nHost: localhost\r\n`
      socket.write(`${head}Content-Length: 200000\r\n\r\n${'a'.repeat(100_000)}`)
      await until(async () => ((await seenOf(site, id))?.bytes ?? 0) > 0, 'the first part')
      socket.destroy()
      await until(
        async () => (await seenOf(site, id))?.events.includes('req close') === true,
        'the request to close',
      )
      const { events } = (await seenOf(site, id)) as { events: string[] }
      expect(events).toContain('req aborted')
      expect(events).toContain('req error ECONNRESET')
      expect(events).not.toContain('req end')
    },
  },
]
