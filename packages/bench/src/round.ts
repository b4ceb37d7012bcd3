/** One round of one case for one implementation: load it and read its figures, once. */
import { existsSync, rmSync } from 'node:fs'
import { request as httpGet } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { AppProcess, spawnApp, type StartOptions } from './app-process.ts'
import type { BenchCase, Mode } from './cases.ts'
import type { Job, JobResult } from './load/generator.ts'
import type { LoadClient } from './load/load-client.ts'
import { runWrk } from './load/wrk.ts'
import type { Site } from './nginx.ts'
import { cpuMicroseconds, peakBytes, resetPeak } from './process-figures.ts'
import type { Figures } from './results.ts'

/** What a round needs to know besides the case. */
export interface RoundContext {
  readonly folder: string
  readonly client: LoadClient
  readonly wrk: boolean
  readonly seconds: number
  readonly start: StartOptions
  readonly log: (line: string) => void
}

/** What a round that was not run gives. */
export const NO_FIGURES: Figures = {
  cpuMicros: Number.NaN,
  requestsPerSecond: Number.NaN,
  p50Millis: Number.NaN,
  p99Millis: Number.NaN,
  peakBytes: Number.NaN,
  special: Number.NaN,
}

/** The job for one site, directly or through its nginx port. */
export function jobFor(benchCase: BenchCase, mode: Mode, site: Site, seconds: number): Job {
  const { protocol, keepConnection, extraParams } = site.implementation
  const direct = mode === 'direct'
  const multiplexed = benchCase.inFlight > 1 && direct && protocol === 'fcgi'
  return {
    protocol: direct ? protocol : 'http',
    target: direct ? site.socket : site.port,
    request: benchCase.request,
    // HTTP/1.1 has one request at a time on a connection, so it gets as many connections as there are requests.
    connections: multiplexed ? benchCase.connections : benchCase.connections * benchCase.inFlight,
    inFlight: multiplexed ? benchCase.inFlight : 1,
    keepConnection: direct ? keepConnection : true,
    extraParams,
    seconds,
  }
}

async function load(
  context: RoundContext,
  benchCase: BenchCase,
  mode: Mode,
  site: Site,
  seconds: number,
): Promise<JobResult> {
  // wrk sends a body in one piece and reads no long answer to its end in a short round.
  const byWrk = mode === 'nginx' && context.wrk && benchCase.unit === 'request'
  if (!byWrk) return context.client.run(jobFor(benchCase, mode, site, seconds))
  return runWrk(context.folder, site.port, benchCase.request, benchCase.connections, seconds)
}

/** @throws Error when the answer through nginx is not the one that the case expects: nothing is worth timing then */
export async function check(benchCase: BenchCase, site: Site): Promise<void> {
  const { method, path, headers, body, streamedBytes } = benchCase.request
  const length = streamedBytes ?? body?.length
  const options = {
    host: '127.0.0.1',
    port: site.port,
    method,
    path,
    headers: {
      ...Object.fromEntries(headers),
      ...(length === undefined ? {} : { 'Content-Length': length }),
    },
    agent: false,
  } as const
  const received = await new Promise<number>((resolve, reject) => {
    const req = httpGet(options, (res) => {
      let bytes = 0
      res.on('data', (data: Buffer) => {
        bytes += data.length
      })
      res.on('end', () =>
        res.statusCode === 200 ? resolve(bytes) : reject(new Error(`status ${res.statusCode}`)),
      )
      res.on('error', reject)
    })
    req.on('error', reject)
    req.end(streamedBytes === undefined ? body : Buffer.alloc(streamedBytes, 'x'))
  })
  if (received !== benchCase.responseBytes) {
    throw new Error(`${received} bytes of body instead of ${benchCase.responseBytes}`)
  }
}

/** Load for some seconds; CPU is read right before and after. */
export async function loadRound(
  context: RoundContext,
  benchCase: BenchCase,
  mode: Mode,
  site: Site,
  app: AppProcess,
): Promise<Figures> {
  resetPeak(app.pid)
  const before = cpuMicroseconds(app.pid)
  const result = await load(context, benchCase, mode, site, context.seconds)
  const cpu = cpuMicroseconds(app.pid) - before
  return {
    ...NO_FIGURES,
    cpuMicros: cpu / result.requests / benchCase.unitsPerRequest,
    requestsPerSecond: result.requests / result.seconds,
    p50Millis: result.p50,
    p99Millis: result.p99,
    peakBytes: peakBytes(app.pid),
  }
}

/**
 * Resident memory of thousands of connections that have had one request each and now wait, in a process of its own each
 * time: memory that a process once had it seldom gives back. The young generation is kept at 1 MB: it grows by many more
 * under any load, and that would be divided among the connections.
 */
export async function idleRound(
  context: RoundContext,
  benchCase: BenchCase,
  site: Site,
): Promise<Figures> {
  const command = site.implementation.command(context.folder, site.socket, context.start.node)
  const execArgv = [...context.start.execArgv, '--expose-gc', '--max-semi-space-size=1']
  await using app = await AppProcess.start(command, site.socket, { ...context.start, execArgv })
  // The first connections pay for code and tables, so a few are opened and closed before.
  await context.client.run({ ...jobFor(benchCase, 'direct', site, 0), connections: 100 })
  await context.client.run({ ...jobFor(benchCase, 'direct', site, 0.5), connections: 1 })
  const before = await app.memory()
  await context.client.run(jobFor(benchCase, 'direct', site, 0))
  const after = await app.memory()
  await context.client.run({ ...jobFor(benchCase, 'direct', site, 0.1), connections: 1 })
  return {
    ...NO_FIGURES,
    special: (after.rss - before.rss) / benchCase.connections,
    peakBytes: after.rss,
  }
}

/** Milliseconds after which a start has failed. */
const START_LIMIT = 20_000

/** From the spawn to the first whole answer, asked for until it comes. */
export async function startRound(
  context: RoundContext,
  benchCase: BenchCase,
  site: Site,
): Promise<Figures> {
  const { implementation, socket } = site
  const command =
    implementation.minimal?.(socket) ??
    implementation.command(context.folder, socket, context.start.node)
  await using app = StartingApp.spawn(command, site, context.start)
  const job = { ...jobFor(benchCase, 'direct', site, 0), connections: 1 }
  const elapsed = (): number => performance.now() - app.startedAt
  // To ask again and again would take the second core away from what is measured.
  while (!existsSync(socket) && elapsed() < START_LIMIT) await delay(1)
  for (;;) {
    try {
      await context.client.run(job)
      return {
        ...NO_FIGURES,
        special: elapsed(),
        // A busy machine makes the time long, and not the work.
        cpuMicros: cpuMicroseconds(app.pid),
        peakBytes: peakBytes(app.pid),
      }
    } catch (error) {
      if (elapsed() > START_LIMIT) throw error
      await delay(1)
    }
  }
}

/** A process that is measured from before it answers. */
class StartingApp implements AsyncDisposable {
  readonly startedAt: number = performance.now()
  readonly #child: ReturnType<typeof spawnApp>

  private constructor(child: ReturnType<typeof spawnApp>) {
    this.#child = child
  }

  static spawn(
    command: Parameters<typeof spawnApp>[0],
    site: Site,
    options: StartOptions,
  ): StartingApp {
    rmSync(site.socket, { force: true })
    return new StartingApp(spawnApp(command, options))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await gone
  }
}
