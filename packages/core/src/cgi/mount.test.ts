import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headOptions } from '../../../../test/support/head-options.ts'
import { propertyRuns } from '../../../../test/support/property.ts'
import { pairs } from '../../../../test/support/raw.ts'
import { normalizeMount, readRequestHead, type HeadOptions } from './request-head.ts'

type Params = Record<string, string>

function read(
  params: Params,
  options: Partial<HeadOptions> = {},
): ReturnType<typeof readRequestHead> {
  return readRequestHead(pairs({ REQUEST_METHOD: 'GET', ...params }), headOptions(options))
}

function mountAndUrl(params: Params, options: Partial<HeadOptions> = {}): [string, string] {
  const { mount, url } = read(params, options)
  return [mount, url]
}

/** What a path becomes in the params of a server: decoded, slashes merged, dots resolved. */
function served(path: string): string {
  const kept: string[] = []
  const decoded = decodeURIComponent(path)
  for (const segment of decoded.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const slash = kept.length > 0 && /(?:\/|\/\.|\/\.\.)$/.test(decoded) ? '/' : ''
  return '/' + kept.join('/') + slash
}

/** First segment and rest, as lighttpd and mod_proxy_fcgi's SetHandler cut it. */
function cutFirst(path: string): Params {
  const at = path.indexOf('/', 1)
  return at < 0
    ? { SCRIPT_NAME: path }
    : { SCRIPT_NAME: path.slice(0, at), PATH_INFO: path.slice(at) }
}

/** The part up to a script's name and the rest, as split patterns for file names cut it. */
function cutScript(path: string): Params {
  const match = /^(.+?\.fcgi)(\/.*)?$/.exec(path)
  return match
    ? { SCRIPT_NAME: match[1]!, PATH_INFO: match[2] ?? '' }
    : { SCRIPT_NAME: path, PATH_INFO: '' }
}

const own = '/srv/entry/app.fcgi'
const docroot = '/srv/entry'

/** How servers whose configuration puts the app at the root fill the params for a path. */
const rootServers: Record<string, (path: string) => Params> = {
  'mod_fcgid ScriptAlias /': (path) => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_NAME: '',
    PATH_INFO: served(path),
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: '/var/www/html',
    CONTEXT_PREFIX: '/',
    CONTEXT_DOCUMENT_ROOT: own + '/',
  }),
  'mod_fcgid rewrite': (path) => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_NAME: '/app.fcgi',
    PATH_INFO: served(path),
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: docroot,
    CONTEXT_PREFIX: '',
    CONTEXT_DOCUMENT_ROOT: docroot,
  }),
  'mod_fcgid FallbackResource': () => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_NAME: '/app.fcgi',
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: docroot,
    CONTEXT_PREFIX: '',
    CONTEXT_DOCUMENT_ROOT: docroot,
  }),
  'mod_proxy_fcgi ProxyPass': (path) => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_NAME: served(path),
    SCRIPT_FILENAME: 'proxy:fcgi://localhost' + served(path),
    DOCUMENT_ROOT: docroot,
    CONTEXT_PREFIX: '',
    CONTEXT_DOCUMENT_ROOT: docroot,
  }),
  'mod_proxy_fcgi ProxyPass to the script, GENERIC': (path) => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_NAME: served(path),
    SCRIPT_FILENAME: own + served(path),
    DOCUMENT_ROOT: docroot,
  }),
  'mod_proxy_fcgi ProxyPass to the script': (path) => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_NAME: served(path),
    SCRIPT_FILENAME: 'proxy:fcgi://localhost' + own + served(path),
    DOCUMENT_ROOT: docroot,
  }),
  'mod_proxy_fcgi SetHandler in Location': (path) => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    ...cutFirst(served(path)),
    SCRIPT_FILENAME:
      'proxy:fcgi://localhost//var/www' + (cutFirst(served(path))['SCRIPT_NAME'] ?? ''),
    DOCUMENT_ROOT: '/var/www',
  }),
  'mod_proxy_fcgi SetHandler with a fixed SCRIPT_FILENAME': (path) => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    ...cutFirst(served(path)),
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: '/var/www',
  }),
  'nginx fastcgi_params': (path) => ({
    SERVER_SOFTWARE: 'nginx/1.22.1',
    SCRIPT_NAME: served(path),
    DOCUMENT_ROOT: docroot,
  }),
  'nginx fastcgi.conf': (path) => ({
    SERVER_SOFTWARE: 'nginx/1.22.1',
    SCRIPT_NAME: served(path),
    SCRIPT_FILENAME: '/var/www' + served(path),
    DOCUMENT_ROOT: '/var/www',
  }),
  'nginx with a fixed SCRIPT_FILENAME': (path) => ({
    SERVER_SOFTWARE: 'nginx/1.22.1',
    SCRIPT_NAME: served(path),
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: '/var/www',
  }),
  'nginx with PATH_INFO': (path) => ({
    SERVER_SOFTWARE: 'nginx/1.22.1',
    SCRIPT_NAME: '',
    PATH_INFO: served(path),
    DOCUMENT_ROOT: docroot,
  }),
  'lighttpd with fix-root-scriptname': (path) => ({
    SERVER_SOFTWARE: 'lighttpd/1.4.69',
    SCRIPT_NAME: '',
    PATH_INFO: served(path),
    SCRIPT_FILENAME: '/var/www' + served(path),
    DOCUMENT_ROOT: '/var/www',
  }),
  'lighttpd without fix-root-scriptname': (path) => ({
    SERVER_SOFTWARE: 'lighttpd/1.4.69',
    ...cutFirst(served(path)),
    SCRIPT_FILENAME: '/var/www' + (cutFirst(served(path))['SCRIPT_NAME'] ?? ''),
    DOCUMENT_ROOT: '/var/www',
  }),
  'lighttpd rewrite': (path) => ({
    SERVER_SOFTWARE: 'lighttpd/1.4.69',
    SCRIPT_NAME: '/app.fcgi',
    PATH_INFO: served(path),
    SCRIPT_FILENAME: '/var/www/app.fcgi',
    DOCUMENT_ROOT: '/var/www',
  }),
  'HAProxy docroot': (path) => ({
    SERVER_SOFTWARE: 'HAProxy 2.6.12',
    SCRIPT_NAME: decodeURIComponent(path),
    SCRIPT_FILENAME: docroot + decodeURIComponent(path),
    DOCUMENT_ROOT: docroot,
  }),
  'HAProxy path-info for the whole path': (path) => ({
    SERVER_SOFTWARE: 'HAProxy 2.6.12',
    PATH_INFO: decodeURIComponent(path),
    SCRIPT_FILENAME: docroot,
    DOCUMENT_ROOT: docroot,
  }),
  'Caddy reverse_proxy': (path) => ({
    SERVER_SOFTWARE: 'Caddy/2.6.2',
    SCRIPT_NAME: '',
    PATH_INFO: decodeURIComponent(path),
    SCRIPT_FILENAME: docroot,
    DOCUMENT_ROOT: docroot,
  }),
  'Caddy split and rewrite': (path) => ({
    SERVER_SOFTWARE: 'Caddy/2.6.2',
    SCRIPT_NAME: '/app.fcgi',
    PATH_INFO: decodeURIComponent(path),
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: docroot,
  }),
  'Caddy php_fastcgi': () => ({
    SERVER_SOFTWARE: 'Caddy/2.6.2',
    SCRIPT_NAME: '/app.fcgi',
    PATH_INFO: '',
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: docroot,
  }),
  'h2o fastcgi.connect': (path) => ({
    SERVER_SOFTWARE: 'h2o/2.2.5',
    SCRIPT_NAME: '',
    PATH_INFO: decodeURIComponent(path),
  }),
}

