import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cgiParams } from './cgi-params.ts'
import { type HttpRequest, rulesOf, type Site } from './request-context.ts'
import type { WebServer } from './web-servers.ts'

/**
 * Requests and what Apache 2.4.71, nginx 1.22.1, lighttpd 1.4.69, HAProxy 2.6.12, Caddy 2.6.2 and h2o 2.2.5 made of them,
 * recorded. Left out: what is the same in each request or names the machine.
 */
interface Recording {
  as: WebServer
  mount: string
  case: string
  docroot: string
  script: string
  method: string
  target: string
  headers: [string, string][]
  bodyLength: number
  /** What the application got; absent: the server answered by itself with `status`. */
  params?: [string, string][]
  status?: number
}

const recordings = readFileSync(
  new URL('../../../../test/fixtures/server-requests.jsonl', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Recording)

const base: HttpRequest = {
  method: 'GET',
  target: '/',
  httpVersion: '1.1',
  rawHeaders: ['Host', 'localhost:8080'],
  bodyLength: -1,
  remoteAddress: '127.0.0.1',
  remotePort: 4000,
  localAddress: '127.0.0.1',
  localPort: 8080,
}

function bodyLength(recording: Recording): number | undefined {
  const field = (name: string): string | undefined =>
    recording.headers.find((pair) => pair[0].toLowerCase() === name)?.[1]
  if (field('content-length') !== undefined) return Number(field('content-length'))
  if (field('transfer-encoding') === undefined) return -1
  return rulesOf(siteOf(recording)).chunked === 'read first' ? recording.bodyLength : undefined
}

function siteOf(recording: Recording): Site {
  const { as, mount, script, docroot: documentRoot } = recording
  return { as, mount, script, documentRoot }
}

const COMPARED = new Set([
  'REQUEST_METHOD',
  'REQUEST_URI',
  'SCRIPT_NAME',
  'SCRIPT_FILENAME',
  'PATH_INFO',
  'QUERY_STRING',
  'CONTENT_TYPE',
  'CONTENT_LENGTH',
  'AUTH_TYPE',
  'REMOTE_USER',
  'DOCUMENT_URI',
  'REDIRECT_URI',
])

/** What of a request depends on it, in an order to compare. */
function telling(as: WebServer, params: readonly (readonly [string, string])[]): string[] {
  return params
    .filter(([name]) => {
      // ProxyPass: the address of the application is in it.
      if (name === 'SCRIPT_FILENAME') return as !== 'apache-mod_proxy_fcgi'
      if (/^HTTP_(?:HOST|CONNECTION|X_FORWARDED_\w+)$/.test(name)) return false
      return COMPARED.has(name) || name.startsWith('HTTP_')
    })
    .map((pair) => pair.join('='))
    .toSorted()
}

describe('cgiParams sends what a server was recorded to send', () => {
  const named = recordings.map((recording) => {
    return [`${recording.as} ${recording.mount || '/'}: ${recording.case}`, recording] as const
  })
  it.each(named)('%s', (_, recording) => {
    const { as, method, target, headers, params, status } = recording
    const rawHeaders = [...base.rawHeaders, ...headers.flat()]
    const made = cgiParams(
      { ...base, method, target, rawHeaders, bodyLength: bodyLength(recording) },
      siteOf(recording),
    )
    expect('status' in made ? made.status : telling(as, made)).toEqual(
      params === undefined ? status : telling(as, params),
    )
  })
})

describe('cgiParams without a named server', () => {
  const site: Site = {
    as: undefined,
    mount: '',
    script: '/srv/app/app.fcgi',
    documentRoot: '/srv/app',
  }
  const map = (request: Partial<HttpRequest>, at: Partial<Site> = {}): Record<string, string> => {
    const made = cgiParams({ ...base, ...request }, { ...site, ...at })
    if ('status' in made) throw new Error(`${made.status} ${made.reason}`)
    return Object.fromEntries(made)
  }

  it('names the script, and the machine as the client called it', () => {
    expect(map({ rawHeaders: ['Host', 'LOCALHOST:81'] })).toMatchObject({
      SCRIPT_FILENAME: '/srv/app/app.fcgi',
      DOCUMENT_ROOT: '/srv/app',
      SERVER_NAME: 'localhost',
      SERVER_PORT: '8080',
      HTTP_HOST: 'LOCALHOST:81',
      REQUEST_SCHEME: 'http',
    })
  })

  it.each([
    ['/a/../../x', 400],
    ['/%', 400],
    ['/%00', 400],
    ['*', 400],
  ])('refuses %s', (target, status) => {
    expect(cgiParams({ ...base, target }, site)).toMatchObject({ status })
  })

  it('takes a mount that is written with escapes', () => {
    expect(map({ target: '/my%20app/x' }, { mount: '/my%20app' })).toMatchObject({
      SCRIPT_NAME: '/my app',
      PATH_INFO: '/x',
    })
  })

  it('never takes a header for a variable', () => {
    const made = map({ rawHeaders: ['Script-Name', '/evil', 'Remote_User', 'root', 'HTTPS', 'on'] })
    expect([made['SCRIPT_NAME'], made['REMOTE_USER'], made['HTTPS']]).toEqual([
      '',
      undefined,
      undefined,
    ])
    expect(made['HTTP_SCRIPT_NAME']).toBe('/evil')
  })
})
