/**
 * One process that is stopped under load, behind nginx, HAProxy and Apache at once, each with and without kept
 * connections. Every request has a number, and the app notes those it is given: what it was given is answered, always.
 */
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { startApache } from '../support/apache.ts'
import { compileCore, type CompiledCore } from '../support/compiled-core.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
} from '../support/node-process.ts'
import { until } from '../support/until.ts'
import { writableFolder, type WebServer } from '../support/web-server.ts'
import { ways } from './deploys.ts'
import { Load, type Asked } from './numbered-load.ts'
import { startSite } from './setup.ts'

const app = `
  import fs from 'node:fs'
  import { serve } from '@fastcgi/core'
  const log = new URL('./run/numbers', import.meta.url)
  await serve((req, res) => {
    const number = req.url.slice(1)
    fs.appendFileSync(log, number + '\\n')
    let body = ''
    req.on('data', (part) => (body += part))
    req.on('end', () => {
      res.write(number + ' ')
      setTimeout(() => res.end(body + ' ' + process.pid), Number(number.slice(2)) % 30)
    })
  }, { env: false })`

/** Holds the socket as systemd does, and starts the next process when the one before has ended. */
const holder = `
  import { spawn } from 'node:child_process'
  let child
  const start = () => new Promise((resolve) => {
    child = spawn(process.execPath, [process.argv[2]], { stdio: [3, 'ignore', 'pipe'] })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      process.stderr.write(text)
      if (text.includes('listening on')) resolve()
    })
  })
  await start()
  process.on('SIGHUP', () => {
    child.once('exit', async (status) => {
      await start()
      console.error('replaced, status ' + status)
    })
    child.kill('SIGTERM')
  })
  process.on('SIGTERM', () => {
    child.once('exit', (status) => process.exit(status))
    child.kill('SIGTERM')
  })
  console.error('holds it')`

/** As in the example, and without the pool of connections. */
const apaches = [
  {
    name: 'Apache, kept',
    kept: true,
    options: { config: 'apache-mod_proxy_fcgi/unix-socket.conf' },
  },
  {
    name: 'Apache, a connection each',
    kept: false,
    options: { extra: 'ProxyPass / "unix:${SOCKET}|fcgi://app/"' },
  },
]
const kinds: readonly { readonly name: string; readonly kept: boolean }[] = [...ways, ...apaches]
const width = 4
const rounds = process.env['FASTCGI_TEST_DEPLOYS'] === undefined ? 2 : 5

let core: CompiledCore
let run: string
let socketPath: string
let stops: (() => Promise<unknown>)[]

beforeEach(async () => {
  core = await compileCore()
  fs.chmodSync(core.folder, 0o755)
  run = writableFolder(core.folder, 'run')
  socketPath = path.join(run, 'app.sock')
  stops = []
})
afterEach(async () => {
  for (const stop of stops) await stop()
  killLeftovers()
  core.remove()
})

/** Every web server in front of the socket, and clients for each. */
async function startLoads(): Promise<Load[]> {
  const servers: WebServer[] = []
  for (const { server, setup } of ways) {
    const { web } = await startSite(server, setup, { app: core.folder, run })
    servers.push(web)
  }
  for (const { options } of apaches) {
    const apache = await startApache({
      modules: ['proxy', 'proxy_fcgi'],
      ...options,
      prepare: () => ({ APP: core.folder, SOCKET: socketPath }),
    })
    servers.push(apache)
  }
  stops.push(...servers.map((web) => () => web.stop()))
  const loads = kinds.map(({ kept }, n) => new Load((servers[n] as WebServer).port, kept, n))
  for (const load of loads) {
    const working = load.run(width)
    stops.unshift(() => {
      load.stop()
      return working
    })
  }
  await Promise.all(loads.map((load) => load.more(5 * width)))
  return loads
}

interface Lost {
  readonly get: number
  readonly post: number
}

/** What was not answered, by kind; all that was answered must be right, and all that the app was given answered. */
async function judge(loads: readonly Load[]): Promise<Map<string, Lost>> {
  for (const stop of stops.splice(0, loads.length)) await stop()
  const given = new Set(fs.readFileSync(path.join(run, 'numbers'), 'utf8').trim().split('\n'))
  const lost = new Map<string, Lost>()
  const wrong: string[] = []
  for (const [n, { name }] of kinds.entries()) {
    const faulty = (loads[n] as Load).asked.filter(({ fault }) => fault !== undefined)
    const of = (wanted: string): number => faulty.filter(({ method }) => method === wanted).length
    lost.set(name, { get: of('GET'), post: of('POST') })
    const bad = ({ number, fault = '' }: Asked): boolean =>
      given.has(number) || !/^(unanswered|status 50[23])/.test(fault)
    wrong.push(
      ...faulty
        .filter(bad)
        .map(({ number, method, fault }) => `${name}, ${method} ${number}: ${fault}`),
    )
  }
  expect(wrong).toEqual([])
  return lost
}

function total(loads: readonly Load[]): number {
  return loads.reduce((sum, { asked }) => sum + asked.length, 0)
}

function tell(what: string, loads: readonly Load[], lost: ReadonlyMap<string, Lost>): void {
  if (process.env['FASTCGI_TEST_DEPLOYS'] === undefined) return
  const parts = [...lost].map(([name, { get, post }]) => `${name}: ${get} GET, ${post} POST`)
  console.log(`${what}: ${total(loads)} requests; lost: ${parts.join('; ')}`)
}