/** Cuts the client's path before a script's name, wherever that stands: no mount may come of it. */
const splittingServers: Record<string, (path: string) => Params> = {
  'nginx split pattern': (path) => ({
    SERVER_SOFTWARE: 'nginx/1.22.1',
    ...cutScript(served(path)),
    SCRIPT_FILENAME: '/var/www' + (cutScript(served(path))['SCRIPT_NAME'] ?? ''),
    DOCUMENT_ROOT: '/var/www',
  }),
  'nginx split pattern with a fixed SCRIPT_FILENAME': (path) => ({
    SERVER_SOFTWARE: 'nginx/1.22.1',
    ...cutScript(served(path)),
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: '/var/www',
  }),
  'HAProxy path-info for file names': (path) => ({
    SERVER_SOFTWARE: 'HAProxy 2.6.12',
    ...cutScript(decodeURIComponent(path)),
    SCRIPT_FILENAME: '/var/www' + (cutScript(decodeURIComponent(path))['SCRIPT_NAME'] ?? ''),
    DOCUMENT_ROOT: '/var/www',
  }),
  'Caddy split': (path) => ({
    SERVER_SOFTWARE: 'Caddy/2.6.2',
    ...cutScript(decodeURIComponent(path)),
    SCRIPT_FILENAME: '/var/www' + (cutScript(decodeURIComponent(path))['SCRIPT_NAME'] ?? ''),
    DOCUMENT_ROOT: '/var/www',
  }),
  'a server that does not say its name': (path) => cutScript(served(path)),
}

