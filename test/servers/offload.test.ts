/**
 * The page of examples/servers shows how an app hands a file to the web server: that very code, in an Express app behind
 * the servers that can, and behind one that cannot. The same in Fastify's words.
 */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { ask } from '../conformance/site.ts'
import { temporaryFolder } from '../support/web-server.ts'
import { startApp, type AppProcess } from './app.ts'
import { caddy } from './programs/caddy.ts'
import { haproxy } from './programs/haproxy.ts'
import { lighttpd } from './programs/lighttpd.ts'
import { nginx } from './programs/nginx.ts'
import { exampleFile, exampleFolder, startSite, type RunningSite, type Server } from './setup.ts'

const page = fs.readFileSync(exampleFile('README.md'), 'utf8')
const code = /```js\n(\/\*\* Sends [^]*?)```/.exec(page)?.[1] ?? ''

/** 10 letters, 100 lines of them: more than a sendFile that goes wrong would give. */
const content = 'abcdefghi\n'.repeat(100)

/** Packages are found from an example's folder. */
function from(example: string): string {
  const file = JSON.stringify(path.join(exampleFolder(example), 'app.mjs'))
  return `const load = require('node:module').createRequire(${file})`
}

function express(folder: string): string {
  return `${from('express')}
const { serve } = load('@fastcgi/express')
${code.replaceAll('/srv/myapp', folder)}
const app = load('express')()
app.get('/get/:name', (req, res) => sendFile(req, res, req.params.name))
serve(app)
`
}

function fastify(): string {
  return `${from('fastify')}
const { serve } = load('@fastcgi/fastify')
const app = load('fastify')()
app.get('/get/:name', (request, reply) =>
  reply.header('X-Accel-Redirect', '/files/' + encodeURIComponent(request.params.name)).send())
serve(app)
`
}

/** Caddy takes the path as it is. */
function unencoded(): string {
  return `${from('express')}
const { serve } = load('@fastcgi/express')
const app = load('express')()
app.get('/get/:name', (req, res) => res.set('X-Accel-Redirect', '/files/' + req.params.name).end())
serve(app)
`
}

describe.each([
  ['nginx', 'site.conf', nginx, express],
  ['nginx', 'site.conf', nginx, fastify],
  ['lighttpd', 'socket.conf', lighttpd, express],
  ['caddy', 'Caddyfile', caddy, unencoded],
  ['haproxy', 'haproxy.cfg', haproxy, express],
] as const)('%s %s, %#', (name, file, server: Server, write) => {
  const folder = temporaryFolder('offload')
  let app: AppProcess | undefined
  let site: RunningSite | undefined
  beforeAll(async () => {
    fs.mkdirSync(path.join(folder, 'files'))
    fs.mkdirSync(path.join(folder, 'run'))
    fs.mkdirSync(path.join(folder, 'public'))
    fs.writeFileSync(path.join(folder, 'files/a b.svg'), content)
    fs.writeFileSync(path.join(folder, 'secret.txt'), 'not for them')
    const script = path.join(folder, 'app.fcgi')
    fs.writeFileSync(script, `#!/usr/bin/env node\n${write(folder)}`, { mode: 0o755 })
    app = await startApp(script, path.join(folder, 'run/app.sock'))
    site = await startSite(
      server,
      { server: name, file },
      { app: folder, run: path.join(folder, 'run') },
    )
  })
  afterAll(async () => {
    await site?.web.stop()
    await app?.stop()
    fs.rmSync(folder, { recursive: true, force: true })
  })

  it('the file, whole and in part', async () => {
    const target = '/get/a%20b.svg'
    const whole = await ask(site as RunningSite, target)
    expect(whole.status).toBe(200)
    expect(whole.text).toBe(content)
    expect(whole.headers['content-type']).toMatch(/^image\/svg\+xml/)
    // The header that asks for it is for the server alone.
    expect(Object.keys(whole.headers).join()).not.toMatch(/x-accel|x-sendfile/)
    const part = await ask(site as RunningSite, target, { headers: { Range: 'bytes=10-12' } })
    expect([part.status, part.text]).toEqual([206, 'abc'])
  })

  it('nothing outside the folder, and no file by its path', async () => {
    for (const target of ['/get/..%2fsecret.txt', '/get/%2e%2e%2fsecret.txt', '/files/a%20b.svg']) {
      const answer = await ask(site as RunningSite, target)
      expect.soft(answer.status, target).toBeGreaterThanOrEqual(400)
      expect.soft(answer.text, target).not.toContain('not for them')
    }
  })
})
