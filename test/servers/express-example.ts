/** What a browser and a program do with the Express example, wherever it is mounted and by whatever server. */
import { createHash } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { http, openHttp, type HttpRequest, type HttpResponse } from '../support/http-client.ts'

export interface Site {
  readonly port: number
  /** Where the app is mounted: '' or '/app'. */
  readonly mount: string
  /** Events arrive as they are sent. False where the server collects an answer first. */
  readonly streams: boolean
  /** `%2F` in a path reaches the app. False where the server's own setting, out of our reach, refuses it. */
  readonly encodedSlashes: boolean
  /** Waits for a line in the app's error log, wherever the server puts it. */
  waitForLog(pattern: RegExp): Promise<unknown>
}

type Ask = (target: string, request?: Partial<HttpRequest>) => Promise<HttpResponse>

const JSON_ONLY = { Accept: 'application/json' }

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** A multipart/form-data body, byte by byte. */
export function multipart(
  boundary: string,
  title: string,
  file: { name: string; data: Buffer },
): Buffer {
  const head =
    `--${boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\n${title}\r\n` +
    `--${boundary}\r\nContent-Disposition: form-data; name="files"; filename="${file.name}"\r\n` +
    'Content-Type: application/octet-stream\r\n\r\n'
  return Buffer.concat([Buffer.from(head), file.data, Buffer.from(`\r\n--${boundary}--\r\n`)])
}

/** Bytes that no compression or repetition can stand in for, the same in each run. */
export function bytes(count: number): Buffer {
  const data = Buffer.alloc(count)
  let state = 12_345
  for (let at = 0; at < count; at += 1) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff
    data[at] = state >> 16
  }
  return data
}

/** Registers the checks; `site` is asked when they run. */
export function expressExample(site: () => Site): void {
  const ask: Ask = (target, request) =>
    http({ port: site().port, target: site().mount + target, ...request })

  describe('the Express example', () => {
    pages(site, ask)
    targets(site, ask)
    bodies(site, ask)
    streams(site, ask)
  })
}

