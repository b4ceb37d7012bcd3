/** What `fastcgi init nginx` writes, under nginx, in a folder with a blank and an umlaut. Faults are planted in planted-faults.test.ts. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { examine } from '../../packages/cli/src/commands/doctor.ts'
import { runCli } from '../support/cli.ts'
import { deploy } from '../support/deploy.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import { startNode } from '../support/node-process.ts'
import { until } from '../support/until.ts'
import {
  fill,
  startWebServer,
  temporaryFolder,
  writableFolder,
  type WebServer,
} from '../support/web-server.ts'
import { nginx } from './programs/nginx.ts'

let folder = ''
let script = ''
let socket = ''
let app: FastcgiApp | undefined

beforeAll(async () => {
  folder = temporaryFolder('doctor')
  const home = path.join(folder, 'mein Läden')
  deploy('examples/express', home)
  // The example has one; the command makes it.
  fs.rmSync(path.join(home, 'app.fcgi'))
  socket = path.join(writableFolder(folder, 'run'), 'app.sock')
  const words = ['init', 'nginx', '--entry', 'app.mjs', '--socket', socket]
  const made = await runCli(words, { cwd: home })
  expect(made).toMatchObject({ code: 0, stderr: '' })
  script = path.join(home, 'app.fcgi')
  app = await startFastcgiApp({ file: script, listen: socket })
})

afterAll(async () => {
  await app?.stop()
  fs.rmSync(folder, { recursive: true, force: true })
})

async function withNginx<T>(text: string, use: (server: WebServer) => Promise<T>): Promise<T> {
  const server = await startWebServer({
    ...nginx.options,
    prepare: (place) =>
      nginx.prepare(fill(text, { 'listen 80': `listen 127.0.0.1:${String(place.port)}` }), place),
  })
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** What the doctor does not like, by check. */
async function complaints(server: WebServer): Promise<Record<string, string>> {
  const url = `http://127.0.0.1:${String(server.port)}/`
  const given = { path: String(process.env['PATH']), page: '/', user: 'root' }
  const [report] = await examine([url, script], given)
  const bad = report!.findings.filter(({ verdict }) => verdict !== 'ok')
  return Object.fromEntries(bad.map(({ check, what, fix }) => [check, `${what}\n${fix ?? ''}`]))
}

describe('fastcgi init nginx', () => {
  it('writes a site that answers, with which the doctor is content', async () => {
    const text = fs.readFileSync(path.join(folder, 'mein Läden/deploy/nginx.conf'), 'utf8')
    await withNginx(text, async (server) => {
      const answer = await fetch(`http://127.0.0.1:${String(server.port)}/`)
      expect(answer.status).toBe(200)
      expect(await complaints(server)).toEqual({})
    })
  })
})

describe('an app whose descriptor 2 is the null device, as lighttpd starts it', () => {
  it('is told to have a log of its own', async () => {
    await app?.stop()
    const lost = startNode({ file: script, env: { FASTCGI_LISTEN: socket }, stderr: 'ignore' })
    try {
      await until(() => fs.existsSync(socket), 'the socket')
      fs.chmodSync(socket, 0o666)
      const text = fs.readFileSync(path.join(folder, 'mein Läden/deploy/nginx.conf'), 'utf8')
      await withNginx(text, async (server) => {
        expect(await complaints(server)).toEqual({
          log: expect.stringContaining("serve(app, { log: '/var/log/myapp.log' })"),
        })
      })
    } finally {
      lost.child.kill('SIGKILL')
    }
  })
})