const evil = [
  '/evil/app.fcgi',
  '/evil/app.fcgi/x',
  '/hello/',
  '/hello',
  '/hello/x',
  '//evil/app.fcgi/x',
  '/evil/../evil/app.fcgi',
  '/evil/%2e%2e/evil/app.fcgi/x',
  '/app.fcgi.evil/x',
  '/srv/entry/app.fcgi',
  '/srv/entry/app.fcgi/x',
  '/x/../srv/entry/app.fcgi',
  '/a/./b',
  '/%61pp/x',
]

describe('a root mount', () => {
  for (const [name, params] of Object.entries(rootServers)) {
    it(`stays at the root whatever a client asks for: ${name}`, () => {
      for (const path of evil) {
        const head = read({ REQUEST_URI: path + '?q=1', ...params(path) })
        expect([path, head.mount, head.url]).toEqual([path, '', path + '?q=1'])
      }
    })
  }

  for (const [name, params] of Object.entries(splittingServers)) {
    it(`stays at the root when a pattern cuts at file names: ${name}`, () => {
      for (const path of evil.filter((path) => /\/app\.fcgi(?:\/|$)/.test(path))) {
        const head = read({ REQUEST_URI: path, ...params(path) })
        expect([path, head.mount, head.url]).toEqual([path, '', path])
      }
    })
  }

  it('stays at the root for any path a client can think of', () => {
    const segment = fc.constantFrom(
      'app.fcgi',
      'app',
      'evil',
      'hello',
      '.',
      '..',
      '',
      '%2e%2e',
      '%61',
      'srv',
      'entry',
      'a.b',
      '%2F',
      'index.fcgi',
    )
    const path = fc
      .array(segment, { minLength: 1, maxLength: 6 })
      .map((parts) => '/' + parts.join('/'))
    fc.assert(
      fc.property(path, fc.constantFrom(...Object.values(rootServers)), (path, params) => {
        const told = params(path)
        const head = read({ REQUEST_URI: path, ...told })
        // The script's own address is the one mount that a rewrite recipe cannot hide: it answers 404 there.
        if (served(path).startsWith('/app.fcgi')) return
        expect(head.mount).toBe('')
        expect(head.url).toBe(path)
      }),
      propertyRuns(2000),
    )
  })

  it('is not moved by any header a client sends', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Z_]{1,20}$/),
        fc.stringMatching(/^[ -~]{0,20}$/),
        (name, value) => {
          const head = read({
            REQUEST_URI: '/hello',
            SCRIPT_NAME: '',
            PATH_INFO: '/hello',
            SERVER_SOFTWARE: 'nginx/1.22.1',
            REMOTE_ADDR: '127.0.0.1',
            ['HTTP_' + name]: value,
          })
          const { mount, url, remoteAddress, remotePort, localAddress, localPort, encrypted } = head
          expect([
            mount,
            url,
            remoteAddress,
            remotePort,
            localAddress,
            localPort,
            encrypted,
          ]).toEqual(['', '/hello', '127.0.0.1', undefined, undefined, undefined, false])
        },
      ),
      propertyRuns(1000),
    )
  })
})