function pages(site: () => Site, ask: Ask): void {
  it('shows each page, with links below the mount and no .fcgi in any of them', async () => {
    for (const path of ['/', '/upload', '/events', '/whoami', '/cookies']) {
      const page = await ask(path, { headers: { Accept: 'text/html' } })
      expect.soft(page.status, path).toBe(200)
      expect.soft(page.headers['content-type'], path).toBe('text/html; charset=utf-8')
      const links = [...page.text.matchAll(/(?:href|src|action|data-from)="([^"]*)"/g)]
      const stray = links
        .map(([, to]) => to ?? '')
        .filter((to) => !to.startsWith(`${site().mount}/`))
      expect.soft(stray, path).toEqual([])
      expect.soft(page.text.replace('Express over FastCGI', ''), path).not.toMatch(/fcgi/i)
    }
  })

  it('has its style sheet and picture', async () => {
    const style = await ask('/static/style.css')
    expect(style.status).toBe(200)
    expect(style.headers['content-type']).toMatch(/^text\/css/)
    expect(style.text).toContain('--accent')
    expect((await ask('/static/logo.svg')).status).toBe(200)
    expect((await ask('/static/none.png')).status).toBe(404)
  })

  it('logs in and out by a session cookie whose path is the mount', async () => {
    const login = await ask('/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: 'name=Ann%20%26%20Bob',
    })
    expect(login.status).toBe(303)
    expect(login.headers['location']).toBe(`${site().mount}/`)
    expect(login.cookies).toHaveLength(2)
    for (const cookie of login.cookies) {
      expect(cookie).toContain(`; path=${site().mount || '/'};`)
      expect(cookie).not.toMatch(/fcgi/)
    }
    const Cookie = login.cookies.map((cookie) => cookie.split(';')[0]).join('; ')
    const home = await ask('/', { headers: { Cookie } })
    expect(home.text).toContain('Hello, Ann &amp; Bob.')
    const logout = await ask('/logout', { method: 'POST', headers: { Cookie } })
    expect(logout.status).toBe(303)
    expect(logout.cookies.join()).toMatch(/session=;.*expires=Thu, 01 Jan 1970/i)
  })

  it('sends several cookies as several lines', async () => {
    const { cookies } = await ask('/cookies')
    expect(cookies.map((cookie) => cookie.split(';')[0])).toEqual([
      'flavour=almond',
      'shape=crescent',
    ])
    for (const cookie of cookies) expect(cookie).toContain(`Path=${site().mount || '/'};`)
  })

  it('redirects below the mount', async () => {
    const { status, headers } = await ask('/redirect')
    expect(status).toBe(302)
    expect(headers['location']).toBe(`${site().mount}/whoami?from=redirect`)
  })

  it('tells address, protocol and host of the client', async () => {
    const who = await ask('/whoami', { headers: { ...JSON_ONLY, Host: 'www.example.com:8080' } })
    expect(who.json()).toMatchObject({
      ip: '127.0.0.1',
      protocol: 'http',
      secure: false,
      hostname: 'www.example.com',
      baseUrl: site().mount,
      originalUrl: `${site().mount}/whoami`,
      url: '/whoami',
      remoteUser: null,
    })
  })

  it('answers HEAD without a body, and 304 to a matching ETag', async () => {
    const get = await ask('/api/echo')
    const head = await ask('/upload', { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(head.body).toHaveLength(0)
    expect(get.headers['etag']).toBeDefined()
    const page = await ask('/upload')
    const again = await ask('/upload', {
      headers: { 'If-None-Match': page.headers['etag'] ?? '' },
    })
    expect(again.status).toBe(304)
    expect(again.body).toHaveLength(0)
  })

  it('answers 404 by the app, with the URL as it was asked for', async () => {
    const page = await ask('/nothing/here?q=1')
    expect(page.status).toBe(404)
    expect(page.text).toContain(`<code>${site().mount}/nothing/here?q=1</code>`)
  })

  it('shows nothing of an error to the client, and all of it in the log', async () => {
    for (const path of ['/throw', '/reject']) {
      const page = await ask(path)
      expect.soft(page.status, path).toBe(500)
      expect.soft(page.text, path).toContain('Something broke')
      expect.soft(page.text, path).not.toMatch(/detail|node_modules|\.mjs|at \w+ \(|\/express\//)
      await site().waitForLog(new RegExp(`GET ${site().mount}${path}: Error: a detail`))
    }
  })
}

function targets(site: () => Site, ask: Ask): void {
  const cases = [
    '//x',
    '/x//y/',
    '/./x/../y',
    '/%C3%BCber/%E2%82%AC',
    '/a%20b+c;d=e,f',
    '/100%25',
    '/%2541',
    '/a%3Fb%23c',
    '/x?q=a%20b+c&q=%C3%BC&empty=&&=',
    '/x?',
    '/x?a=/../b//c?d',
    `/${'long'.repeat(1000)}?${'q'.repeat(2000)}`,
  ]
  it('gets each target as it was sent', async () => {
    for (const rest of cases) {
      const echo = await ask(`/api/echo${rest}`)
      expect.soft(echo.status, rest).toBe(200)
      if (echo.status !== 200) continue
      expect.soft(echo.json(), rest).toMatchObject({
        originalUrl: `${site().mount}/api/echo${rest}`,
        baseUrl: `${site().mount}/api`,
        url: `/echo${rest}`,
      })
    }
  })

  it('gets %2F in a path as it was sent, or the server refuses it', async () => {
    const echo = await ask('/api/echo/a%2Fb')
    const seen = echo.status === 200 ? (echo.json() as { url: string }).url : echo.status
    expect(seen).toBe(site().encodedSlashes ? '/echo/a%2Fb' : 404)
  })

  it('gets methods and headers', async () => {
    for (const method of ['GET', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'REPORT']) {
      const echo = await ask('/api/echo', { method })
      expect.soft(echo.json(), method).toMatchObject({ method })
    }
    const echo = await ask('/api/echo', {
      headers: [
        ['X-One', 'a'],
        ['X-One', 'b'],
        ['Accept-Language', 'de;q=0.5'],
        ['Authorization', 'Bearer abc.def'],
        ['Proxy', 'http://attacker.example'],
      ],
    })
    const { headers } = echo.json()
    expect(headers).toMatchObject({
      'x-one': 'a, b',
      'accept-language': 'de;q=0.5',
      authorization: 'Bearer abc.def',
    })
    expect(headers).not.toHaveProperty('proxy')
  })

  it('does not let a client choose the mount', async () => {
    for (const path of ['/evil/app.fcgi', '/evil/app.fcgi/x', '/hello/']) {
      const page = await ask(path)
      expect.soft(page.status, path).toBe(404)
      expect.soft(page.text, path).toContain(`href="${site().mount}/static/style.css"`)
      expect.soft(page.text, path).toContain(`<code>${site().mount}${path}</code>`)
    }
  })
}

function bodies(site: () => Site, ask: Ask): void {
  const five = bytes(5_000_000)

  it('takes an upload of 5 MB by a form', async () => {
    const boundary = 'x-boundary-x'
    const answer = await ask('/upload', {
      method: 'POST',
      headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
      body: multipart(boundary, 'Ein Bild', { name: 'b\u00fcste.bin', data: five }),
    })
    expect(answer.status).toBe(201)
    expect(answer.json()).toEqual({
      title: 'Ein Bild',
      files: [
        {
          name: 'b\u00fcste.bin',
          type: 'application/octet-stream',
          size: five.length,
          sha256: sha256(five),
        },
      ],
    })
  })

  it('takes a body by length and by chunks', async () => {
    async function* chunks(): AsyncGenerator<Buffer> {
      for (let at = 0; at < five.length; at += 100_000) yield five.subarray(at, at + 100_000)
    }
    for (const body of [five, chunks()]) {
      const answer = await ask('/api/bytes', { method: 'PUT', body })
      expect(answer.json()).toEqual({ bytes: five.length, sha256: sha256(five) })
    }
  })

  it('takes JSON and answers 400, 413 and 422', async () => {
    const headers = { 'Content-Type': 'application/json' }
    const post = (body: string): Promise<HttpResponse> =>
      ask('/api/sum', { method: 'POST', headers, body })
    const good = await post('{"numbers":[1,2,3.5]}')
    expect(good.status).toBe(201)
    expect(good.json()).toEqual({ sum: 6.5 })
    expect((await post('{"numbers":[1,')).status).toBe(400)
    expect((await post('{"numbers":["a"]}')).status).toBe(422)
    expect((await post(`{"numbers":[${'1,'.repeat(600_000)}1]}`)).status).toBe(413)
  })

  it('takes an empty POST', async () => {
    const echo = await ask('/api/echo', { method: 'POST', body: '' })
    expect(echo.json()).toMatchObject({ method: 'POST', body: null })
  })

  it('sends 20 MB whole', async () => {
    const answer = await ask('/api/bytes/20000000')
    expect(answer.status).toBe(200)
    expect(answer.complete).toBe(true)
    expect(answer.body.length).toBe(20_000_000)
    expect(answer.body.subarray(-16).toString()).toBe('abcdefghijklmnop')
  })
}

function streams(site: () => Site, _ask: Ask): void {
  it('hands on events one by one, and the app sees the client go', async () => {
    // The stream has no end: were it collected, nothing would come before the deadline.
    if (!site().streams) return
    const stream = await openHttp({
      port: site().port,
      target: `${site().mount}/events/stream?every=100`,
    })
    expect(stream.status).toBe(200)
    expect(stream.headers['content-type']).toBe('text/event-stream')
    let text = ''
    for await (const part of stream.chunks()) {
      text += part.toString()
      if (text.includes('id: 3\n')) break
    }
    expect(text).toMatch(/^id: 1\ndata: .*\n\nid: 2\ndata: .*\n\nid: 3\n/)
    stream.destroy()
    await site().waitForLog(/event stream closed after \d+ events/)
  })
}
