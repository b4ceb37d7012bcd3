/** spawn-fcgi and multiwatch start the app, by examples/servers/spawn-fcgi, and nginx asks it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { ask } from '../conformance/site.ts'
import { fill, findProgram, temporaryFolder } from '../support/web-server.ts'
import { until } from '../support/until.ts'
import { nginx } from './programs/nginx.ts'
import { conformanceSite, exampleFile, startSite, type RunningSite } from './setup.ts'

describe('spawn-fcgi myapp.sh', () => {
  const folder = temporaryFolder('spawn')
  let starter: ChildProcess
  let site: RunningSite

  beforeAll(async () => {
    for (const program of ['spawn-fcgi', 'multiwatch']) {
      findProgram(program, 'apt-get install spawn-fcgi multiwatch')
    }
    const text = fs.readFileSync(exampleFile('spawn-fcgi/myapp.sh'), 'utf8')
    const script = path.join(folder, 'myapp.sh')
    fs.writeFileSync(script, fill(text, { '/srv/myapp': conformanceSite, '/run/myapp': folder }), {
      mode: 0o755,
    })
    const PATH = `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`
    starter = spawn(script, [], { env: { ...process.env, PATH }, stdio: 'ignore' })
    site = await startSite(
      nginx,
      { server: 'nginx', file: 'minimal.conf' },
      { app: conformanceSite, run: folder },
    )
    await until(
      async () => (await ask(site, '/')).status === 200,
      'the app to answer through spawn-fcgi',
    )
  })

  afterAll(async () => {
    await site?.web.stop()
    if (starter.exitCode === null) {
      starter.kill('SIGTERM')
      await once(starter, 'exit')
    }
    fs.rmSync(folder, { recursive: true, force: true })
  })

  const pid = async (): Promise<number> => (await ask(site, '/')).json().pid as number

  it('gives the socket its mode', () => {
    expect(fs.statSync(path.join(folder, 'app.sock')).mode & 0o777).toBe(0o660)
  })

  it('runs two processes on one socket', async () => {
    const seen = new Set<number>()
    await until(async () => seen.add(await pid()).size === 2, 'two processes to answer')
  })

  it('starts a process anew that has ended', async () => {
    const first = await pid()
    process.kill(first, 'SIGTERM')
    const seen = new Set<number>()
    await until(async () => {
      const at = await pid()
      if (at !== first) seen.add(at)
      return seen.size === 2
    }, 'a process in place of the one that ended')
  })
})
