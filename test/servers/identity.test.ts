/**
 * Who the app believes the user to be, behind every server that asks for passwords, with the example files: the one
 * whose password the server has checked, and never the one a client claims to be. And paths: whatever form a client
 * writes a protected one in, either the server asks, or the app does not take it for the protected one.
 */
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { ask, type Site } from '../conformance/site.ts'
import { startApache } from '../support/apache.ts'
import { deploy } from '../support/deploy.ts'
import { startFastcgiApp } from '../support/fastcgi-app.ts'
import { temporaryFolder, writableFolder } from '../support/web-server.ts'
import { running } from './conformance.ts'
import { caddy } from './programs/caddy.ts'
import { haproxy } from './programs/haproxy.ts'
import { lighttpd } from './programs/lighttpd.ts'
import { nginx } from './programs/nginx.ts'

const folder = temporaryFolder('password')
const users = path.join(folder, 'htpasswd')
fs.writeFileSync(users, `ann:{SHA}${crypto.createHash('sha1').update('secret').digest('base64')}\n`)
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

const basic = (name: string, password: string): { Authorization: string } => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})

/** What a client may write into its headers to be somebody. */
const forged: Record<string, string> = {
  ...basic('ann', 'guess'),
  'Remote-User': 'ann',
  REMOTE_USER: 'ann',
  'X-Remote-User': 'ann',
  'X-User': 'ann',
  'X-Forwarded-User': 'ann',
  'Auth-Type': 'Basic',
  'OIDC-CLAIM-email': 'ann@example.com',
}

const forms = [
  '/admin',
  '/admin/x',
  '/admin/../public',
  '/public/../admin/x',
  '/public/%2e%2e/admin/x',
  '/public/%2E%2E/%2e/admin',
  '//admin/x',
  '/x//..//admin',
  '/%61dmin/x',
  '/%2561dmin/x',
  '/ADMIN/x',
  '/./admin/.',
  '/admin/%2e%2e/public',
  '/admin%2Fx',
  '/admin;x/y',
  '/admin%00/x',
  '/app.fcgi/admin/x',
  '/protected.fcgi/admin',
  '/index.php/admin',
  '/public/..%2fadmin/x',
  '/admin\\x',
  'http://localhost/admin/x',
  'http://localhost/public/../admin/x',
  'http://localhost//admin/../public',
]

const isProtected = (url: string): boolean => /^\/admin(?:[/?]|$)/i.test(url)

function tests(site: () => Site, authType: string | undefined): void {
  it('tells the app whose password the server has checked', async () => {
    const right = (await ask(site(), '/admin/x', { headers: basic('ann', 'secret') })).json()
    expect(right).toMatchObject({ url: '/admin/x', remoteUser: 'ann' })
    expect(right.authType).toBe(authType)
    for (const headers of [{}, basic('ann', 'guess'), basic('bob', 'secret'), forged]) {
      const refused = await ask(site(), '/admin/x', { headers })
      expect(refused.status).toBe(401)
      expect(refused.headers['www-authenticate']).toMatch(/^Basic realm=/)
    }
  })

  it('tells nobody where the server has asked for no password', async () => {
    for (const headers of [{}, forged, basic('admin', '')]) {
      const seen = (await ask(site(), '/public', { headers })).json()
      expect(seen.remoteUser).toBeUndefined()
      expect(seen.authType).toBeUndefined()
    }
  })

  it.each(forms)('%s does not reach what is protected', async (target) => {
    const answer = await ask(site(), target)
    if (answer.status >= 300) return
    expect(answer.json().url).not.toSatisfy(isProtected)
  })
}

const options = { target: 'normalized' }
const checked = { ...options, trustRemoteUser: true }

describe('nginx auth.conf', () => {
  const moves = (): Record<string, string> => ({ '/srv/myapp/htpasswd': users })
  const up = running(nginx, { server: 'nginx', file: 'auth.conf', options: checked, moves })
  tests(() => up().site, undefined)

  it('single sign-on: the user that another app names, in its answer to nginx', async () => {
    const headers = { ...forged, Cookie: 'in=1' }
    const seen = (await ask(up().site, '/team/x', { headers })).json()
    expect(seen).toMatchObject({ url: '/team/x', remoteUser: 'ann' })
    expect((await ask(up().site, '/team/x', { headers: forged })).status).toBe(401)
    expect((await ask(up().site, '/TEAM/x')).status).toBe(401)
  })
})

describe('lighttpd auth.conf', () => {
  const moves = (): Record<string, string> => ({ '/srv/myapp/htpasswd': users })
  const up = running(lighttpd, { server: 'lighttpd', file: 'auth.conf', options, moves })
  tests(() => up().site, 'Basic')
})

describe('caddy auth.Caddyfile', () => {
  const up = running(caddy, { server: 'caddy', file: 'auth.Caddyfile', options })
  tests(() => up().site, undefined)
})

describe('haproxy auth.cfg', () => {
  const up = running(haproxy, { server: 'haproxy', file: 'auth.cfg', options: checked })
  tests(() => up().site, 'Basic')
})

describe('apache-mod_proxy_fcgi basic-auth.conf', () => {
  let site: (Site & { stop(): Promise<void> }) | undefined
  beforeAll(async () => {
    const home = path.join(folder, 'app')
    deploy('test/conformance/site', home)
    const socket = path.join(writableFolder(folder, 'run'), 'app.sock')
    const app = await startFastcgiApp({
      file: path.join(home, 'app.fcgi'),
      listen: socket,
      env: { NODE_ENV: 'production', APP_OPTIONS: JSON.stringify(options) },
    })
    const web = await startApache({
      modules: ['proxy', 'proxy_fcgi'],
      config: 'apache-mod_proxy_fcgi/basic-auth.conf',
      // As mod_auth_openidc does once it knows who it is.
      extra: 'SetEnvIf Authorization . OIDC_CLAIM_sub=248289761001',
      prepare: () => ({ SOCKET: socket, APP: home, USERS: users }),
    })
    site = {
      name: 'apache-mod_proxy_fcgi basic-auth.conf',
      server: 'apache-mod_proxy_fcgi',
      mount: '',
      port: web.port,
      can: nginx.can,
      async stop() {
        await web.stop()
        await app.stop()
      },
    }
  })
  afterAll(() => site?.stop())
  tests(() => site as Site, 'Basic')

  it('single sign-on: what a module of Apache sets is there, and is not a header', async () => {
    const headers = { ...forged, ...basic('ann', 'secret') }
    const { params, headers: seen } = (await ask(site as Site, '/admin', { headers })).json()
    expect(seen).not.toHaveProperty('authorization')
    expect(params.HTTP_OIDC_CLAIM_EMAIL).toBe('ann@example.com')
    expect(params).toMatchObject({ REMOTE_USER: 'ann', OIDC_CLAIM_sub: '248289761001' })
    expect(params).not.toHaveProperty('OIDC_CLAIM_email')
  })
})
