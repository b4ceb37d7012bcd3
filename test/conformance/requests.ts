/** Methods, headers, cookies and addresses. */
import { expect } from 'vitest'

import { except, type HttpCase } from './case.ts'
import { ask } from './site.ts'

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'] as const

export const requestCases: readonly HttpCase[] = [
  ...methods.map((method): HttpCase => ({
    name: `method ${method}`,
    async run(site) {
      const body = method === 'GET' || method === 'OPTIONS' ? undefined : 'hello'
      const response = await ask(site, '/m', { method, ...(body === undefined ? {} : { body }) })
      expect(response.json()).toMatchObject({ method, body: body ?? '', complete: true })
    },
  })),
  {
    name: 'HEAD has the head of GET and no body',
    async run(site) {
      const response = await ask(site, '/text', { method: 'HEAD' })
      expect(response.status).toBe(200)
      expect(response.headers['etag']).toMatch(/^"\w+"$/)
      expect(response.body.length).toBe(0)
    },
  },
  {
    name: 'a header arrives with its value',
    async run(site) {
      const { headers } = (await ask(site, '/h', { headers: { 'X-Asked': 'a, b; c="d"' } })).json()
      expect(headers['x-asked']).toBe('a, b; c="d"')
    },
  },
  {
    name: 'a repeated header is joined in order',
    async run(site) {
      const { headers } = (
        await ask(site, '/h', {
          headers: [
            ['X-Asked', 'one'],
            ['X-Asked', 'two'],
          ],
        })
      ).json()
      expect(headers['x-asked'].replaceAll(/,\s*/g, ', ')).toBe('one, two')
    },
  },
  {
    name: 'a latin1 value arrives as node:http would give it',
    async run(site) {
      const response = await ask(site, '/h', { headers: { 'X-Asked': 'f\u00fcr' } })
      expect(response.json().headers['x-asked']).toBe('f\u00fcr')
    },
  },
  {
    name: 'a header of 3000 letters arrives whole',
    async run(site) {
      const value = 'v'.repeat(3000)
      const response = await ask(site, '/h', { headers: { 'X-Asked': value } })
      expect(response.json().headers['x-asked']).toBe(value)
    },
  },
  {
    name: 'sixty headers arrive',
    async run(site) {
      const headers = Array.from({ length: 60 }, (_, n): [string, string] => [
        `X-N-${n}`,
        String(n),
      ])
      const seen = (await ask(site, '/h', { headers })).json().headers
      expect(seen).toMatchObject(Object.fromEntries(headers.map(([k, v]) => [k.toLowerCase(), v])))
    },
  },
  {
    name: 'cookies arrive as one header',
    async run(site) {
      const response = await ask(site, '/h', { headers: { Cookie: 'a=1; b=2' } })
      expect(response.json().headers.cookie).toBe('a=1; b=2')
    },
  },
  {
    name: 'two Set-Cookie lines stay two',
    async run(site) {
      const response = await ask(site, '/cookies')
      expect(response.cookies).toEqual(['a=1; Path=/; HttpOnly', 'b=2; Path=/'])
    },
  },
  {
    name: 'Proxy never reaches the app (httpoxy)',
    async run(site) {
      const response = await ask(site, '/h', { headers: { Proxy: 'http://evil.example' } })
      expect(response.json().headers).not.toHaveProperty('proxy')
    },
  },
  {
    name: 'no content-type or content-length where there is no body',
    async run(site) {
      const { headers } = (await ask(site, '/h')).json()
      expect(headers).not.toHaveProperty('content-type')
      expect(headers).not.toHaveProperty('content-length')
      expect(headers).not.toHaveProperty('transfer-encoding')
    },
  },
  {
    name: 'hop-by-hop headers stay with the server',
    async run(site) {
      const headers = { 'Keep-Alive': '5', TE: 'trailers', Upgrade: 'foo', Connection: 'close' }
      const seen = (await ask(site, '/h', { headers })).json().headers
      expect(Object.keys(seen)).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/^(te|upgrade|keep-alive)$/)]),
      )
    },
  },
  {
    name: 'Host',
    async run(site) {
      const { headers } = (await ask(site, '/h', { headers: { Host: 'localhost' } })).json()
      expect(headers.host).toBe('localhost')
    },
  },
  {
    name: 'the address of the client',
    async run(site) {
      const seen = (await ask(site, '/h')).json()
      expect(seen.remoteAddress).toBe('127.0.0.1')
      expect(seen.localPort).toBe(site.port)
      expect(seen.encrypted).toBe(site.tls !== undefined)
    },
  },
  {
    name: 'HTTP/1.0 without Host',
    not: except({
      caddy: 'its site is bound to a host name',
      h2o: 'names the host itself',
      'apache-mod_fcgid https.conf': 'wants the Host that was named in TLS: answers 400',
      'apache-mod_proxy_fcgi https.conf': 'wants the Host that was named in TLS: answers 400',
    }),
    async run(site) {
      const response = await ask(site, '/h', { version: 'HTTP/1.0' })
      expect(response.status).toBe(200)
      expect(response.headers).not.toHaveProperty('transfer-encoding')
      expect(response.json().url).toBe('/h')
    },
  },
  {
    name: 'Authorization arrives',
    not: (site) => (site.can.authorization ? undefined : 'the server drops it with this file'),
    async run(site) {
      const value = 'Bearer abc.def'
      const response = await ask(site, '/h', { headers: { Authorization: value } })
      expect(response.json().headers.authorization).toBe(value)
    },
  },
  {
    name: 'a name nobody verified is nobody: forged Basic',
    async run(site) {
      const Authorization = `Basic ${Buffer.from('admin:guess').toString('base64')}`
      const seen = (await ask(site, '/h', { headers: { Authorization } })).json()
      expect(seen.remoteUser).toBeUndefined()
      expect(seen.authorized).toBe(false)
    },
  },
  {
    name: 'headers cannot pose as server variables',
    async run(site) {
      const headers = {
        'Remote-User': 'admin',
        'X-Remote-User': 'admin',
        'Script-Name': '/evil',
        'SSL-Client-Verify': 'SUCCESS',
        'X-HTTPS': 'on',
      }
      const seen = (await ask(site, '/h', { headers })).json()
      expect(seen).toMatchObject({ url: '/h', mount: site.mount, authorized: false })
      expect(seen.remoteUser).toBeUndefined()
      expect(seen.encrypted).toBe(site.tls !== undefined)
    },
  },
  {
    name: 'forwarded headers: the client’s word does not replace what the server knows',
    async run(site) {
      const headers = { 'X-Forwarded-For': '1.2.3.4', 'X-Forwarded-Proto': 'ftp' }
      const seen = (await ask(site, '/h', { headers })).json().headers
      expect(seen['x-forwarded-for'].split(/,\s*/).at(-1)).toBe('127.0.0.1')
      expect(seen['x-forwarded-proto']).toBe(site.tls === undefined ? 'http' : 'https')
    },
  },
]
