/**
 * Four ways to the same workers at once, nginx and HAProxy with and without kept connections, while the app is deployed
 * again and again, workers are killed, and one deploy does not load. Every request has a number; the app notes each
 * number it is given, so it shows what was answered, what was not, and what was done twice.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'

import { compileCore } from '../support/compiled-core.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import { until } from '../support/until.ts'
import { findProgram, writableFolder } from '../support/web-server.ts'
import { haproxy } from './programs/haproxy.ts'
import { nginx } from './programs/nginx.ts'
import { Load, type Tally } from './numbered-load.ts'
import { startSite, type RunningSite, type Server, type Setup } from './setup.ts'

/** How much happens. */
export interface Plan {
  readonly workers: number
  readonly reloads: number
  readonly kills: number
  /** Requests at once on each way. */
  readonly width: number
  /** Milliseconds from the begin of one reload to that of the next; one that takes longer is made up for. */
  readonly pace: number
  /** More load beside, by wrk. */
  readonly wrk: boolean
}

export interface Outcome {
  readonly ways: ReadonlyMap<string, Tally>
  /** Kills that happened, and deploys whose code has answered. */
  readonly kills: number
  readonly versions: ReadonlySet<string>
  /** What wrk saw beside that, where it is installed: a line for each server. */
  readonly beside: readonly string[]
  readonly seconds: number
  /** From the signal to the last worker replaced, of each reload: milliseconds. */
  readonly reloads: readonly number[]
}

const haproxyKept: Setup = {
  server: 'haproxy',
  file: 'haproxy.cfg',
  moves: () => ({
    'timeout connect 5s':
      'timeout connect 5s\n    retries 3\n    retry-on conn-failure empty-response',
    // Without this a POST is sent again, too, when its worker is killed, and done twice.
    'default_backend myapp':
      'http-request disable-l7-retry unless METH_GET\n    default_backend myapp',
  }),
}
/** A way to the app. */
export interface Way {
  readonly name: string
  readonly kept: boolean
  readonly server: Server
  readonly setup: Setup
}

/** All of them. */
export const ways: readonly Way[] = [
  {
    name: 'nginx, a connection each',
    kept: false,
    server: nginx,
    setup: { server: 'nginx', file: 'minimal.conf' },
  },
  {
    name: 'nginx, kept',
    kept: true,
    server: nginx,
    setup: { server: 'nginx', file: 'site.conf' },
  },
  {
    name: 'HAProxy, a connection each',
    kept: false,
    server: haproxy,
    setup: {
      server: 'haproxy',
      file: 'haproxy.cfg',
      moves: () => ({ '    option keep-conn': '    no option keep-conn' }),
    },
  },
  { name: 'HAProxy, kept', kept: true, server: haproxy, setup: haproxyKept },
]

/** Notes each request, and answers with its number, what was sent, and the version. */
const version = (name: string): string => `
  import fs from 'node:fs'
  const log = new URL('./run/numbers', import.meta.url)
  export default (req, res) => {
    const number = req.url.slice(1)
    if (number === 'wrk') return res.end('wrk')
    fs.appendFileSync(log, number + '\\n')
    let body = ''
    req.on('data', (part) => (body += part)).on('end', () => res.end(number + ' ' + body + ' ${name}'))
  }`

