/** The example behind a real Apache with mod_proxy_fcgi: examples/servers/apache-mod_proxy_fcgi. */
import fs from 'node:fs'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { examples, startApache } from '../support/apache.ts'
import { deploy } from '../support/deploy.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import { http } from '../support/http-client.ts'
import {
  fill,
  freePort,
  temporaryFolder,
  writableFolder,
  type WebServer,
} from '../support/web-server.ts'
import { bytes, expressExample, type Site } from './express-example.ts'

const recipes = path.join(examples, 'servers/apache-mod_proxy_fcgi')
const HOST_CONFIG =
  'DocumentRoot ${HTDOCS}\n<Directory ${HTDOCS}>\n    AllowOverride FileInfo\n    Require all granted\n</Directory>'

let folder: string
beforeAll(() => {
  folder = temporaryFolder('proxied')
  deploy('examples/express', path.join(folder, 'express'))
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

interface Running {
  readonly server: WebServer
  readonly app: FastcgiApp
}

let count = 0

/** Starts the app, then Apache in front of it, for the tests of a `describe`. */
function runningFor(config: string | undefined, transport: 'unix' | 'tcp' = 'unix'): () => Running {
  let server: WebServer | undefined
  let app: FastcgiApp | undefined
  beforeAll(async () => {
    count += 1
    const run = writableFolder(folder, `run-${String(count)}`)
    const socket = path.join(run, 'app.sock')
    const listen = transport === 'unix' ? socket : `127.0.0.1:${String(await freePort())}`
    const htdocs = path.join(run, 'htdocs')
    fs.mkdirSync(htdocs)
    fs.writeFileSync(
      path.join(htdocs, 'app.fcgi'),
      `#!/usr/bin/env node\nrequire(${JSON.stringify(path.join(folder, 'express/app.fcgi'))})\n`,
    )
    fs.cpSync(path.join(folder, 'express/public'), path.join(htdocs, 'static'), { recursive: true })
    const rules = fs.readFileSync(path.join(recipes, 'htaccess/.htaccess'), 'utf8')
    fs.writeFileSync(
      path.join(htdocs, '.htaccess'),
      fill(rules, { '/run/express/app.sock': socket }),
    )
    app = await startFastcgiApp({
      file: path.join(config === undefined ? htdocs : path.join(folder, 'express'), 'app.fcgi'),
      listen,
      env: { NODE_ENV: 'production' },
    })
    server = await startApache({
      modules: ['proxy', 'proxy_fcgi'],
      ...(config === undefined
        ? { extra: HOST_CONFIG }
        : { config: `apache-mod_proxy_fcgi/${config}` }),
      prepare(place) {
        place.write('site/index.html', 'the rest of the site\n')
        return {
          APP: path.join(folder, 'express'),
          SITE: path.join(place.folder, 'site'),
          HTDOCS: htdocs,
          SOCKET: socket,
          BACKEND: listen,
        }
      },
    })
  })
  afterAll(async () => {
    await server?.stop()
    await app?.stop()
  })
  return () => {
    if (server === undefined || app === undefined) throw new Error('not started')
    return { server, app }
  }
}

function siteOf(running: () => Running, mount: string, more: Partial<Site> = {}): () => Site {
  return () => ({
    port: running().server.port,
    mount,
    streams: true,
    encodedSlashes: true,
    waitForLog: (pattern) => running().app.waitForLog(pattern),
    ...more,
  })
}

describe('a unix socket at / (unix-socket.conf)', () => {
  const running = runningFor('unix-socket.conf')
  expressExample(siteOf(running, ''))

  it('answers many slow requests at once by one process', async () => {
    const { server } = running()
    const asked = Array.from({ length: 12 }, () =>
      http({ port: server.port, target: '/slow?ms=1000' }),
    )
    const answers = (await Promise.all(asked)).map((answer) => answer.json() as { process: number })
    expect(new Set(answers.map((answer) => answer.process))).toEqual(new Set([running().app.pid]))
  })

  it('hands on an upload as it comes: the app sees a client that breaks off', async () => {
    const { server, app } = running()
    // More than all buffers on the way hold: once it is sent, the app is reading.
    async function* breaking(): AsyncGenerator<Buffer> {
      const part = bytes(50_000)
      for (let n = 0; n < 400; n += 1) yield part
      throw new Error('the client breaks off')
    }
    const upload = http({
      port: server.port,
      method: 'PUT',
      target: '/api/bytes',
      body: breaking(),
    })
    await expect(upload).rejects.toThrow('the client breaks off')
    await app.waitForLog(/PUT \/api\/bytes: /)
  })

  it('loses no request in a graceful restart of Apache under load', async () => {
    const { server } = running()
    const before = server.log().length
    let restarted = false
    let afterwards = 0
    const failures: string[] = []
    const visitor = async (): Promise<void> => {
      while (afterwards < 40) {
        const answer = await http({ port: server.port, target: '/api/echo?load' })
        if (answer.status !== 200) failures.push(`${String(answer.status)} ${answer.text}`)
        if (restarted) afterwards += 1
      }
    }
    const visitors = [visitor(), visitor(), visitor()]
    server.signal('SIGUSR1')
    await server.waitForLog(/resuming normal operations/, before)
    restarted = true
    await Promise.all(visitors)
    expect(failures).toEqual([])
  })
})

describe('TCP at / (tcp.conf)', () => {
  const running = runningFor('tcp.conf', 'tcp')
  expressExample(siteOf(running, ''))
})

describe('a sub-path (sub-path.conf)', () => {
  const running = runningFor('sub-path.conf')
  expressExample(siteOf(running, '/app'))

  it('is the app at /app and /app/, and not at / or /application', async () => {
    const { port } = running().server
    for (const target of ['/app', '/app/']) {
      expect((await http({ port, target })).text).toContain('href="/app/static/style.css"')
    }
    expect((await http({ port, target: '/' })).text).toBe('the rest of the site\n')
    expect((await http({ port, target: '/application' })).status).toBe(404)
  })
})

describe('SetHandler (sethandler.conf)', () => {
  const running = runningFor('sethandler.conf')
  expressExample(siteOf(running, ''))
})

describe('.htaccess alone (htaccess/.htaccess)', () => {
  const running = runningFor(undefined)
  // flushpackets and AllowEncodedSlashes belong to the server's configuration, not to .htaccess.
  expressExample(siteOf(running, '', { streams: false, encodedSlashes: false }))

  it('answers 404 to a URL that names the script', async () => {
    for (const target of ['/app.fcgi', '/app.fcgi/x', '/%61pp.fcgi']) {
      expect((await http({ port: running().server.port, target })).status, target).toBe(404)
    }
  })
})
