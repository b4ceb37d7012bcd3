import { describe, expect, it } from 'vitest'
import { headOptions } from '../../../../test/support/head-options.ts'
import { paramsBlock, recordedRequests } from '../../../../test/support/server-params.ts'
import { pair, pairs } from '../../../../test/support/raw.ts'
import { readRequestHead, type HeadOptions, type RequestHead } from './request-head.ts'

function read(params: Record<string, string>, options: Partial<HeadOptions> = {}): RequestHead {
  return readRequestHead(pairs({ REQUEST_METHOD: 'GET', ...params }), headOptions(options))
}

describe('FASTCGI_MOUNT', () => {
  const lighttpd = { SERVER_SOFTWARE: 'lighttpd/1.4.69', FASTCGI_MOUNT: '/app' }

  it.each([
    ['/app', '/', '/app'],
    ['/app?x=1', '/?x=1', '/app'],
    ['/app/', '/', '/app'],
    ['/app/x%2Fy//z', '/x%2Fy//z', '/app'],
    ['/x/../app/y', '/y', '/app'],
    ['//%61pp/y', '/y', '/app'],
  ])('%s is %s below %s', (target, url, mount) => {
    const head = read({ ...lighttpd, REQUEST_URI: target })
    expect(head).toMatchObject({ url, mount, originalUrl: target, warning: undefined })
  })

  it('may have several segments, percent-encoded ones, or bytes of UTF-8', () => {
    expect(read({ REQUEST_URI: '/a/b/c', FASTCGI_MOUNT: '/a/b' })).toMatchObject({
      url: '/c',
      mount: '/a/b',
    })
    for (const mount of ['/caf%C3%A9', Buffer.from('/café').toString('latin1')]) {
      const head = read({ REQUEST_URI: '/caf%c3%a9/x', FASTCGI_MOUNT: mount })
      expect(head).toMatchObject({ url: '/x', mount: '/caf%C3%A9', warning: undefined })
    }
  })

  it('/ says that the app is the whole site, whatever SCRIPT_NAME looks like', () => {
    const params = { SERVER_SOFTWARE: 'nginx/1.22.1', REQUEST_URI: '/a/b', SCRIPT_NAME: '/a/b' }
    expect(read(params).warning?.code).toBe('CGI_MOUNT_WHOLE_PATH')
    const head = read({ ...params, FASTCGI_MOUNT: '/' })
    expect(head).toMatchObject({ mount: '', url: '/a/b', warning: undefined })
  })

  it('goes before what the variables tell, and the option before it', () => {
    const params = {
      SERVER_SOFTWARE: 'nginx/1.22.1',
      REQUEST_URI: '/app/api/x',
      SCRIPT_NAME: '/app',
      PATH_INFO: '/api/x',
    }
    expect(read(params).mount).toBe('/app')
    expect(read({ ...params, FASTCGI_MOUNT: '/app/api' })).toMatchObject({
      mount: '/app/api',
      url: '/x',
    })
    const set = { ...params, FASTCGI_MOUNT: '/app/api' }
    expect(read(set, { mount: '/app' })).toMatchObject({ mount: '/app', url: '/api/x' })
    expect(read(set, { mount: '' })).toMatchObject({ mount: '', url: '/app/api/x' })
  })

  it('that the path is not under leaves the mount as the variables tell it, and warns', () => {
    for (const target of ['/application/x', '/', '/app/../x', '/x/app/']) {
      const head = read({ ...lighttpd, REQUEST_URI: target })
      expect(head).toMatchObject({ mount: '', url: target })
      expect(head.warning?.code).toBe('CGI_MOUNT_ELSEWHERE')
      // What a client sent does not get into the log.
      expect(head.warning?.message).not.toContain(target + ' ')
    }
    const told = { REQUEST_URI: '/app/x', SCRIPT_NAME: '/app', PATH_INFO: '/x' }
    const head = read({ ...told, SERVER_SOFTWARE: 'nginx/1', FASTCGI_MOUNT: '/other' })
    expect(head).toMatchObject({ mount: '/app', url: '/x' })
    expect(head.warning?.code).toBe('CGI_MOUNT_ELSEWHERE')
  })

  it.each(['app', '/app/', '//app', '/app/../x', '/a b', '/app?x', '/app#x', '/.', 'http://x/app'])(
    '%s is none, and the log says so',
    (mount) => {
      const head = read({ REQUEST_URI: '/app/x', FASTCGI_MOUNT: mount })
      expect(head).toMatchObject({ mount: '', url: '/app/x' })
      expect(head.warning?.code).toBe('CGI_MOUNT_INVALID')
    },
  )

  it('empty is as if it were not there', () => {
    const head = read({ REQUEST_URI: '/app/x', FASTCGI_MOUNT: '' })
    expect(head).toMatchObject({ mount: '', url: '/app/x', warning: undefined })
  })

  it('cannot be sent by a client', () => {
    const head = read({
      ...{ REQUEST_URI: '/evil/x', HTTP_FASTCGI_MOUNT: '/evil', FASTCGI_MOUNT_: '/evil' },
      ...{ REDIRECT_FASTCGI_MOUNT: '/evil', fastcgi_mount: '/evil' },
    })
    expect(head).toMatchObject({ mount: '', url: '/evil/x', warning: undefined })
    expect(head.headers['fastcgi-mount']).toBe('/evil')
  })

  it('is the path as it was sent under servers that do not resolve dot segments', () => {
    const head = read({
      SERVER_SOFTWARE: 'Caddy/2.6.2',
      REQUEST_URI: '/app/../x',
      PATH_INFO: '/../x',
      FASTCGI_MOUNT: '/app',
    })
    expect(head).toMatchObject({ mount: '/app', url: '/../x', warning: undefined })
  })

  it('is the path the server means with target: normalized', () => {
    const params = {
      SERVER_SOFTWARE: 'lighttpd/1.4.69',
      SCRIPT_NAME: '/app',
      FASTCGI_MOUNT: '/app',
    }
    const head = read(
      { ...params, REQUEST_URI: '/app/a/../b?c', PATH_INFO: '/b' },
      { target: 'normalized' },
    )
    expect(head).toMatchObject({ mount: '/app', url: '/b?c', originalUrl: '/app/b?c' })
  })

  it('makes every recorded request exact whose configuration leaves the mount open', () => {
    const configs = ['lighttpd-sub', 'proxyfcgi-proxypass-sub', 'proxyfcgi-generic-sub']
    const recorded = recordedRequests().filter(({ config }) => configs.includes(config))
    expect(recorded.length).toBeGreaterThan(60)
    for (const each of recorded) {
      const block = Buffer.concat([paramsBlock(each), pair('FASTCGI_MOUNT', '/app')])
      const { mount, url, originalUrl, warning } = readRequestHead(block, headOptions())
      const name = `${each.config} ${each.case}`
      const isUnder = /^\/app(?:[/?]|$)/.test(originalUrl)
      expect(mount, name).toBe(isUnder ? '/app' : '')
      const rest = isUnder ? originalUrl.slice(4) : originalUrl
      expect(url, name).toBe(rest.startsWith('/') ? rest : '/' + rest)
      expect(warning?.code, name).toBe(isUnder ? undefined : 'CGI_MOUNT_ELSEWHERE')
    }
  })
})
