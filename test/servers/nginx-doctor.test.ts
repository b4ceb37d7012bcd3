/** What `fastcgi init nginx` writes, under nginx; and faults of a configuration that `fastcgi doctor` names through it. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { examine } from '../../packages/cli/src/commands/doctor.ts'
import { runCli } from '../support/cli.ts'
import { deploy } from '../support/deploy.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import {
  fill,
  startWebServer,
  temporaryFolder,
  writableFolder,
  type WebServer,
} from '../support/web-server.ts'
import { nginx } from './programs/nginx.ts'
import { exampleFile } from './setup.ts'

let folder = ''
let script = ''
let socket = ''
let app: FastcgiApp | undefined

beforeAll(async () => {
  folder = temporaryFolder('doctor')
  const home = path.join(folder, 'app')
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
async function complaints(server: WebServer, mount = ''): Promise<Record<string, string>> {
  const url = `http://127.0.0.1:${String(server.port)}${mount}/`
  const given = { path: String(process.env['PATH']), page: '/', user: 'root' }
  const [report] = await examine([url, script], given)
  const bad = report!.findings.filter(({ verdict }) => verdict !== 'ok')
  return Object.fromEntries(bad.map(({ check, what, fix }) => [check, `${what}\n${fix ?? ''}`]))
}

const example = (name: string): string =>
  fs.readFileSync(exampleFile(`nginx/${name}`), 'utf8').replaceAll('/run/myapp/app.sock', socket)

describe('fastcgi init nginx', () => {
  it('writes a site that answers, with which the doctor is content', async () => {
    const text = fs.readFileSync(path.join(folder, 'app/deploy/nginx.conf'), 'utf8')
    await withNginx(text, async (server) => {
      const answer = await fetch(`http://127.0.0.1:${String(server.port)}/`)
      expect(answer.status).toBe(200)
      expect(await complaints(server)).toEqual({})
    })
  })
})

describe('fastcgi doctor through nginx', () => {
  it('names what the defaults of nginx do to uploads, headers and streams', async () => {
    await withNginx(example('minimal.conf'), async (server) => {
      const bad = await complaints(server)
      expect(Object.keys(bad).toSorted()).toEqual(['buffering', 'response-header', 'upload-limit'])
      expect(bad['upload-limit']).toContain('for 2 MB the answer is 413')
      expect(bad['upload-limit']).toContain('client_max_body_size')
      expect(bad['response-header']).toContain('fastcgi_buffer_size')
      expect(bad['buffering']).toContain('fastcgi_buffering off')
    })
  })

  it('names a PATH_INFO that is not sent', async () => {
    const text = example('subpath.conf')
      .replace('        fastcgi_param SCRIPT_NAME $fastcgi_script_name;\n', '')
      .replace('        fastcgi_param PATH_INFO $fastcgi_path_info;\n', '')
      .replace(/ {8}fastcgi_split_path_info .*\n/, '')
    await withNginx(text, async (server) => {
      const bad = await complaints(server, '/app')
      expect(bad['mount']).toContain('PATH_INFO is not sent')
      expect(bad['mount']).toContain('fastcgi_param PATH_INFO $fastcgi_path_info;')
    })
  })
})