describe('SIGTERM under load', () => {
  it('on a socket that outlives the process: no GET is lost, and no POST where connections are not kept', async () => {
    const listener = await listeningServer(socketPath)
    fs.chmodSync(socketPath, 0o666)
    const file = core.write('holder.mjs', holder)
    const args = [core.write('app.mjs', app)]
    const held = startNode({ file, args, more: [listener] })
    await held.waitForStderr(/holds it/)
    const loads = await startLoads()
    const stopped: [from: number, to: number][] = []
    for (let round = 1; round <= rounds; round++) {
      const before = held.stderr().length
      const from = performance.now()
      held.child.kill('SIGHUP')
      await until(
        () => /replaced, status 0/.test(held.stderr().slice(before)),
        () => held.stderr(),
      )
      stopped.push([from, performance.now()])
      await Promise.all(loads.map((load) => load.more(2 * width)))
    }
    const lost = await judge(loads)
    held.child.kill('SIGTERM')
    expect(await held.ended).toBe(0)
    tell(`${rounds} stops on a socket that stays`, loads, lost)
    for (const [n, { name, kept }] of kinds.entries()) {
      const { get, post } = lost.get(name)!
      // Apache sends no request again, and tries one on each connection of its pool.
      const most = name.startsWith('Apache') ? Infinity : rounds * width
      expect(get, name).toBeLessThanOrEqual(kept && most === Infinity ? most : 0)
      expect(post, name).toBeLessThanOrEqual(kept ? most : 0)
      const meanwhile = ({ begun, ended }: Asked): boolean =>
        stopped.some(([from, to]) => begun <= to && ended >= from)
      const faulty = (loads[n] as Load).asked.filter(({ fault }) => fault !== undefined)
      expect(faulty.filter((asked) => !meanwhile(asked))).toEqual([])
    }
  })

  it('on a socket of its own: what the app was given is answered whole, and what comes after is told 502 or 503', async () => {
    const file = core.write('app.mjs', app)
    const start = async (): Promise<NodeProcess> => {
      const started = startNode({
        file,
        env: { FASTCGI_LISTEN: socketPath, FASTCGI_SOCKET_MODE: '0666' },
      })
      await started.waitForStderr(/listening on/)
      return started
    }
    let current = await start()
    fs.chmodSync(socketPath, 0o666)
    const loads = await startLoads()
    for (let round = 1; round <= rounds; round++) {
      current.child.kill('SIGTERM')
      expect(await current.ended).toBe(0)
      expect(fs.existsSync(socketPath)).toBe(false)
      current = await start()
      fs.chmodSync(socketPath, 0o666)
      await Promise.all(loads.map((load) => load.more(8 * width)))
    }
    const lost = await judge(loads)
    tell(`${rounds} stops on a socket of its own`, loads, lost)
    for (const [n, { name }] of kinds.entries()) {
      const last = (loads[n] as Load).asked.slice(-width)
      expect(last.filter(({ fault }) => fault === undefined).length, name).toBeGreaterThan(0)
    }
    current.child.kill('SIGTERM')
    expect(await current.ended).toBe(0)
  })
})

describe("mod_fcgid's end of idle processes", () => {
  it('loses no request, GET or POST, though the next one comes while it happens', async () => {
    core.write('idle.mjs', app)
    const script = core.write('idle.fcgi', `#!${process.execPath}\nimport('./idle.mjs')\n`)
    fs.chmodSync(script, 0o755)
    const apache = await startApache({
      modules: ['fcgid'],
      // A process is told to end once it has been idle for a second.
      extra: `
        FcgidIdleTimeout 1
        FcgidIdleScanInterval 1
        FcgidMinProcessesPerClass 0
        FcgidErrorScanInterval 1
        FcgidZombieScanInterval 1
        FcgidSpawnScoreUpLimit 1000
        ScriptAlias / \${APP}/idle.fcgi/
        <Directory \${APP}>
          SetHandler fcgid-script
          Options +ExecCGI
          Require all granted
        </Directory>`,
      prepare: () => ({ APP: core.folder }),
    })
    stops.push(() => apache.stop())
    const faults: string[] = []
    const processes = new Set<string>()
    let asked = 0
    const ask = async (): Promise<void> => {
      const number = `0-${asked++}`
      const method = asked % 2 === 0 ? 'POST' : 'GET'
      const sent = method === 'POST' ? `body-of-${number}` : undefined
      const answer = await fetch(`http://127.0.0.1:${apache.port}/${number}`, {
        method,
        ...(sent === undefined ? {} : { body: sent }),
      }).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error: Error) => error.message,
      )
      const [status, repeated, body, pid = ''] = answer.split(' ')
      if (status !== '200' || repeated !== number || body !== (sent ?? ''))
        faults.push(`${method} ${number}: ${answer}`)
      processes.add(pid)
    }
    // Pauses a little longer each time, from before the end to after it.
    for (let n = 0; processes.size < 4 && n < 60; n++) {
      await Promise.all([ask(), ask(), ask()])
      await new Promise((resolve) => setTimeout(resolve, 900 + (n % 9) * 170))
    }
    expect(faults).toEqual([])
    expect(processes.size).toBeGreaterThanOrEqual(4)
    const given = fs.readFileSync(path.join(run, 'numbers'), 'utf8').trim().split('\n')
    expect(given.length).toBe(asked)
    expect(new Set(given).size).toBe(asked)
  })
})
