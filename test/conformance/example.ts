/**
 * What a browser and a program do with an example app. All four examples have the same routes, so
 * one list serves them, wherever the app is mounted and by whatever server.
 */
import crypto from 'node:crypto'
import { expect } from 'vitest'

import type { HttpResponse } from '../support/http-client.ts'
import type { HttpCase } from './case.ts'
import { ask, open, type Site } from './site.ts'

const html = { Accept: 'text/html' }
const json = { Accept: 'application/json' }
const form = { 'Content-Type': 'application/x-www-form-urlencoded' }

/** The `Cookie` header a browser would send after this answer. */
function cookieOf(response: HttpResponse): string {
  return response.cookies.map((cookie) => cookie.split(';')[0]).join('; ')
}

/** The path of a Location, which a server may have made absolute. */
function pathOf(response: HttpResponse): string {
  return (response.headers['location'] ?? '').replace(/^https?:\/\/[^/]+/, '')
}

/** A form with a title and a file, as a browser sends it. */
function multipart(boundary: string, name: string, data: Buffer): Buffer {
  const head =
    `--${boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\nEin Bild\r\n` +
    `--${boundary}\r\nContent-Disposition: form-data; name="files"; filename="${name}"\r\n` +
    'Content-Type: application/octet-stream\r\n\r\n'
  return Buffer.concat([Buffer.from(head), data, Buffer.from(`\r\n--${boundary}--\r\n`)])
}

async function upload(site: Site, data: Buffer): Promise<void> {
  const boundary = 'x-boundary-x'
  const response = await ask(site, '/upload', {
    method: 'POST',
    headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
    body: multipart(boundary, 'b\u00fcste.bin', data),
  })
  expect(response.status).toBe(201)
  const sha256 = crypto.createHash('sha256').update(data).digest('hex')
  const type = 'application/octet-stream'
  expect(response.json()).toEqual({
    title: 'Ein Bild',
    files: [{ name: 'b\u00fcste.bin', type, size: data.length, sha256 }],
  })
}