describe('a mount below a path', () => {
  /** The path behind `/app` as the server sees it, undefined when it is elsewhere and the app is not asked. */
  function behind(path: string): string | undefined {
    const seen = served(path)
    if (seen === '/app') return ''
    return seen.startsWith('/app/') ? seen.slice(4) : undefined
  }
  const servers: Record<string, (rest: string) => Params> = {
    ScriptAlias: (rest) => ({
      SERVER_SOFTWARE: 'Apache/2.4.71',
      SCRIPT_NAME: '/app',
      ...(rest === '' ? {} : { PATH_INFO: rest }),
      SCRIPT_FILENAME: own,
      DOCUMENT_ROOT: '/var/www',
      CONTEXT_PREFIX: '/app',
      CONTEXT_DOCUMENT_ROOT: own,
    }),
    fastcgi_split_path_info: (rest) => ({
      SERVER_SOFTWARE: 'nginx/1.22.1',
      SCRIPT_NAME: '/app',
      PATH_INFO: rest,
      DOCUMENT_ROOT: '/var/www',
    }),
  }

  it('is the same for any path a client can think of', () => {
    const segment = fc.constantFrom(
      'app',
      '%61pp',
      'app.fcgi',
      'application',
      'evil',
      '.',
      '..',
      '',
      '%2e%2e',
      '%2E',
      'x',
    )
    const path = fc
      .array(segment, { minLength: 1, maxLength: 6 })
      .map((parts) => '/' + parts.join('/'))
    fc.assert(
      fc.property(path, fc.constantFrom(...Object.values(servers)), (path, params) => {
        const rest = behind(path)
        if (rest === undefined) return
        const { mount, url } = read({ REQUEST_URI: path, ...params(rest) })
        expect(mount).toBe('/app')
        // What the app sees means the same as what the server saw.
        expect(served(url)).toBe(rest === '' ? '/' : rest)
        expect(path.endsWith(url) || url === '/').toBe(true)
      }),
      propertyRuns(3000),
    )
  })
})

