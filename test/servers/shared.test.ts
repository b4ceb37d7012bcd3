/** One process for all (option `shared`) behind the other servers that start the app, with their files of examples/servers. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { deploy } from '../support/deploy.ts'
import { http } from '../support/http-client.ts'
import { endHosts, hostsIn, isAlive, killHosts } from '../support/shared-hosts.ts'
import { until } from '../support/until.ts'
import { findProgram, temporaryFolder } from '../support/web-server.ts'
import { h2o } from './programs/h2o.ts'
import { lighttpd } from './programs/lighttpd.ts'
import { nginx } from './programs/nginx.ts'
import { startSite, type RunningSite } from './setup.ts'

const folder = temporaryFolder('shared')
const app = path.join(folder, 'app')
const privateFolder = path.join(folder, 'private/shared')
const leave = (): void => killHosts(privateFolder)

beforeAll(() => {
  deploy('test/servers/shared-app', app)
  fs.mkdirSync(path.join(app, 'public'))
  for (const name of ['private', 'run']) {
    fs.mkdirSync(path.join(folder, name))
    // Whoever the server runs as makes its own folder there.
    fs.chmodSync(path.join(folder, name), 0o1777)
  }
  process.once('exit', leave)
})
afterAll(() => {
  process.removeListener('exit', leave)
  fs.rmSync(folder, { recursive: true, force: true })
})

/** Starts three processes on one socket, and gives their numbers. */
function spawnFcgi(): number[] {
  const pids = path.join(folder, 'run/pids')
  const socket = path.join(folder, 'run/app.sock')
  const program = findProgram('spawn-fcgi', 'apt-get install spawn-fcgi')
  const words = ['-F', '3', '-s', socket, '-M', '0666', '-P', pids]
  const PATH = `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`
  execFileSync(program, [...words, '--', path.join(app, 'app.fcgi')], {
    env: { PATH },
    stdio: 'ignore',
  })
  return fs.readFileSync(pids, 'utf8').trim().split('\n').map(Number)
}

describe.each([
  ['lighttpd with max-procs 2', lighttpd, { server: 'lighttpd', file: 'spawn.conf', spawns: true }],
  ['h2o', h2o, { server: 'h2o', file: 'spawn.conf', spawns: true }],
  ['nginx and spawn-fcgi -F 3', nginx, { server: 'nginx', file: 'minimal.conf' }],
])('%s', (_name, server, setup) => {
  let site: RunningSite | undefined
  let spawned: number[] = []

  beforeAll(async () => {
    if (server === nginx) spawned = spawnFcgi()
    site = await startSite(server, setup, { app, run: path.join(folder, 'run') })
  })
  afterAll(async () => {
    await site?.web.stop()
    for (const pid of spawned) if (isAlive(pid)) process.kill(pid, 'SIGTERM')
    await until(() => !spawned.some(isAlive), 'the processes to end that spawn-fcgi has started')
    await endHosts(privateFolder)
  })

  it('knows a session in all that answer, and goes on when the one process is killed', async () => {
    const { port } = site as RunningSite
    const login = await http({ port, method: 'POST', body: '', target: '/login?name=ann' })
    const Cookie = (login.cookies[0] as string).split(';')[0] as string
    const me = (): ReturnType<typeof http> => http({ port, target: '/me', headers: { Cookie } })
    const answers = await Promise.all(Array.from({ length: 40 }, me))
    const [host] = hostsIn(privateFolder)
    expect(new Set(answers.map(({ text }) => text))).toEqual(
      new Set([JSON.stringify({ name: 'ann', process: host, baseUrl: '' })]),
    )
    expect(hostsIn(privateFolder)).toEqual([host])
    process.kill(host as number, 'SIGKILL')
    const after = await me()
    expect(after.status, after.text).toBe(200)
    expect(after.json()).not.toHaveProperty('name')
    expect((after.json() as { process: number }).process).not.toBe(host)
  })
})
