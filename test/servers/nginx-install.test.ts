/**
 * A new user's way on a server of their own, with nothing but the packed packages: `npx fastcgi init nginx` and
 * `init systemd`, the app on a socket that it is given as systemd gives it, and nginx answers.
 */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { packAll, tellTime, type Installation } from '../support/installed.ts'
import { killLeftovers, listeningServer, startNode } from '../support/node-process.ts'
import { fill, startWebServer } from '../support/web-server.ts'
import { nginx } from './programs/nginx.ts'

let installation: Installation

beforeAll(async () => {
  installation = await packAll()
})

afterAll(() => {
  killLeftovers()
  installation?.remove()
})

describe('from nothing to a page, with the packed packages alone', () => {
  it('init nginx and systemd', async () => {
    const started = performance.now()
    const app = 'export default (req, res) => res.end(`hello from ${req.url}`)\n'
    const site = await installation.install('site', 'app.mjs', app)
    const socket = path.join(site, 'app.sock')
    for (const server of ['nginx', 'systemd']) {
      const words = ['--offline', 'fastcgi', 'init', server, '--socket', socket]
      expect(await installation.run('npx', words, site)).toContain('Next:')
    }
    const read = (name: string): string => fs.readFileSync(path.join(site, 'deploy', name), 'utf8')
    expect(read('mine.socket')).toContain(`ListenStream=${socket}\n`)
    expect(read('mine.service')).toContain(`ExecStart=${path.join(site, 'app.fcgi')}\n`)

    const process = startNode({
      file: path.join(site, 'app.fcgi'),
      more: [await listeningServer(socket)],
      shell: 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"',
      cwd: site,
    })
    const web = await startWebServer({
      ...nginx.options,
      prepare: (place) => {
        const port = { 'listen 80': `listen 127.0.0.1:${String(place.port)}` }
        return nginx.prepare(fill(read('nginx.conf'), port), place)
      },
    })
    try {
      const answer = await fetch(`http://127.0.0.1:${String(web.port)}/hello?x=1`)
      expect(await answer.text()).toBe('hello from /hello?x=1')
      tellTime('nginx and systemd', started)
      process.child.kill('SIGTERM')
      expect(await process.ended).toBe(0)
    } finally {
      await web.stop()
    }
  })
})