describe('own script', () => {
  const alias = {
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_NAME: '/app',
    SCRIPT_FILENAME: own,
    DOCUMENT_ROOT: '/var/www',
    CONTEXT_PREFIX: '/app',
    CONTEXT_DOCUMENT_ROOT: own,
  }

  it('mounts at the address of a ScriptAlias', () => {
    expect(mountAndUrl({ ...alias, REQUEST_URI: '/app' })).toEqual(['/app', '/'])
    expect(mountAndUrl({ ...alias, REQUEST_URI: '/app?a=1' })).toEqual(['/app', '/?a=1'])
    expect(mountAndUrl({ ...alias, REQUEST_URI: '/app/x%2Fy', PATH_INFO: '/x/y' })).toEqual([
      '/app',
      '/x%2Fy',
    ])
  })

  it('mounts there also when the alias is written with slashes at the end', () => {
    const slashes = { ...alias, CONTEXT_PREFIX: '/app/', CONTEXT_DOCUMENT_ROOT: own + '/' }
    expect(mountAndUrl({ ...slashes, REQUEST_URI: '/app/x', PATH_INFO: '/x' })).toEqual([
      '/app',
      '/x',
    ])
  })

  it('mounts there although the client wrote the path in another form', () => {
    const x = { ...alias, PATH_INFO: '/x' }
    expect(mountAndUrl({ ...x, REQUEST_URI: '/%61pp/x' })).toEqual(['/app', '/x'])
    expect(mountAndUrl({ ...x, REQUEST_URI: '//app//x' })).toEqual(['/app', '//x'])
    expect(mountAndUrl({ ...x, REQUEST_URI: '/y/../app/x' })).toEqual(['/app', '/x'])
    expect(mountAndUrl({ ...x, REQUEST_URI: '/app/../app/./x' })).toEqual(['/app', '/./x'])
    expect(mountAndUrl({ ...x, REQUEST_URI: '/app/y/../x' })).toEqual(['/app', '/y/../x'])
  })

  it('mounts at a wrapped script by its alias, whatever file runs', () => {
    const wrapped = {
      ...alias,
      SCRIPT_FILENAME: '/srv/w/app.js',
      CONTEXT_DOCUMENT_ROOT: '/srv/w/app.js',
    }
    expect(mountAndUrl({ ...wrapped, REQUEST_URI: '/app/x', PATH_INFO: '/x' })).toEqual([
      '/app',
      '/x',
    ])
  })

  const inDocroot = {
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_NAME: '/sub/app.fcgi',
    SCRIPT_FILENAME: '/srv/www/sub/app.fcgi',
    DOCUMENT_ROOT: '/srv/www',
  }
  const script = '/srv/www/sub/app.fcgi'

  it('mounts at its directory where a rewrite hides its name', () => {
    expect(
      mountAndUrl({ ...inDocroot, REQUEST_URI: '/sub/x', PATH_INFO: '/x' }, { script }),
    ).toEqual(['/sub', '/x'])
    expect(mountAndUrl({ ...inDocroot, REQUEST_URI: '/sub/', PATH_INFO: '/' }, { script })).toEqual(
      ['/sub', '/'],
    )
  })

  it('mounts at its name where the URL has it', () => {
    expect(
      mountAndUrl({ ...inDocroot, REQUEST_URI: '/sub/app.fcgi/x', PATH_INFO: '/x' }, { script }),
    ).toEqual(['/sub/app.fcgi', '/x'])
  })

  it('is found through links, and the file system is asked only for its own name', () => {
    const asked: string[] = []
    const resolve = (path: string): string => {
      asked.push(path)
      return path === '/home/u/www/sub/app.fcgi' ? '/data/u/app.mjs' : path
    }
    const linked = {
      ...inDocroot,
      SCRIPT_FILENAME: '/home/u/www/sub/app.fcgi',
      DOCUMENT_ROOT: '/home/u/www',
    }
    const options = { script: '/data/u/app.mjs', scriptAliases: ['/srv/start/app.fcgi'], resolve }
    const { mount } = read({ ...linked, REQUEST_URI: '/sub/x', PATH_INFO: '/x' }, options)
    expect(mount).toBe('/sub')
    read(
      {
        ...linked,
        SCRIPT_NAME: '/other.php',
        SCRIPT_FILENAME: '/home/u/www/other.php',
        REQUEST_URI: '/o',
      },
      options,
    )
    expect(asked).toEqual(['/home/u/www/sub/app.fcgi'])
  })

  it('counts only at the address its file has', () => {
    const fixed = { SERVER_SOFTWARE: 'nginx/1.22.1', SCRIPT_FILENAME: own, DOCUMENT_ROOT: docroot }
    for (const path of ['/evil/app.fcgi', '/hello', '/srv/entry/app.fcgi']) {
      expect(mountAndUrl({ ...fixed, SCRIPT_NAME: path, REQUEST_URI: path })).toEqual(['', path])
    }
  })

  it('is nothing when the script is not known', () => {
    expect(
      mountAndUrl({ ...inDocroot, REQUEST_URI: '/sub/x', PATH_INFO: '/x' }, { script: '' }),
    ).toEqual(['', '/sub/x'])
    const { warning } = read(
      { ...inDocroot, REQUEST_URI: '/sub/x', PATH_INFO: '/x' },
      { script: '' },
    )
    expect(warning?.code).toBe('CGI_MOUNT_OTHER_SCRIPT')
  })
})