/** Carries the plan out. */
export async function deploys(plan: Plan, used: readonly Way[] = ways): Promise<Outcome> {
  const core = await compileCore()
  fs.chmodSync(core.folder, 0o755)
  const run = writableFolder(core.folder, 'run')
  const module = core.write('app.mjs', version('v0'))
  const file = core.write(
    'serve.mjs',
    `import { serve } from '@fastcgi/core'
     serve(() => import('./app.mjs'), { workers: ${plan.workers} })`,
  )
  const app = await startFastcgiApp({ file, listen: path.join(run, 'app.sock') })
  const sites: RunningSite[] = []
  const programs: ChildProcess[] = []
  try {
    for (const { server, setup } of used) {
      sites.push(await startSite(server, setup, { app: core.folder, run }))
    }
    const started = performance.now()
    const loads = used.map(({ kept }, i) => new Load((sites[i] as RunningSite).port, kept, i))
    const working = loads.map((load) => load.run(plan.width))
    const wrks = sites
      .filter((_, i) => plan.wrk && i % 2 === 0)
      .map((site) => startWrk(site, programs))
    const { kills, reloads } = await happen(plan, app, module, loads)
    for (const load of loads) load.stop()
    await Promise.all(working)
    const beside = await Promise.all(wrks.map((wrk) => wrk.stop()))
    const seconds = (performance.now() - started) / 1000
    const noted = fs.readFileSync(path.join(run, 'numbers'), 'utf8').trim().split('\n')
    const tallies = loads.map((load) => load.judge(noted, kills))
    return {
      ways: new Map(used.map(({ name }, i) => [name, tallies[i] as Tally])),
      kills: kills.length,
      versions: new Set(loads.flatMap((load) => [...load.versions])),
      beside: beside.flat(),
      seconds,
      reloads,
    }
  } finally {
    for (const program of programs) program.kill('SIGKILL')
    for (const { web } of sites) await web.stop()
    await app.stop()
    core.remove()
  }
}

/** Deploys and kills in turn; one deploy in the middle is broken. Gives when was killed, and what each reload took. */
async function happen(
  plan: Plan,
  app: FastcgiApp,
  module: string,
  loads: readonly Load[],
): Promise<{ kills: number[]; reloads: number[] }> {
  const kills: number[] = []
  const reloads: number[] = []
  const broken = Math.ceil(plan.reloads / 2)
  // The first code has been seen.
  await Promise.all(loads.map((load) => load.more(plan.width)))
  const begun = performance.now()
  for (let n = 1; n <= plan.reloads; n += 1) {
    if (n === broken) await deploy(app, module, 'export default (', /the old workers go on/)
    const deployed = performance.now()
    await deploy(app, module, version(`v${n}`), /reloaded: \d+ workers? replaced/)
    reloads.push(performance.now() - deployed)
    await Promise.all(loads.map((load) => load.more(plan.width)))
    // Spread over the reloads.
    if (Math.floor((n * plan.kills) / plan.reloads) > kills.length) {
      kills.push(performance.now())
      const before = app.log().length
      process.kill(workerOf(app), 'SIGKILL')
      await until(
        () => /ended \(SIGKILL\)/.test(app.log().slice(before)),
        () => `the end of a worker in ${app.log().slice(before)}`,
      )
      await Promise.all(loads.map((load) => load.more(plan.width)))
    }
    const left = n * plan.pace - (performance.now() - begun)
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left))
  }
  return { kills, reloads }
}

async function deploy(app: FastcgiApp, module: string, text: string, done: RegExp): Promise<void> {
  const before = app.log().length
  fs.writeFileSync(module, text)
  process.kill(app.pid, 'SIGHUP')
  await until(
    () => done.test(app.log().slice(before)),
    () => `${String(done)} in ${app.log().slice(before)}`,
    60_000,
  )
}

/** The youngest: older ones may be leaving. */
function workerOf({ pid }: FastcgiApp): number {
  const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return Number(children.at(-1))
}

/** More load beside, which only counts what was not answered by 200. */
function startWrk(
  { port, name }: RunningSite,
  programs: ChildProcess[],
): { stop(): Promise<string[]> } {
  let wrk: string
  try {
    wrk = findProgram('wrk', 'apt-get install wrk')
  } catch {
    return { stop: () => Promise.resolve([]) }
  }
  const child = spawn(wrk, ['-t1', '-c4', '-d600s', `http://127.0.0.1:${port}/wrk`])
  programs.push(child)
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  return {
    async stop() {
      const closed = once(child, 'close')
      child.kill('SIGINT')
      await closed
      const of = (pattern: RegExp): string => pattern.exec(out)?.[1] ?? '0'
      const all = of(/(\d+) requests in/)
      const bad = of(/Non-2xx or 3xx responses: (\d+)/)
      const cut = of(/Socket errors: (.*)/)
      return [`wrk, ${name}: ${all} answers, ${bad} of them not 200, socket errors: ${cut}`]
    },
  }
}