export const exampleCases: readonly HttpCase[] = [
  {
    name: 'pages, with links below the mount and no .fcgi in any of them',
    async run(site) {
      for (const path of ['/', '/upload', '/events', '/whoami', '/cookies']) {
        const page = await ask(site, path, { headers: html })
        expect.soft(page.status, path).toBe(200)
        expect.soft(page.headers['content-type'], path).toMatch(/^text\/html; charset=utf-8$/i)
        const links = [...page.text.matchAll(/(?:href|src|action|data-from)="([^"]*)"/g)]
        const stray = links.filter(([, to]) => to?.startsWith(`${site.mount}/`) !== true)
        expect.soft(stray, path).toEqual([])
        expect.soft(page.text, path).not.toContain('.fcgi')
      }
    },
  },
  {
    name: 'style sheet and picture',
    async run(site) {
      const style = await ask(site, '/static/style.css')
      expect(style.status).toBe(200)
      expect(style.headers['content-type']).toMatch(/^text\/css/)
      expect((await ask(site, '/static/logo.svg')).status).toBe(200)
      expect((await ask(site, '/static/none.png')).status).toBe(404)
    },
  },
  {
    name: 'a session: log in, come back, log out',
    async run(site) {
      const body = 'name=Ann%20%26%20Bob'
      const login = await ask(site, '/login', { method: 'POST', headers: form, body })
      expect(login.status).toBe(303)
      expect(pathOf(login)).toBe(`${site.mount}/`)
      for (const cookie of login.cookies) {
        expect(cookie.toLowerCase()).toContain(`path=${site.mount || '/'};`)
      }
      const Cookie = cookieOf(login)
      const home = await ask(site, '/', { headers: { ...html, Cookie } })
      expect(home.text).toContain('Hello, Ann &amp; Bob. Visit number 1.')
      const again = await ask(site, '/', { headers: { ...html, Cookie: cookieOf(home) } })
      expect(again.text).toContain('Visit number 2.')
      const logout = await ask(site, '/logout', { method: 'POST', headers: { Cookie }, body: '' })
      expect(logout.status).toBe(303)
      expect(logout.cookies.length).toBeGreaterThan(0)
    },
  },
  {
    name: 'two cookies, two lines',
    async run(site) {
      const { cookies } = await ask(site, '/cookies')
      const own = cookies.map((cookie) => cookie.split(';')[0])
      expect(own).toEqual(expect.arrayContaining(['flavour=almond', 'shape=crescent']))
    },
  },
  {
    name: 'a redirect stays below the mount',
    async run(site) {
      const response = await ask(site, '/redirect')
      expect(response.status).toBe(302)
      expect(pathOf(response)).toBe(`${site.mount}/whoami?from=redirect`)
    },
  },
  {
    name: 'who am I: address, protocol, mount, nobody logged in',
    async run(site) {
      const response = await ask(site, '/whoami?x=1', { headers: json })
      expect(response.json()).toMatchObject({
        remoteUser: null,
        protocol: site.tls === undefined ? 'http' : 'https',
        hostname: 'localhost',
        baseUrl: site.mount,
        originalUrl: `${site.mount}/whoami?x=1`,
        url: '/whoami?x=1',
      })
      expect(response.json().ip).toBe('127.0.0.1')
    },
  },
  {
    name: 'JSON in and out, and refused with 422',
    async run(site) {
      const send = (body: string): Promise<HttpResponse> =>
        ask(site, '/api/sum', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body,
        })
      const good = await send('{"numbers":[1,2,3]}')
      expect(good.status).toBe(201)
      expect(good.json()).toEqual({ sum: 6 })
      expect((await send('{"numbers":"x"}')).status).toBe(422)
    },
  },
  {
    name: 'the URL reaches the router as it was sent',
    async run(site) {
      const target = '/api/echo/a%20b+c?q=%C3%BC&r=a/b'
      const seen = (await ask(site, target)).json()
      expect(seen.originalUrl).toBe(`${site.mount}${target}`)
      expect(seen.query).toEqual({ q: 'ü', r: 'a/b' })
    },
  },
  {
    name: 'a form with a file',
    run: (site) => upload(site, crypto.randomBytes(300_000)),
  },
  {
    name: 'a body of 500 kB',
    async run(site) {
      const data = crypto.randomBytes(500_000)
      const headers = { 'Content-Type': 'application/octet-stream' }
      const response = await ask(site, '/api/bytes', { method: 'PUT', headers, body: data })
      const sha256 = crypto.createHash('sha256').update(data).digest('hex')
      expect(response.json()).toEqual({ bytes: data.length, sha256 })
    },
  },
  {
    name: 'a download of 5 MB',
    async run(site) {
      const response = await ask(site, '/api/bytes/5000000')
      expect(response).toMatchObject({ status: 200, complete: true })
      expect(response.body.length).toBe(5_000_000)
    },
  },
  {
    name: 'an event stream',
    not: (site) => (site.can.streamsResponses ? undefined : 'the server collects a response first'),
    async run(site) {
      const stream = await open(site, '/events/stream?every=20')
      expect(stream.headers['content-type']).toMatch(/^text\/event-stream/)
      let text = ''
      for await (const chunk of stream.chunks()) {
        text += chunk.toString()
        if (text.includes('id: 3\n')) break
      }
      expect(text).toMatch(/^id: 1\ndata: \S+\n\nid: 2\n/)
    },
  },
  {
    name: 'errors: 500 without a detail, 404 with the URL',
    async run(site) {
      for (const path of ['/throw', '/reject']) {
        const page = await ask(site, path, { headers: html })
        expect.soft(page.status, path).toBe(500)
        expect.soft(page.text, path).not.toMatch(/a detail|node_modules|\bat \w/)
      }
      const missing = await ask(site, '/no/such/page', { headers: html })
      expect(missing.status).toBe(404)
      expect(missing.text).toContain(`${site.mount}/no/such/page`)
      const api = await ask(site, '/api/nothing')
      expect(api.status).toBe(404)
      expect(api.json()).toEqual({ error: 'not found' })
    },
  },
]