describe('prefix', () => {
  const nginx = { SERVER_SOFTWARE: 'nginx/1.22.1', SCRIPT_NAME: '/app' }

  it('mounts at SCRIPT_NAME when PATH_INFO is there', () => {
    expect(mountAndUrl({ ...nginx, REQUEST_URI: '/app/x?y', PATH_INFO: '/x' })).toEqual([
      '/app',
      '/x?y',
    ])
    expect(mountAndUrl({ ...nginx, REQUEST_URI: '/app', PATH_INFO: '' })).toEqual(['/app', '/'])
    expect(mountAndUrl({ ...nginx, REQUEST_URI: '/app/', PATH_INFO: '/' })).toEqual(['/app', '/'])
  })

  it('mounts at several segments, and under HAProxy', () => {
    const haproxy = { SERVER_SOFTWARE: 'HAProxy 2.6.12', SCRIPT_NAME: '/a/b' }
    expect(mountAndUrl({ ...haproxy, REQUEST_URI: '/a/b/c', PATH_INFO: '/c' })).toEqual([
      '/a/b',
      '/c',
    ])
    expect(mountAndUrl({ ...haproxy, REQUEST_URI: '/a/b/../c', PATH_INFO: '/../c' })).toEqual([
      '/a/b',
      '/../c',
    ])
  })

  // Known limit: nginx sends the same for the mount itself and for a path its split pattern did not match. A client who
  // finds such a pattern gets nothing by it but the page at `/`.
  it('takes an empty PATH_INFO for the mount itself', () => {
    expect(
      mountAndUrl({ ...nginx, SCRIPT_NAME: '/hello', REQUEST_URI: '/hello', PATH_INFO: '' }),
    ).toEqual(['/hello', '/'])
    expect(
      mountAndUrl({ ...nginx, SCRIPT_NAME: '/hello/', REQUEST_URI: '/hello/', PATH_INFO: '' }),
    ).toEqual(['', '/hello/'])
  })

  it('puts a slash on the right side', () => {
    expect(
      mountAndUrl({ ...nginx, SCRIPT_NAME: '/app/', REQUEST_URI: '/app/x', PATH_INFO: 'x' }),
    ).toEqual(['/app', '/x'])
  })

  it('does not mount within a segment', () => {
    const head = read({ ...nginx, REQUEST_URI: '/application/x', PATH_INFO: 'lication/x' })
    expect([head.mount, head.url, head.warning?.code]).toEqual([
      '',
      '/application/x',
      'CGI_MOUNT_COLLISION',
    ])
  })

  it('does not mount where a line break defeated the pattern', () => {
    const head = read({
      ...nginx,
      SCRIPT_NAME: '/app/x\ny',
      REQUEST_URI: '/app/x%0Ay',
      PATH_INFO: '',
    })
    expect([head.mount, head.url]).toEqual(['', '/app/x%0Ay'])
  })

  it('does not mount at a SCRIPT_NAME that is no path, nor where PATH_INFO is the whole path', () => {
    expect(mountAndUrl({ SCRIPT_NAME: 'app', REQUEST_URI: '/app/x', PATH_INFO: '/x' })).toEqual([
      '',
      '/app/x',
    ])
    // Everything is rewritten to /app: then /app/x is a path like any other.
    expect(
      mountAndUrl({ SCRIPT_NAME: '/app', REQUEST_URI: '/app/x', PATH_INFO: '/app/x' }),
    ).toEqual(['', '/app/x'])
  })

  it('does not mount where SCRIPT_NAME came from the client unchecked', () => {
    const haproxy = { SERVER_SOFTWARE: 'HAProxy 2.6.12' }
    for (const name of ['/a/../b', '//b', '/b//c', '/./b', '/b/..']) {
      expect(
        mountAndUrl({ ...haproxy, SCRIPT_NAME: name, REQUEST_URI: name + '/x', PATH_INFO: '/x' }),
      ).toEqual(['', name + '/x'])
    }
  })

  it('writes the mount as it stands in a URL', () => {
    const head = read({
      ...nginx,
      SCRIPT_NAME: '/my app\xfc',
      REQUEST_URI: '/my%20app%FC/x',
      PATH_INFO: '/x',
    })
    expect([head.mount, head.url]).toEqual(['/my%20app%FC', '/x'])
  })
})

