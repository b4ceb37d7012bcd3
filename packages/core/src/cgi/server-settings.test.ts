// Settings of web servers beyond those of server-params: what people write (Flask's and Django's old recipes among it)
// and what they get wrong. Recorded from
// the same servers (test/fixtures/server-settings.jsonl, a setting a line with its configuration; of the params those
// that the mount is decided from). Each request is mapped exactly, or left at the root with its whole path; where the
// configuration is the reason, with a warning that says what to change.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { headOptions } from '../../../../test/support/head-options.ts'
import { pair } from '../../../../test/support/raw.ts'
import { decodePath, normalizePath } from './target.ts'
import { readRequestHead, type RequestHead } from './request-head.ts'

interface Setting {
  readonly config: string
  /** Where the configuration puts the app. */
  readonly mount: string
  /** The entry script, where the server's configuration names one. */
  readonly script?: string
  readonly always: readonly (readonly [string, string])[]
  readonly requests: readonly (readonly [
    target: string,
    params: readonly (readonly [string, string])[],
  ])[]
}

const settings = readFileSync(
  new URL('../../../../test/fixtures/server-settings.jsonl', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Setting)

function read({ script, always }: Setting, params: Setting['always']): RequestHead {
  const block = Buffer.concat([...always, ...params].map(([name, value]) => pair(name, value)))
  return readRequestHead(
    block,
    headOptions({ script: script ?? '/srv/other/entry.fcgi', resolve: (file) => file }),
  )
}

/** What the client asked for, under the mount that the configuration means. */
function intended({ mount }: Setting, target: string): { mount: string; url: string } {
  const [path = ''] = target.split('?')
  const seen = normalizePath(decodePath(path))
  if (mount === '' || !(seen === mount || seen.startsWith(mount + '/'))) {
    return { mount: '', url: target }
  }
  const name = /\/(?:a|%61)pp(?:\.fcgi)?(?=\/|\?|$)/g
  let end = 0
  // The last that dot segments leave standing.
  for (const match of target.matchAll(name)) {
    if (normalizePath(decodePath(target.slice(0, match.index + match[0].length))) === mount) {
      end = match.index + match[0].length
    }
  }
  const rest = target.slice(end)
  return { mount, url: rest.startsWith('/') ? rest : '/' + rest }
}

/** The URL has the script's name where the server's mapping leads to it: CGI's own way of addressing a script. */
function namesScript({ script }: Setting, { mount }: RequestHead): boolean {
  return script !== undefined && mount.endsWith(script.slice(script.lastIndexOf('/')))
}

/** Configurations that say in so many words that what a client writes first is the mount. */
const byTheirWord = new Set([
  'nginx-first-segment',
  'haproxy-first-segment',
  'haproxy-mount-optional',
])

/** REQUEST_URI itself was rewritten: what the client asked for has not come. */
const rewritten = new Set(['haproxy-replace-path', 'haproxy-set-param', 'haproxy-set-path-script'])

describe('settings of web servers', () => {
  it('are those of every server', () => {
    const servers = settings.map(({ config }) => config.slice(0, config.indexOf('-')))
    expect(servers.length).toBe(95)
    expect([...new Set(servers)]).toEqual([
      'apache',
      'caddy',
      'h2o',
      'haproxy',
      'lighttpd',
      'nginx',
    ])
  })

  it.each(settings.filter(({ config }) => !byTheirWord.has(config) && !rewritten.has(config)))(
    '$config: no client chooses its mount',
    (setting) => {
      for (const [target, params] of setting.requests) {
        const head = read(setting, params)
        const { mount, url, originalUrl } = head
        if (namesScript(setting, head)) {
          expect(originalUrl).toContain('app.fcgi')
          continue
        }
        if (mount === '') expect(url, target).toBe(originalUrl)
        else expect({ mount, url }, target).toEqual(intended(setting, target))
      }
    },
  )

  // Exact of recorded, and the codes of warnings. What is neither exact nor warned of looks to the app as a whole site
  // does (h2o, handle in Caddy, replace-path in HAProxy), or is a URL that names the script.
  it('are mapped exactly, or the log says why not', () => {
    const table: Record<string, string> = {}
    for (const setting of settings) {
      let exact = 0
      const codes = new Set<string>()
      for (const [target, params] of setting.requests) {
        const head =
          rewritten.has(setting.config) && /\?/.test(target) ? undefined : read(setting, params)
        if (head === undefined) continue
        const { mount, url } = intended(setting, target)
        if (head.mount === mount && head.url === url) exact += 1
        if (head.warning !== undefined) codes.add(head.warning.code.replace('CGI_MOUNT_', ''))
      }
      table[setting.config] = [
        `${exact}/${setting.requests.length}`,
        ...[...codes].toSorted(),
      ].join(' ')
    }
    expect(table).toEqual({
      'nginx-flask-sub': '16/16 COLLISION',
      'nginx-flask-root': '17/17',
      'nginx-flask-old': '12/12',
      'lighttpd-django': '17/17',
      'apache-django': '13/14',
      'apache-action': '0/12',
      'apache-action-type': '0/2',
      'apache-dir-rewrite-sub': '10/11 FOLLOWS_PATH',
      'apache-directory-index': '1/3',
      'apache-docroot-script': '1/1',
      'apache-error-document': '14/16',
      'apache-fallback-sub': '11/12 FOLLOWS_PATH',
      'apache-proxy-balancer': '16/16 WHOLE_PATH',
      'apache-proxy-generic': '0/13 WHOLE_PATH',
      'apache-proxy-match': '9/10 WHOLE_PATH',
      'apache-proxy-pathinfo': '16/16 FOLLOWS_PATH WHOLE_PATH',
      'apache-proxy-rewrite-p': '15/15 WHOLE_PATH',
      'apache-proxy-script-path': '16/16 WHOLE_PATH',
      'apache-proxy-setenv': '13/13',
      'apache-proxy-setenvif': '0/13 FOLLOWS_PATH WHOLE_PATH',
      'apache-proxy-sethandler-files': '13/15',
      'apache-proxy-sethandler-location': '0/13 FOLLOWS_PATH WHOLE_PATH',
      'apache-rewrite-file': '0/13 FOLLOWS_PATH WHOLE_PATH',
      'apache-rewrite-handler': '15/15',
      'apache-rewrite-pt': '0/13 STRIPPED',
      'apache-scriptalias-folder': '0/1',
      'apache-scriptaliasmatch': '0/14 FOLLOWS_PATH WHOLE_PATH',
      'apache-scriptaliasmatch-root': '16/16',
      'apache-wsgi-style-rewrite': '13/14',
      'caddy-handle-keep': '2/16',
      'caddy-handle-path-env': '16/16 ELSEWHERE',
      'caddy-handle-path-script': '12/12',
      'caddy-php-fastcgi-sub': '14/14 COLLISION',
      'caddy-php-fastcgi-try': '14/16',
      'caddy-rewrite-path': '17/17',
      'caddy-rewrite-query': '16/17',
      'caddy-root-only': '17/17',
      'caddy-split-no-rewrite': '15/17 COLLISION FILE_NAME WHOLE_PATH',
      'caddy-strip-split': '2/16',
      'caddy-try-files': '4/6 FILE_NAME',
      'h2o-app-slash': '0/11',
      'h2o-declared': '13/13',
      'h2o-document-root': '17/17',
      'h2o-document-root-sub': '0/13',
      'h2o-ext': '1/1',
      'h2o-fallthrough': '15/15',
      'h2o-index': '1/3',
      'h2o-redirect-internal': '17/17',
      'h2o-spawn-sub': '0/13',
      'haproxy-declared': '18/18 ELSEWHERE',
      'haproxy-declared-strip': '18/18 ELSEWHERE',
      'haproxy-first-segment': '9/17 COLLISION FILE_NAME WHOLE_PATH',
      'haproxy-index': '17/17 OTHER_SCRIPT WHOLE_PATH',
      'haproxy-index-script': '16/17 OTHER_SCRIPT WHOLE_PATH',
      'haproxy-mount-optional': '16/17 WHOLE_PATH',
      'haproxy-mount-slash': '13/18 WHOLE_PATH',
      'haproxy-php-regexp': '15/17 FILE_NAME WHOLE_PATH',
      'haproxy-replace-path': '2/14',
      'haproxy-script-name': '4/18 WHOLE_PATH',
      'haproxy-set-param': '2/18 WHOLE_PATH',
      'haproxy-set-path-script': '0/17',
      'lighttpd-alias-script': '14/14',
      'lighttpd-app-local': '1/1 FOLLOWS_PATH',
      'lighttpd-app-slash': '0/12 FOLLOWS_PATH OTHER_SCRIPT',
      'lighttpd-broken-scriptfilename': '17/17 FOLLOWS_PATH',
      'lighttpd-declared': '16/16 ELSEWHERE',
      'lighttpd-error-handler': '14/16',
      'lighttpd-extension': '1/1',
      'lighttpd-hosts': '17/17',
      'lighttpd-index-file': '1/3',
      'lighttpd-rewrite-not-file': '14/16',
      'lighttpd-rewrite-prefix': '4/4',
      'lighttpd-rewrite-sub': '1/14 FOLLOWS_PATH STRIPPED',
      'lighttpd-root-local': '4/4 FOLLOWS_PATH',
      'nginx-alias': '0/12 WHOLE_PATH',
      'nginx-constant-script': '16/17 WHOLE_PATH',
      'nginx-constant-script-name': '2/16 WHOLE_PATH',
      'nginx-declared': '16/16 ELSEWHERE',
      'nginx-error-page': '14/14',
      'nginx-error-page-script': '15/16',
      'nginx-first-segment': '6/17 COLLISION FILE_NAME',
      'nginx-index': '16/17 OTHER_SCRIPT WHOLE_PATH',
      'nginx-no-path-info': '17/17',
      'nginx-path-info-uri': '2/16 COLLISION TWICE',
      'nginx-rewrite-last': '4/4',
      'nginx-script-name-slash': '17/17',
      'nginx-split-default-order': '16/16 COLLISION',
      'nginx-split-loose': '16/16 COLLISION',
      'nginx-split-php-style': '14/16 FILE_NAME',
      'nginx-split-strict': '12/12',
      'nginx-strip-regex-capture': '12/12',
      'nginx-strip-rewrite': '0/12 STRIPPED',
      'nginx-try-files-named': '15/15',
      'nginx-try-files-php-style': '14/15 WHOLE_PATH',
      'nginx-try-files-script': '14/16',
    })
  })
})
