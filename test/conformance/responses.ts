/** Responses: statuses, redirects, conditions, ranges, encodings, sizes, event streams, cuts. */
import crypto from 'node:crypto'
import zlib from 'node:zlib'
import { expect } from 'vitest'

import { until } from '../support/until.ts'
import { except, type HttpCase } from './case.ts'
import { ask, connect, open, seenOf, type Site } from './site.ts'

const text = Array.from({ length: 400 }, (_, n) => `line ${String(n)}\n`).join('')

const noStreaming = (site: Site): string | undefined =>
  site.can.streamsResponses ? undefined : 'the server collects a response before it sends it'

function patternHash(length: number): string {
  const hash = crypto.createHash('sha256')
  for (let at = 0; at < length; at += 65_536) {
    hash.update(Buffer.alloc(Math.min(65_536, length - at), `${String(at)} `))
  }
  return hash.digest('hex')
}

async function download(site: Site, target: string, bytes: number): Promise<void> {
  const response = await ask(site, target)
  expect(response).toMatchObject({ status: 200, complete: true })
  expect(response.body.length).toBe(bytes)
  expect(crypto.createHash('sha256').update(response.body).digest('hex')).toBe(patternHash(bytes))
}

/** Reads `data: N` events one by one. */
async function* events(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chunks) {
    rest += chunk.toString()
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      yield rest.slice('data: '.length, end)
      rest = rest.slice(end + 2)
    }
  }
}

async function appSawClose(site: Site, id: string): Promise<void> {
  await until(
    async () => (await seenOf(site, id))?.events.includes('res close') === true,
    'the app to see its response close',
  )
  const seen = await seenOf(site, id)
  expect(seen?.events).toContain('signal abort')
  expect(seen?.events).not.toContain('res finish')
}

