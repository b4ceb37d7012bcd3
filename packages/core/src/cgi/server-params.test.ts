// Every recorded request of seven web servers through the rules for target and mount. What the params cannot tell is
// named line by line, with the reason; nothing else may be inexact.

import { describe, expect, it } from 'vitest'
import { headOptions } from '../../../../test/support/head-options.ts'
import {
  latin1,
  param,
  paramsBlock,
  recordedRequests,
  type Recorded,
} from '../../../../test/support/server-params.ts'
import { HeadError, readRequestHead, type HeadOptions, type RequestHead } from './request-head.ts'

const requests = recordedRequests()

/** Configurations whose entry script is the file that the server names; the others know only a socket. */
const namesScript = /^(?:fcgid-|caddy-split|caddy-php|h2o-ext|proxyfcgi-sethandler-rewrite)/

function optionsFor({ config, params }: Recorded): HeadOptions {
  const named = params.find(([name]) => name === 'SCRIPT_FILENAME')
  const file = named && latin1(named[1]).replace('proxy:fcgi://localhost/', '')
  return headOptions({
    maxHeaderSize: 1_000_000,
    ...(namesScript.test(config) && file !== undefined ? { script: file } : {}),
  })
}

interface Expected {
  mount: string
  url: string
  originalUrl: string
}

