/**
 * What `fastcgi init` writes for each server that connects to a socket or starts the app, at the root and below a path,
 * under that server: in a folder with a blank and an umlaut where the server takes one. Apache is in apache-doctor.test.ts.
 */
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'

import { command, runCli } from '../support/cli.ts'
import { deploy } from '../support/deploy.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import {
  fill,
  startWebServer,
  temporaryFolder,
  writableFolder,
  type WebServer,
} from '../support/web-server.ts'
import { caddy } from './programs/caddy.ts'
import { h2o } from './programs/h2o.ts'
import { haproxy } from './programs/haproxy.ts'
import { lighttpd } from './programs/lighttpd.ts'
import { nginx } from './programs/nginx.ts'

const servers = {
  nginx: { program: nginx, file: 'nginx.conf', address: ['listen 80', 'listen 127.0.0.1:'] },
  caddy: { program: caddy, file: 'Caddyfile', address: ['localhost:80', 'localhost:'] },
  haproxy: { program: haproxy, file: 'haproxy.cfg', address: ['bind :80', 'bind 127.0.0.1:'] },
  h2o: { program: h2o, file: 'h2o.conf', address: ['port: 80', 'port: '] },
  lighttpd: { program: lighttpd, file: 'lighttpd.conf', address: undefined },
} as const

let folder = ''
let app: FastcgiApp | undefined
let web: WebServer | undefined
afterEach(async () => {
  await web?.stop()
  await app?.stop()
  web = app = undefined
  fs.rmSync(folder, { recursive: true, force: true })
})

const cases = (Object.keys(servers) as (keyof typeof servers)[]).flatMap((name) => [
  [name, ''] as const,
  [name, '/shop'] as const,
])

describe('fastcgi init', () => {
  it.each(cases)('%s, at %j: a page', async (name, mount) => {
    const { program, file, address } = servers[name]
    folder = temporaryFolder('init')
    const spawns = name === 'lighttpd' && mount === ''
    // lighttpd takes a blank in the path of what it starts for the end of a word.
    const home = path.join(folder, spawns ? 'Läden' : 'mein Laden, schön')
    deploy('examples/node-http', home)
    for (const left of ['app.fcgi', 'app.mjs']) fs.rmSync(path.join(home, left), { force: true })
    const source = 'export default (req, res) => res.end(`${req.fastcgi.mount} ${req.url}`)\n'
    fs.writeFileSync(path.join(home, 'mine.mjs'), source)
    const socket = path.join(writableFolder(folder, 'run'), 'app.sock')
    const words = ['init', name, '--entry', 'mine.mjs', '--socket', socket]
    const made = await runCli(mount === '' ? words : [...words, '--mount', mount], {
      cwd: home,
      command,
    })
    expect(made).toMatchObject({ code: 0, stderr: '' })
    if (!spawns) {
      app = await startFastcgiApp({ file: path.join(home, 'app.fcgi'), listen: socket })
    }
    const text = fs.readFileSync(path.join(home, 'deploy', file), 'utf8')
    web = await startWebServer({
      ...program.options,
      prepare: (place) => {
        const port = String(place.port)
        const own = address === undefined ? text : fill(text, { [address[0]]: address[1] + port })
        // Two on one machine must not have the same place for commands; a test stays on the loopback.
        const alone = name === 'caddy' ? `{\n\tadmin off\n}\n${own}` : own
        return program.prepare(alone.replace('host: 0.0.0.0', 'host: 127.0.0.1'), place)
      },
    })
    const answer = await fetch(`http://localhost:${String(web.port)}${mount}/a%20b?c=1`)
    expect(await answer.text()).toBe(`${mount} /a%20b?c=1`)
  })
})
