/**
 * Four workers beside node:cluster with node:http and as many: throughput and CPU through the same nginx, on 64 kept
 * connections and with a connection for each request. `pnpm bench workers`.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CASES, HELLO, type BenchCase } from './cases.ts'
import { endWithThisProcess, track } from './children.ts'
import { IMPLEMENTATIONS, type Implementation } from './implementations.ts'
import { runWrk, wrkVersion } from './load/wrk.ts'
import { Nginx, nginxVersion, type Site } from './nginx.ts'
import { cpuMicroseconds } from './process-figures.ts'
import { programPath } from './program.ts'
import { pairedRatio, spread, type Spread } from './statistics.ts'

/** What the command line decides. */
export interface WorkersOptions {
  /** `raw`, `express`, `koa` or `fastify`: the app of both pools. */
  readonly framework: string
  readonly node: string | undefined
  readonly rounds: number
  readonly seconds: number
  readonly port: number
  readonly json: string | undefined
}

const WORKERS = 4
const CONNECTIONS = 64

type PoolId = 'ours' | 'http'

/** Who is compared, in the order of a round; each pair is divided. */
const CONTESTANTS: readonly { readonly id: PoolId; readonly kept: boolean }[] = [
  { id: 'ours', kept: true },
  { id: 'http', kept: true },
  { id: 'ours', kept: false },
  { id: 'http', kept: false },
]

const HELLO_CASE = CASES.find(({ id }) => id === 'hello') as BenchCase

interface Round {
  readonly requestsPerSecond: number
  readonly cpuMicros: number
  readonly p99Millis: number
}

function siteOf(id: PoolId, kept: boolean, port: number, socket: string): Site {
  const of = IMPLEMENTATIONS.find((one) => one.id === `${id}-raw`) as Implementation
  return { implementation: { ...of, keepConnection: kept }, port, socket }
}

async function start(
  id: PoolId,
  socket: string,
  { node, framework }: WorkersOptions,
): Promise<ChildProcess> {
  const child = track(
    spawn(
      node ?? process.execPath,
      [programPath('apps/pool-app'), id, framework, socket, String(WORKERS)],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, NODE_ENV: 'production' },
      },
    ),
  )
  for (let waited = 0; !existsSync(socket); waited += 20) {
    if (child.exitCode !== null || waited > 20_000) throw new Error(`${id} did not start`)
    await delay(20)
  }
  return child
}

/** The socket is there before the workers are. */
async function firstAnswer({ port }: Site): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 50) {
    const answer = await fetch(`http://127.0.0.1:${port}${HELLO_CASE.request.path}`).catch(
      () => undefined,
    )
    if (answer && (await answer.text()) === HELLO) return
    await delay(50)
  }
  throw new Error(`no answer on port ${port}`)
}

/** @throws Error where nginx or wrk is missing */
export async function runWorkers(options: WorkersOptions): Promise<void> {
  if (nginxVersion() === undefined || wrkVersion() === undefined) {
    throw new Error('nginx and wrk are needed: apt-get install nginx-core wrk')
  }
  const folder = mkdtempSync(join(tmpdir(), 'fastcgi-bench-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  endWithThisProcess(remove)
  const sockets = { ours: join(folder, 'ours.sock'), http: join(folder, 'http.sock') }
  const pools = {
    ours: await start('ours', sockets.ours, options),
    http: await start('http', sockets.http, options),
  }
  const sites = CONTESTANTS.map(({ id, kept }, i) =>
    siteOf(id, kept, options.port + i, sockets[id]),
  )
  await using _nginx = await Nginx.start(folder, sites)
  for (const site of sites) await firstAnswer(site)
  const rounds = await takeRounds(options, folder, sites, pools)
  const text = table(rounds)
  const node = execFileSync(options.node ?? process.execPath, ['--version'], { encoding: 'latin1' })
  process.stdout.write(
    `${text}\n\n${options.framework}; Node ${node.trim()}, nginx ${nginxVersion()}, ${cpus().length} × ${cpus()[0]?.model}, ` +
      `${new Date().toISOString().slice(0, 10)}; ${WORKERS} workers each, ${CONNECTIONS} connections, ` +
      `${options.rounds} rounds of ${options.seconds} s in turn; median (quartiles)\n`,
  )
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(rounds, null, 1))
  for (const pool of Object.values(pools)) pool.kill()
  remove()
}

async function takeRounds(
  { rounds: count, seconds }: WorkersOptions,
  folder: string,
  sites: readonly Site[],
  pools: Readonly<Record<PoolId, ChildProcess>>,
): Promise<Round[][]> {
  const { request } = HELLO_CASE
  const rounds: Round[][] = CONTESTANTS.map(() => [])
  for (let round = -1; round < count; round += 1) {
    const order = [...CONTESTANTS.entries()]
    // There and back; the first round warms up.
    for (const [i, { id }] of round % 2 === 0 ? order : order.toReversed()) {
      const pid = pools[id].pid ?? 0
      const { port } = sites[i] as Site
      const before = cpuMicroseconds(pid)
      const result = await runWrk(folder, port, request, CONNECTIONS, seconds)
      if (round < 0) continue
      rounds[i]?.push({
        requestsPerSecond: result.requests / result.seconds,
        cpuMicros: (cpuMicroseconds(pid) - before) / result.requests,
        p99Millis: result.p99,
      })
    }
  }
  return rounds
}

const FIGURES = [
  { key: 'requestsPerSecond', title: 'requests a second', digits: 0 },
  { key: 'cpuMicros', title: 'CPU of all processes, µs a request', digits: 0 },
  { key: 'p99Millis', title: '99th percentile, ms', digits: 1 },
] as const

function table(rounds: readonly (readonly Round[])[]): string {
  const lines = ['| | | workers | node:cluster, node:http | ratio |', '|---|---|---|---|---|']
  for (const [i, title] of [
    [0, 'kept connections'],
    [2, 'a connection each'],
  ] as const) {
    for (const { key, title: figure, digits } of FIGURES) {
      const [ours = [], theirs = []] = [i, i + 1].map((at) => rounds[at]?.map((one) => one[key]))
      const cells = [spread(ours), spread(theirs)].map((one) => written(one, digits))
      lines.push(
        `| ${title} | ${figure} | ${cells.join(' | ')} | ${written(pairedRatio(ours, theirs), 2)} |`,
      )
    }
  }
  return lines.join('\n')
}

function written({ median, low, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`
}