describe('a script behind another address', () => {
  const proxied = (scriptFilename: string, scriptName: string, path = scriptName): Params => ({
    SERVER_SOFTWARE: 'Apache/2.4.71',
    SCRIPT_FILENAME: scriptFilename,
    SCRIPT_NAME: scriptName,
    REQUEST_URI: path,
    DOCUMENT_ROOT: '/var/www',
  })

  it('ProxyPassMatch ^/app(/.*)?$ to the script: what follows the script follows the mount', () => {
    const of = (rest: string, path?: string): [string, string] =>
      mountAndUrl(proxied(`proxy:fcgi://localhost${own}${rest}`, `/app${rest}`, path))
    expect(of('/x')).toEqual(['/app', '/x'])
    expect(of('/')).toEqual(['/app', '/'])
    expect(of('/b', '/a/../app//b')).toEqual(['/app', '//b'])
  })

  it('is no mount where the client has written the path of the script', () => {
    for (const path of [own + '/x', '/entry/app.fcgi/x', '/app.fcgi/x']) {
      const file = own + path.slice(path.indexOf('.fcgi') + 5)
      const head = read(proxied('proxy:fcgi://localhost' + file, path))
      expect([head.mount, head.url], path).toEqual(['', path])
      expect(head.warning?.code).toBe('CGI_MOUNT_WHOLE_PATH')
    }
  })

  it('alias.url to the script: lighttpd names the alias as its root', () => {
    const params = {
      SERVER_SOFTWARE: 'lighttpd/1.4.69',
      SCRIPT_NAME: '/app',
      SCRIPT_FILENAME: '/srv/other.fcgi',
      DOCUMENT_ROOT: '/srv/other.fcgi',
    }
    expect(mountAndUrl({ ...params, PATH_INFO: '/x', REQUEST_URI: '/app/x' })).toEqual([
      '/app',
      '/x',
    ])
    expect(mountAndUrl({ ...params, REQUEST_URI: '/app' })).toEqual(['/app', '/'])
  })

  it('env SCRIPT_NAME of Caddy counts, whatever is in PATH_INFO', () => {
    const params = {
      SERVER_SOFTWARE: 'Caddy/2.6.2',
      SCRIPT_NAME: '/app',
      PATH_INFO: '',
      SCRIPT_FILENAME: '/var/www/app.fcgi',
      DOCUMENT_ROOT: '/var/www',
    }
    expect(mountAndUrl({ ...params, REQUEST_URI: '/app/x' })).toEqual(['/app', '/x'])
    expect(mountAndUrl({ ...params, REQUEST_URI: '/app' })).toEqual(['/app', '/'])
    // What Caddy makes of a path it does not rewrite.
    expect(
      mountAndUrl({ ...params, SCRIPT_FILENAME: '/var/www/app', REQUEST_URI: '/app' }),
    ).toEqual(['', '/app'])
  })
})

describe('option mount', () => {
  it('overrides what the server says', () => {
    const params = {
      SERVER_SOFTWARE: 'lighttpd/1.4.69',
      SCRIPT_NAME: '/app',
      PATH_INFO: '/x',
      REQUEST_URI: '/app/x',
    }
    expect(mountAndUrl(params, { mount: '/app' })).toEqual(['/app', '/x'])
    expect(mountAndUrl(params, { mount: '' })).toEqual(['', '/app/x'])
    expect(read(params, { mount: '' }).warning).toBe(undefined)
  })

  it('leaves paths outside alone', () => {
    expect(mountAndUrl({ REQUEST_URI: '/application' }, { mount: '/app' })).toEqual([
      '',
      '/application',
    ])
    expect(mountAndUrl({ REQUEST_URI: '/app' }, { mount: '/app' })).toEqual(['/app', '/'])
    expect(mountAndUrl({ REQUEST_URI: '/app/../x' }, { mount: '/app' })).toEqual(['', '/app/../x'])
    expect(mountAndUrl({ REQUEST_URI: '/y/../app/x' }, { mount: '/app' })).toEqual(['/app', '/x'])
  })

  it('is brought into form', () => {
    expect(normalizeMount('')).toBe('')
    expect(normalizeMount('/')).toBe('')
    expect(normalizeMount('app/')).toBe('/app')
    expect(normalizeMount('/a%20b/ü')).toBe('/a b/\xc3\xbc')
    for (const wrong of ['/a?b', '/a#b', '/a b', '/a\n'])
      expect(() => normalizeMount(wrong)).toThrow(TypeError)
  })
})