/** What the client asked for, under the mount that the configuration gives the app. */
function intended(recorded: Recorded): Expected {
  const target = latin1(recorded.request.target)
    .replace(/^http:\/\/[^/]*/, '')
    .replace(/#.*/, '')
  const mount = recorded.mount === '/' ? '' : recorded.mount
  const rest = target.slice(mount.length)
  const isUnder = target.startsWith(mount) && /^(?:$|[/?])/.test(rest)
  if (mount === '' || !isUnder) return { mount: '', url: target, originalUrl: target }
  return { mount, url: rest.startsWith('/') ? rest : '/' + rest, originalUrl: target }
}

function mapped({ mount, url, originalUrl }: RequestHead): Expected {
  return { mount, url, originalUrl }
}

/** `config case`, or `config *` for all of its lines. */
const inexact: Readonly<Record<string, readonly string[]>> = {
  // handle_path strips /app from the path and leaves it in REQUEST_URI: no param tells where the mount ends.
  'mount is stripped, CGI_MOUNT_STRIPPED': ['caddy-sub *'],
  // The same params come from `"/" =>` without fix-root-scriptname for a path that begins with /app.
  'SCRIPT_NAME may follow the path, CGI_MOUNT_FOLLOWS_PATH': ['lighttpd-sub *'],
  // ProxyPass puts the whole path into SCRIPT_NAME, at / as below a path.
  'SCRIPT_NAME is the whole path, CGI_MOUNT_WHOLE_PATH': [
    'proxyfcgi-proxypass-sub *',
    'proxyfcgi-generic-sub *',
  ],
  // A URL that names the script of a rewrite: recipes answer 404 to it before the app.
  'the client names the script': [
    'caddy-php-fcgi fcgi-in-path',
    'fcgid-htaccess fcgi-in-path',
    'fcgid-htaccess-pt fcgi-in-path',
    'fcgid-rewrite-server fcgi-in-path',
    'proxyfcgi-sethandler-rewrite fcgi-in-path',
  ],
  'Caddy writes REQUEST_URI anew, percent-encoded': [
    'caddy-php-fcgi backslash',
    'caddy-php-fcgi utf8-raw',
    'caddy-root backslash',
    'caddy-root fragment',
    'caddy-root latin1-raw',
    'caddy-root quotes',
    'caddy-root utf8-raw',
    'caddy-split backslash',
    'caddy-split utf8-raw',
  ],
  'set-param REQUEST_URI %[path] loses the query, which is in no other param': [
    'haproxy-setparam empty-query',
    'haproxy-setparam q-enc',
    'haproxy-setparam query',
  ],
}

/** Refused as node:http refuses them, or because a NUL in a path is never honest. */
const refused: Readonly<Record<string, string>> = {
  'fcgid-scriptalias-root method-get': 'FCGI_BAD_METHOD',
  'h2o-root method-get': 'FCGI_BAD_METHOD',
  'haproxy-root method-get': 'FCGI_BAD_METHOD',
  'proxyfcgi-proxypass-unix method-get': 'FCGI_BAD_METHOD',
  'h2o-root percent-nul': 'FCGI_NUL_IN_PARAM',
  'haproxy-root percent-nul': 'FCGI_NUL_IN_PARAM',
}

function nameOf({ config, case: name }: Recorded): string {
  return `${config} ${name}`
}

describe('recorded requests', () => {
  it('cover every server and reach the numbers that are published', () => {
    expect(requests.length).toBe(1995)
    expect(new Set(requests.map(({ config }) => config)).size).toBe(58)
  })

  it('get exactly the mount, url and originalUrl their configuration means, but for the named', () => {
    const missed = new Set<string>()
    for (const recorded of requests) {
      if (Object.hasOwn(refused, nameOf(recorded))) continue
      const head = readRequestHead(paramsBlock(recorded), optionsFor(recorded))
      const want = intended(recorded)
      if (JSON.stringify(mapped(head)) !== JSON.stringify(want)) missed.add(nameOf(recorded))
    }
    const named = new Set<string>()
    for (const entry of Object.values(inexact).flat()) {
      const [config] = entry.split(' ')
      if (!entry.endsWith('*')) named.add(entry)
      else {
        for (const recorded of requests) {
          const outside = intended(recorded).mount === ''
          if (recorded.config === config && !outside) named.add(nameOf(recorded))
        }
      }
    }
    expect([...missed].sort()).toEqual([...named].sort())
  })

  it('that cannot be decided are left at the root with the whole path, and a warning', () => {
    const undecided = new Map([
      ['caddy-sub', 'CGI_MOUNT_STRIPPED'],
      ['lighttpd-sub', 'CGI_MOUNT_FOLLOWS_PATH'],
      ['proxyfcgi-proxypass-sub', 'CGI_MOUNT_WHOLE_PATH'],
      ['proxyfcgi-generic-sub', 'CGI_MOUNT_WHOLE_PATH'],
    ])
    for (const recorded of requests) {
      const code = undecided.get(recorded.config)
      if (code === undefined) continue
      const head = readRequestHead(paramsBlock(recorded), optionsFor(recorded))
      expect(head.warning?.code, nameOf(recorded)).toBe(code)
      expect(head.warning?.message).toContain('option mount')
      expect(head.mount).toBe('')
      expect(head.url).toBe(head.originalUrl)
    }
  })

  it('that cannot be decided are exact with the option mount', () => {
    for (const recorded of requests) {
      if (recorded.mount !== '/app') continue
      const head = readRequestHead(paramsBlock(recorded), {
        ...optionsFor(recorded),
        mount: '/app',
      })
      const want = intended(recorded)
      if (recorded.config.startsWith('caddy')) {
        want.originalUrl = param(recorded, 'REQUEST_URI')!
        if (want.mount !== '') want.url = want.originalUrl.slice(4) || '/'
        if (want.url.startsWith('?')) want.url = '/' + want.url
      }
      expect(mapped(head), nameOf(recorded)).toEqual(want)
      expect(head.warning).toBe(undefined)
    }
  })

  it('are refused only where node:http refuses them, or for a NUL', () => {
    const codes: Record<string, string> = {}
    for (const recorded of requests) {
      try {
        readRequestHead(paramsBlock(recorded), optionsFor(recorded))
      } catch (error) {
        codes[nameOf(recorded)] = error instanceof HeadError ? error.code : String(error)
      }
    }
    expect(codes).toEqual(refused)
  })

  it('of a misconfigured server warn, those of a plain one do not', () => {
    const codes: Record<string, Set<string>> = {}
    for (const recorded of requests) {
      if (Object.hasOwn(refused, nameOf(recorded))) continue
      const { warning } = readRequestHead(paramsBlock(recorded), optionsFor(recorded))
      if (warning) (codes[recorded.config] ??= new Set()).add(warning.code.slice(4))
    }
    const seen = Object.fromEntries(
      Object.entries(codes).map(([config, set]) => [config, [...set].sort().join()]),
    )
    expect(seen).toEqual({
      'caddy-sub': 'MOUNT_STRIPPED',
      'haproxy-keepconn': 'MOUNT_WHOLE_PATH',
      'haproxy-keepmpx': 'MOUNT_WHOLE_PATH',
      'haproxy-root': 'MOUNT_WHOLE_PATH',
      'haproxy-tls': 'MOUNT_WHOLE_PATH',
      'lighttpd-root': 'MOUNT_FOLLOWS_PATH',
      'lighttpd-sub': 'MOUNT_FOLLOWS_PATH',
      'nginx-keepconn': 'MOUNT_WHOLE_PATH',
      'nginx-nobuf': 'MOUNT_WHOLE_PATH',
      'nginx-root': 'MOUNT_WHOLE_PATH',
      'nginx-sub': 'MOUNT_COLLISION',
      'nginx-tls': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-enablereuse': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-generic': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-generic-sethandler': 'MOUNT_FOLLOWS_PATH,MOUNT_WHOLE_PATH',
      'proxyfcgi-generic-sub': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-nocanon': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-pathinfo-full': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-proxypass-sub': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-proxypass-tcp': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-proxypass-unix': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-proxypassmatch': 'MOUNT_WHOLE_PATH',
      'proxyfcgi-sethandler-loc': 'MOUNT_FOLLOWS_PATH,MOUNT_WHOLE_PATH',
      'proxyfcgi-tls': 'MOUNT_WHOLE_PATH',
    })
  })

  it('keep address, scheme and the headers the client sent', () => {
    for (const recorded of requests) {
      if (Object.hasOwn(refused, nameOf(recorded))) continue
      const head = readRequestHead(paramsBlock(recorded), optionsFor(recorded))
      expect(head.remoteAddress, nameOf(recorded)).toMatch(/^127\.0\.0\.1$/)
      expect(head.encrypted).toBe(
        recorded.config.endsWith('-tls') || param(recorded, 'HTTPS') === 'on',
      )
      expect(head.rawHeaders.length % 2).toBe(0)
      for (const name of Object.keys(head.headers)) {
        expect(name).toBe(name.toLowerCase())
        expect(['proxy', 'connection', 'upgrade', 'keep-alive', 'te']).not.toContain(name)
      }
      expect('content-length' in head.headers && 'transfer-encoding' in head.headers).toBe(false)
    }
  })

  it('with a body are never taken for requests without one', () => {
    for (const recorded of requests) {
      if (Object.hasOwn(refused, nameOf(recorded)) || recorded.role !== 1) continue
      const { body, contentLength } = readRequestHead(paramsBlock(recorded), optionsFor(recorded))
      // Chunked and undecided wait for what comes; a length must be right, and `none` true.
      const told = { length: contentLength, none: 0, chunked: undefined, undecided: undefined }[
        body
      ]
      expect(told ?? recorded.stdinLength, nameOf(recorded)).toBe(recorded.stdinLength)
    }
  })
})
