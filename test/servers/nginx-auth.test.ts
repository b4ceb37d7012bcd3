/**
 * nginx as the one who decides: examples/servers/nginx/auth.conf. And paths that nginx judges in
 * another form than the client sent them: the app must judge the same form.
 */
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

import { ask } from '../conformance/site.ts'
import { temporaryFolder } from '../support/web-server.ts'
import { running } from './conformance.ts'
import { nginx } from './programs/nginx.ts'
import type { Setup } from './setup.ts'

const password = temporaryFolder('password')
fs.writeFileSync(
  path.join(password, 'htpasswd'),
  `ann:{SHA}${crypto.createHash('sha1').update('secret').digest('base64')}\n`,
)

afterAll(() => fs.rmSync(password, { recursive: true, force: true }))

const setup: Setup = {
  server: 'nginx',
  file: 'auth.conf',
  options: { target: 'normalized' },
  moves: () => ({ '/srv/myapp/htpasswd': path.join(password, 'htpasswd') }),
}

const basic = (user: string, secret: string): string =>
  `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`

describe('nginx auth.conf', () => {
  const up = running(nginx, setup)

  it('asks for the password below /admin/, and the app gets the request', async () => {
    expect((await ask(up().site, '/admin/x')).status).toBe(401)
    const wrong = await ask(up().site, '/admin/x', {
      headers: { Authorization: basic('ann', 'guess') },
    })
    expect(wrong.status).toBe(401)
    const right = await ask(up().site, '/admin/x', {
      headers: { Authorization: basic('ann', 'secret') },
    })
    expect(right.json()).toMatchObject({ url: '/admin/x' })
    expect(right.json().params.REMOTE_USER).toBe('ann')
  })

  it('whatever form /admin/ comes in: nginx and the app mean the same path', async () => {
    const forms = [
      '/public/../admin/x',
      '/%61dmin/x',
      '//admin/x',
      '/./admin/x',
      '/x/%2e%2e/admin/x',
    ]
    for (const target of forms) {
      expect.soft((await ask(up().site, target)).status, target).toBe(401)
    }
    for (const target of ['/admin/../public', '/admin/%2e%2e/public']) {
      const seen = await ask(up().site, target)
      expect.soft(seen.status, target).toBe(200)
      // Raw, the app would route this below /admin, where nginx asked nobody for a password.
      expect.soft(seen.json().url, target).toBe('/public')
    }
  })

  it('asks the app whether a client may have a file that nginx serves', async () => {
    expect((await ask(up().site, '/private/hello.txt')).status).toBe(401)
    const response = await ask(up().site, '/private/hello.txt', { headers: { Cookie: 'in=1' } })
    expect(response.status).toBe(200)
    expect(response.text).toBe('Handed over by the web server.\n')
  })

  it('the question works for a client that sends a body', async () => {
    const response = await ask(up().site, '/private/hello.txt', {
      method: 'POST',
      headers: { Cookie: 'in=1' },
      body: 'abc',
    })
    // nginx does not POST to files; it got past the question.
    expect(response.status).toBe(405)
  })

  it('nobody from outside asks /auth or fetches an internal file', async () => {
    expect((await ask(up().site, '/auth', { headers: { Cookie: 'in=1' } })).status).toBe(404)
  })
})
