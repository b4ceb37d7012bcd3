/**
 * Request targets as sent: the app must see them raw, below its mount, whatever the web server
 * decodes or cleans for its own use.
 */
import { expect } from 'vitest'

import type { HttpCase } from './case.ts'
import { ask } from './site.ts'

interface Target {
  readonly what: string
  readonly target: string
  /** Servers, or a server's file, that answer such a target themselves, and with what. */
  readonly refusedBy?: Readonly<Record<string, number>>
  /** Caddy parses a target and prints it again: what then arrives. */
  readonly printedByCaddy?: string
}

/** What the two `.htaccess` answer. */
const byHtaccess = (status: number): Record<string, number> => ({
  'apache-mod_fcgid htaccess/.htaccess': status,
  'apache-mod_proxy_fcgi htaccess/.htaccess': status,
})

const utf8 = (text: string): string => Buffer.from(text).toString('latin1')

const targets: readonly Target[] = [
  { what: 'the root', target: '/' },
  { what: 'a path', target: '/hello' },
  { what: 'a trailing slash', target: '/hello/' },
  { what: 'a query', target: '/x?a=1&b=%26' },
  { what: 'an empty query', target: '/x?' },
  { what: 'question marks in the query', target: '/x?a=?b?c' },
  { what: 'a URL in the query', target: '/x?u=http://h//p/../q' },
  { what: 'an encoded slash', target: '/a%2Fb' },
  { what: 'a doubled slash', target: '/a//b' },
  { what: 'a doubled slash in front', target: '//a' },
  { what: 'doubled slashes at the end', target: '/a//' },
  { what: 'dot segments', target: '/a/../b/./c' },
  { what: 'encoded dot segments', target: '/a/%2e%2e/b' },
  { what: 'encoded unicode', target: '/%E2%82%AC/%C3%BC' },
  {
    what: 'raw unicode',
    target: utf8('/€/ü'),
    refusedBy: { haproxy: 400 },
    printedByCaddy: '/%E2%82%AC/%C3%BC',
  },
  { what: 'encoded latin1', target: '/%FC', refusedBy: { lighttpd: 400 } },
  { what: 'an encoded space and a plus', target: '/a%20b+c' },
  { what: 'a semicolon', target: '/x;p=1' },
  { what: 'an encoded question mark', target: '/a%3Fb?c' },
  { what: 'an encoded hash', target: '/a%23b' },
  { what: 'an encoded per cent sign', target: '/a%2541' },
  { what: 'a backslash', target: '/a\\b', printedByCaddy: '/a%5Cb' },
  { what: 'lower-case hex', target: '/a%c3%a9' },
  { what: 'a colon and an at sign', target: '/a:b@c' },
  { what: 'tildes', target: '/~u/%7Eu' },
  // Below a folder Apache looks for a file of that name, which is too long for one.
  {
    what: '3000 letters',
    target: `/${'p'.repeat(3000)}`,
    refusedBy: byHtaccess(403),
  },
  { what: 'a query of 3000 letters', target: `/x?${'q'.repeat(3000)}` },
  { what: 'the name of the script below the root', target: '/evil/app.fcgi' },
  { what: 'the name of the script and more', target: '/evil/app.fcgi/x' },
  {
    what: 'the name of the script first',
    target: '/app.fcgi/x',
    refusedBy: byHtaccess(404),
  },
  { what: 'a name of PHP', target: '/index.php/x' },
]

function targetCase({ what, target, refusedBy, printedByCaddy }: Target): HttpCase {
  return {
    name: `target with ${what} arrives as sent`,
    async run(site) {
      const response = await ask(site, target)
      const refused = refusedBy?.[site.name] ?? refusedBy?.[site.server]
      if (refused !== undefined) return expect(response.status).toBe(refused)
      const seen = response.json()
      const rest = site.server === 'caddy' ? (printedByCaddy ?? target) : target
      expect(seen.url).toBe(rest)
      expect(seen.mount).toBe(site.mount)
    },
  }
}

export const targetCases: readonly HttpCase[] = [
  ...targets.map(targetCase),
  {
    name: 'the mount itself, without a slash, is the root of the app',
    not: (site) => (site.mount === '' ? 'there is no mount' : undefined),
    async run(site) {
      const response = await ask(site, '?a=1')
      expect(response.json()).toMatchObject({ url: '/?a=1', mount: site.mount })
    },
  },
  {
    name: 'a neighbour whose name begins like the mount is not the app',
    not: (site) => (site.mount === '' ? 'there is no mount' : undefined),
    async run(site) {
      const response = await ask({ ...site, mount: '' }, `${site.mount}lication/x`)
      expect(response.headers['content-type'] ?? '').not.toContain('application/json')
    },
  },
]
