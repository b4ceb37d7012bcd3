/** systemd: the app on a socket that systemd opened, and the units of examples/servers/systemd. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { ask } from '../conformance/site.ts'
import { fill, findProgram, temporaryFolder } from '../support/web-server.ts'
import { until } from '../support/until.ts'
import { nginx } from './programs/nginx.ts'
import { conformanceSite, exampleFile, startSite, type RunningSite } from './setup.ts'

describe('socket activation', () => {
  const folder = temporaryFolder('systemd')
  const socket = path.join(folder, 'app.sock')
  let activator: ChildProcess
  let site: RunningSite
  let log = ''

  beforeAll(async () => {
    // What systemd does for a .socket unit, without being process 1.
    const program = findProgram('systemd-socket-activate', 'apt-get install systemd')
    const PATH = `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`
    activator = spawn(
      program,
      [`--listen=${socket}`, `--setenv=PATH=${PATH}`, path.join(conformanceSite, 'app.fcgi')],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH } },
    )
    for (const stream of [activator.stdout, activator.stderr]) {
      stream?.on('data', (chunk: Buffer) => (log += chunk.toString()))
    }
    await until(() => fs.existsSync(socket), 'the socket of systemd-socket-activate')
    site = await startSite(
      nginx,
      { server: 'nginx', file: 'minimal.conf' },
      { app: conformanceSite, run: folder },
    )
  })

  afterAll(async () => {
    await site?.web.stop()
    if (activator.exitCode === null) activator.kill('SIGKILL')
    fs.rmSync(folder, { recursive: true, force: true })
  })

  it('the first request starts the app, and is answered', async () => {
    const seen = (await ask(site, '/first')).json()
    expect(seen.url).toBe('/first')
    // systemd-socket-activate becomes the app.
    expect(seen.pid).toBe(activator.pid)
    expect(log).toContain('listening on')
  })

  it('SIGTERM ends it with status 0, and the socket file is left to systemd', async () => {
    const gone = once(activator, 'exit')
    activator.kill('SIGTERM')
    expect(await gone).toEqual([0, null])
    expect(fs.existsSync(socket)).toBe(true)
  })
})

describe('units', () => {
  const units = ['myapp.socket', 'myapp.service', 'myapp-standalone.service', 'myapp@.service']

  it.each(units)('systemd-analyze finds nothing wrong with %s', (unit) => {
    const program = findProgram('systemd-analyze', 'apt-get install systemd')
    const folder = temporaryFolder('units')
    try {
      for (const name of units) {
        const text = fs.readFileSync(exampleFile(`systemd/${name}`), 'utf8')
        // Of what the units name, a test machine lacks only the program.
        const moved = name.endsWith('.service')
          ? fill(text, { '/srv/myapp/app.fcgi': path.join(conformanceSite, 'app.fcgi') })
          : text
        fs.writeFileSync(path.join(folder, name), moved)
      }
      const args = ['verify', '--man=no', path.join(folder, unit.replace('@', '@1'))]
      const said = execFileSync(program, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      expect(said).toBe('')
    } finally {
      fs.rmSync(folder, { recursive: true, force: true })
    }
  })
})