describe('a warning', () => {
  const cases: Record<string, [Params, string, string]> = {
    nginx: [
      { SERVER_SOFTWARE: 'nginx/1.22.1', SCRIPT_NAME: '/x' },
      'WHOLE_PATH',
      'fastcgi_param PATH_INFO $fastcgi_script_name',
    ],
    mod_proxy_fcgi: [
      { SERVER_SOFTWARE: 'Apache/2.4', SCRIPT_NAME: '/x' },
      'WHOLE_PATH',
      'ProxyFCGISetEnvIf "true" PATH_INFO',
    ],
    HAProxy: [
      { SERVER_SOFTWARE: 'HAProxy 2.6', SCRIPT_NAME: '/x' },
      'WHOLE_PATH',
      'path-info ^()(/.*)$',
    ],
    lighttpd: [
      { SERVER_SOFTWARE: 'lighttpd/1.4', SCRIPT_NAME: '/x', PATH_INFO: '/y', REQUEST_URI: '/x/y' },
      'FOLLOWS_PATH',
      '"fix-root-scriptname" => "enable"',
    ],
    'lighttpd at its root': [
      { SERVER_SOFTWARE: 'lighttpd/1.4', SCRIPT_NAME: '/', REQUEST_URI: '/' },
      'FOLLOWS_PATH',
      '"fix-root-scriptname" => "enable"',
    ],
    Caddy: [
      { SERVER_SOFTWARE: 'Caddy/2.6', SCRIPT_NAME: '', PATH_INFO: '/x', REQUEST_URI: '/app/x' },
      'STRIPPED',
      'handle_path',
    ],
    'Caddy that splits what it does not rewrite': [
      {
        ...{ SERVER_SOFTWARE: 'Caddy/2.6', SCRIPT_NAME: '/x', PATH_INFO: '' },
        ...{ SCRIPT_FILENAME: '/var/www/x', DOCUMENT_ROOT: '/var/www' },
      },
      'WHOLE_PATH',
      'rewrite * /app.fcgi{path}',
    ],
    'nginx that strips': [
      { SERVER_SOFTWARE: 'nginx/1', SCRIPT_NAME: '', PATH_INFO: '/x', REQUEST_URI: '/app/x' },
      'STRIPPED',
      'fastcgi_param FASTCGI_MOUNT /app;',
    ],
    'Apache that strips': [
      {
        ...{ SERVER_SOFTWARE: 'Apache/2.4', SCRIPT_NAME: '/app.fcgi', PATH_INFO: '/x' },
        ...{ SCRIPT_FILENAME: own, DOCUMENT_ROOT: docroot, REQUEST_URI: '/app/x' },
      },
      'STRIPPED',
      'SetEnv FASTCGI_MOUNT /app',
    ],
    'lighttpd that strips': [
      {
        ...{ SERVER_SOFTWARE: 'lighttpd/1.4', SCRIPT_NAME: '/app.fcgi', PATH_INFO: '/x' },
        ...{ SCRIPT_FILENAME: '/var/www/app.fcgi', REQUEST_URI: '/app/x' },
      },
      'STRIPPED',
      'setenv.add-environment',
    ],
    'nginx with the whole path in PATH_INFO': [
      {
        ...{ SERVER_SOFTWARE: 'nginx/1', SCRIPT_NAME: '/app', PATH_INFO: '/app/x' },
        REQUEST_URI: '/app/x',
      },
      'TWICE',
      'fastcgi_param PATH_INFO $fastcgi_path_info;',
    ],
    'a split pattern': [
      {
        SERVER_SOFTWARE: 'nginx/1',
        SCRIPT_NAME: '/x.fcgi',
        PATH_INFO: '/y',
        REQUEST_URI: '/x.fcgi/y',
      },
      'FILE_NAME',
      'fastcgi_split_path_info',
    ],
  }
  for (const [name, [params, code, words]] of Object.entries(cases)) {
    it(`names the line to change and the option: ${name}`, () => {
      const { warning } = read({ REQUEST_URI: '/x', ...params })
      expect(warning?.code).toBe('CGI_MOUNT_' + code)
      expect(warning?.message).toContain(words)
      expect(warning?.message).toContain('option mount')
      // The same object each time: nothing is built for a request that is not going to be logged.
      expect(read({ REQUEST_URI: '/x', ...params }).warning).toBe(warning)
    })
  }

  it('is not caused by an odd path under a good configuration', () => {
    const good = { SERVER_SOFTWARE: 'Caddy/2.6', SCRIPT_NAME: '' }
    expect(read({ ...good, REQUEST_URI: '/a/../b', PATH_INFO: '/a/../b' }).warning).toBe(undefined)
    expect(read({ ...good, REQUEST_URI: '/a%2Fb', PATH_INFO: '/a/b' }).warning).toBe(undefined)
    const nginx = { SERVER_SOFTWARE: 'nginx/1', SCRIPT_NAME: '' }
    expect(read({ ...nginx, REQUEST_URI: '/a/../b', PATH_INFO: '/b' }).warning).toBe(undefined)
  })
})