export const responseCases: readonly HttpCase[] = [
  ...[200, 201, 400, 403, 404, 409, 418, 500, 503].map((code): HttpCase => ({
    name: `status ${String(code)} with its body`,
    async run(site) {
      const response = await ask(site, `/status?code=${String(code)}`)
      expect(response.status).toBe(code)
      expect(response.text).toBe(`status ${String(code)}\n`)
    },
  })),
  ...[204, 304].map((code): HttpCase => ({
    name: `status ${String(code)} without a body`,
    async run(site) {
      const response = await ask(site, `/status?code=${String(code)}`)
      expect(response.status).toBe(code)
      expect(response.body.length).toBe(0)
    },
  })),
  {
    name: 'a redirect stays under the mount',
    async run(site) {
      const response = await ask(site, '/redirect')
      expect(response.status).toBe(302)
      const location = response.headers['location'] ?? ''
      expect(location.replace(/^https?:\/\/[^/]+/, '')).toBe(`${site.mount}/target?from=redirect`)
    },
  },
  {
    name: 'a conditional request gives 304',
    async run(site) {
      const { headers } = await ask(site, '/text')
      const again = await ask(site, '/text', {
        headers: { 'If-None-Match': headers['etag'] as string },
      })
      expect(again.status).toBe(304)
      expect(again.headers['etag']).toBe(headers['etag'])
      expect(again.body.length).toBe(0)
    },
  },
  {
    name: 'a range',
    async run(site) {
      const response = await ask(site, '/text', { headers: { Range: 'bytes=10-29' } })
      expect(response.status).toBe(206)
      expect(response.headers['content-range']).toBe(`bytes 10-29/${String(text.length)}`)
      expect(response.text).toBe(text.slice(10, 30))
    },
  },
  {
    name: 'a body compressed by the app',
    async run(site) {
      const response = await ask(site, '/text', { headers: { 'Accept-Encoding': 'gzip' } })
      expect(response.headers['content-encoding']).toBe('gzip')
      expect(zlib.gunzipSync(response.body).toString()).toBe(text)
    },
  },
  {
    name: 'a body compressed by the server',
    not: (site) => (site.can.compresses === true ? undefined : 'this file does not ask it to'),
    async run(site) {
      const headers = { 'Accept-Encoding': 'gzip' }
      const response = await ask(site, '/compressed', { headers })
      expect(response.headers['content-encoding']).toBe('gzip')
      const seen = JSON.parse(zlib.gunzipSync(response.body).toString())
      expect(seen).toMatchObject({ url: '/compressed' })
    },
  },
  {
    name: 'a header block of 2 kB',
    async run(site) {
      const response = await ask(site, '/big-head?count=16')
      expect(response.status).toBe(200)
      expect(response.headers['x-filler-15']).toBe('f'.repeat(100))
    },
  },
  {
    name: 'a header block of 7 kB',
    not: except({ 'nginx minimal.conf': 'fastcgi_buffer_size is 4 kB by default: answers 502' }),
    // The app cannot know that the recipe has made room for it.
    notice: /the head of a response has [67]\d\d\d bytes: .*\[CGI_LARGE_HEAD\]$/,
    async run(site) {
      const response = await ask(site, '/big-head?count=60')
      expect(response.status).toBe(200)
      expect(response.headers['x-filler-59']).toBe('f'.repeat(100))
    },
  },
  {
    name: 'a download of 20 MB with a length',
    run: (site) => download(site, '/large?bytes=20000000&length', 20_000_000),
  },
  {
    name: 'a download of 3 MB without a length',
    run: (site) => download(site, '/large?bytes=3000000', 3_000_000),
  },
  {
    name: 'events arrive one by one',
    not: noStreaming,
    async run(site) {
      const id = crypto.randomUUID()
      const stream = await open(site, `/events?id=${id}`)
      expect(stream.headers['content-type']).toBe('text/event-stream')
      const arriving = events(stream.chunks())
      // Each event is asked for only after the one before has arrived.
      for (const expected of ['1', '2', '3']) {
        expect((await arriving.next()).value).toBe(expected)
        if (expected !== '3') await ask(site, `/events/next?id=${id}`)
      }
      await ask(site, `/events/end?id=${id}`)
      expect((await arriving.next()).done).toBe(true)
      expect(stream.complete).toBe(true)
    },
  },
  {
    name: 'a client that leaves an event stream: the app sees it',
    not: (site) =>
      noStreaming(site) ??
      (site.can.tellsOfGoneClient === 'no' ? 'the server tells the app nothing' : undefined),
    async run(site) {
      const id = crypto.randomUUID()
      const stream = await open(site, `/events?id=${id}`)
      await events(stream.chunks()).next()
      stream.destroy()
      if (site.can.tellsOfGoneClient === 'at next write') {
        // The server notices when it has something to send.
        await until(async () => {
          await ask(site, `/events/next?id=${id}`)
          return (await seenOf(site, id))?.events.includes('res close') === true
        }, 'the app to see its response close')
      }
      await appSawClose(site, id)
    },
  },
  {
    name: 'a client that leaves before the answer: the app sees it',
    not: (site) =>
      site.can.tellsOfGoneClient === 'at once' ? undefined : 'the server notices only at a write',
    async run(site) {
      const id = crypto.randomUUID()
      const socket = await connect(site)
      socket.write(`GET ${site.mount}/silent?id=${id} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      await until(async () => (await seenOf(site, id)) !== null, 'the request to reach the app')
      socket.destroy()
      await appSawClose(site, id)
    },
  },
  {
    name: 'a response that the app breaks off is not taken for a whole one',
    not: (site) => (site.can.showsCutResponse ? undefined : 'the server does not pass a cut on'),
    async run(site) {
      const outcome = await ask(site, '/cut').catch(() => undefined)
      expect(outcome === undefined || !outcome.complete || outcome.status >= 500).toBe(true)
    },
  },
  {
    name: 'a response of unknown length that the app breaks off is not taken for a whole one',
    not: (site) =>
      site.can.showsCutOfUnknownLength
        ? undefined
        : 'the server takes the end of the connection for the end of the response',
    async run(site) {
      const outcome = await ask(site, '/cut-unknown').catch(() => undefined)
      expect(outcome === undefined || !outcome.complete || outcome.status >= 500).toBe(true)
    },
  },
  {
    name: 'a file handed over to the web server',
    not: (site) => (site.can.offload === undefined ? 'the server has no such header' : undefined),
    async run(site) {
      const response = await ask(site, `/offload?by=${String(site.can.offload)}`)
      expect(response.status).toBe(200)
      expect(response.text).toBe('Handed over by the web server.\n')
      expect(response.headers).not.toHaveProperty(String(site.can.offload))
    },
  },
  {
    name: 'a static file comes from the web server',
    not: (site) => (site.can.staticFiles ? undefined : 'the server serves no files here'),
    async run(site) {
      const response = await ask(site, '/static/site.css')
      expect(response.status).toBe(200)
      expect(response.text).toBe('h1 { color: #333; }\n')
    },
  },
]
