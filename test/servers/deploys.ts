/**
 * Four ways to the same workers at once, nginx and HAProxy with and without kept connections, while the app is deployed
 * again and again, workers are killed, and one deploy does not load. Every request has a number; the app notes each
 * number it is given, so it shows what was answered, what was not, and what was done twice.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'

import { compileCore } from '../support/compiled-core.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import { until } from '../support/until.ts'
import { findProgram, writableFolder } from '../support/web-server.ts'
import { haproxy } from './programs/haproxy.ts'
import { nginx } from './programs/nginx.ts'
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
}

/** What became of the requests of one way. */
export interface Tally {
  /** Answered once and rightly. */
  well: number
  /** Unanswered, or answered 502 to 504, while a worker was killed: what it had in hand. */
  killed: number
  /** The same while none was killed, on a kept connection: the window that FastCGI leaves. GET and POST apart. */
  windowGet: number
  windowPost: number
  /** Answered rightly by a second run of the app: the web server has sent the request again. */
  repeated: number
  /** Everything else. */
  readonly wrong: string[]
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
  }),
}
/** The ways to the app. */
export const ways: readonly {
  readonly name: string
  readonly kept: boolean
  readonly server: Server
  readonly setup: Setup
}[] = [
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

/** A kill and its consequences: milliseconds. */
const aftermath = 3000

/** Carries the plan out. */
export async function deploys(plan: Plan): Promise<Outcome> {
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
    for (const { server, setup } of ways) {
      sites.push(await startSite(server, setup, { app: core.folder, run }))
    }
    const started = performance.now()
    const loads = ways.map(({ kept }, i) => new Load((sites[i] as RunningSite).port, kept, i))
    const working = loads.map((load) => load.run(plan.width))
    const wrks = sites.filter((_, i) => i % 2 === 0).map((site) => startWrk(site, programs))
    const { kills, reloads } = await happen(plan, app, module, loads)
    for (const load of loads) load.stop()
    await Promise.all(working)
    const beside = await Promise.all(wrks.map((wrk) => wrk.stop()))
    const seconds = (performance.now() - started) / 1000
    const noted = fs.readFileSync(path.join(run, 'numbers'), 'utf8').trim().split('\n')
    const tallies = loads.map((load) => load.judge(noted, kills))
    return {
      ways: new Map(ways.map(({ name }, i) => [name, tallies[i] as Tally])),
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

/** One request, and what became of it. */
export interface Asked {
  readonly number: string
  readonly method: 'GET' | 'POST'
  readonly begun: number
  ended: number
  fault: string | undefined
}

/** Clients on one way. */
export class Load {
  readonly versions: Set<string> = new Set()
  readonly #port: number
  readonly #kept: boolean
  readonly #way: number
  readonly #asked: Asked[] = []
  readonly #waiting: { at: number; resolve: () => void }[] = []
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
  #done = 0
  #stopped = false

  constructor(port: number, kept: boolean, way: number) {
    this.#port = port
    this.#kept = kept
    this.#way = way
  }

  async run(width: number): Promise<void> {
    await Promise.all(Array.from({ length: width }, () => this.#client()))
    this.#agent.destroy()
  }

  stop(): void {
    this.#stopped = true
  }

  /** All that was asked so far. */
  get asked(): readonly Asked[] {
    return this.#asked
  }

  /** Resolves once so many more have been answered, or failed. */
  more(requests: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ at: this.#done + requests, resolve }))
  }

  async #client(): Promise<void> {
    while (!this.#stopped) {
      const method = this.#asked.length % 4 === 3 ? 'POST' : 'GET'
      const number = `${this.#way}-${this.#asked.length}`
      const asked: Asked = { number, method, begun: performance.now(), ended: 0, fault: undefined }
      this.#asked.push(asked)
      const body = method === 'POST' ? `body-of-${number}` : ''
      try {
        const { status, text } = await this.#ask(method, number, body)
        const [repeated, echoed, name = ''] = text.split(' ')
        if (status !== 200) asked.fault = `status ${status}`
        else if (repeated !== number || echoed !== body) asked.fault = `wrong: ${text.slice(0, 80)}`
        else this.versions.add(name)
      } catch (error) {
        asked.fault = `unanswered: ${(error as Error).message}`
      }
      asked.ended = performance.now()
      this.#done += 1
      for (const { at, resolve } of this.#waiting) if (this.#done >= at) resolve()
    }
  }

  #ask(method: string, number: string, body: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const options = { port: this.#port, host: '127.0.0.1', agent: this.#agent }
      const request = http.request(
        { ...options, method, path: `/${number}`, headers: { 'Content-Length': body.length } },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (part: string) => (text += part))
          response.once('error', reject)
          response.once('end', () => resolve({ status: response.statusCode ?? 0, text }))
        },
      )
      request.once('error', reject)
      request.end(body)
    })
  }

  judge(noted: readonly string[], kills: readonly number[]): Tally {
    const runs = new Map<string, number>()
    for (const number of noted) runs.set(number, (runs.get(number) ?? 0) + 1)
    const tally = { well: 0, killed: 0, windowGet: 0, windowPost: 0, repeated: 0, wrong: [] }
    for (const asked of this.#asked)
      judgeOne(asked, runs.get(asked.number) ?? 0, tally, kills, this.#kept)
    return tally
  }
}

function judgeOne(
  { number, method, begun, ended, fault }: Asked,
  runs: number,
  tally: Tally,
  kills: readonly number[],
  kept: boolean,
): void {
  const atKill = kills.some((at) => ended >= at && begun <= at + aftermath)
  const lost = fault !== undefined && /^(unanswered|status 50[234])/.test(fault)
  if (fault === undefined && runs === 1) tally.well += 1
  else if (fault === undefined && runs > 1 && method === 'GET' && (atKill || kept)) {
    tally.repeated += 1
  } else if (lost && atKill) tally.killed += 1
  else if (lost && kept && method === 'GET') tally.windowGet += 1
  else if (lost && kept) tally.windowPost += 1
  else tally.wrong.push(`${method} ${number}: ${fault ?? 'answered'}, run ${runs} times`)
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
