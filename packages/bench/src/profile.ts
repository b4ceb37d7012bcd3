/** Where one implementation spends its time and what it allocates per request. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppProcess } from './app-process.ts'
import type { AllocatingFunction } from './apps/allocation-sampler.ts'
import type { BenchCase } from './cases.ts'
import type { JobResult } from './load/generator.ts'
import type { Site } from './nginx.ts'
import { columns } from './report/table.ts'
import { jobFor, type RoundContext } from './round.ts'

interface ProfileNode {
  readonly id: number
  readonly callFrame: { functionName: string; url: string; lineNumber: number }
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** `…/packages/core/dist/server/transport.js:12` becomes `core/dist/server/transport.js:12`. */
function shortLocation(location: string): string {
  return location
    .replace(/^file:\/\//, '')
    .replace(/^.*\/packages\//, '')
    .replace(/^.*\/node_modules\//, '')
}

/** Self time by function, largest first, as shares of the time that was not idle. */
function selfTimes(profile: CpuProfile): { name: string; share: number }[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node.callFrame]))
  const byPlace = new Map<string, number>()
  let busy = 0
  profile.samples.forEach((sample, i) => {
    const frame = nodes.get(sample)
    const time = profile.timeDeltas[i] ?? 0
    if (frame === undefined || frame.functionName === '(idle)') return
    busy += time
    const place = shortLocation(`${frame.url}:${frame.lineNumber + 1}`)
    const key = `${frame.functionName || '(anonymous)'}  ${frame.url === '' ? '' : place}`
    byPlace.set(key, (byPlace.get(key) ?? 0) + time)
  })
  return [...byPlace]
    .map(([name, time]) => ({ name, share: time / busy }))
    .toSorted((a, b) => b.share - a.share)
}

async function loaded(
  context: RoundContext,
  benchCase: BenchCase,
  site: Site,
  seconds: number,
): Promise<JobResult> {
  return context.client.run(jobFor(benchCase, 'direct', site, seconds))
}

async function cpu(context: RoundContext, benchCase: BenchCase, site: Site): Promise<string> {
  const folder = join(context.folder, `profile-${site.implementation.id}-${benchCase.id}`)
  mkdirSync(folder, { recursive: true })
  const command = site.implementation.command(context.folder, site.socket, context.start.node)
  const execArgv = ['--cpu-prof', '--cpu-prof-interval', '250', '--cpu-prof-dir', folder]
  {
    await using _app = await AppProcess.start(command, site.socket, { ...context.start, execArgv })
    await loaded(context, benchCase, site, context.seconds)
  }
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile')) ?? ''
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile
  const rows = selfTimes(profile)
    .slice(0, 30)
    .map(({ name, share }) => [name, `${(share * 100).toFixed(1)} %`])
  return columns([['function (self time, share of what is not idle)', ''], ...rows])
}

async function allocations(
  context: RoundContext,
  benchCase: BenchCase,
  site: Site,
): Promise<string> {
  const command = site.implementation.command(context.folder, site.socket, context.start.node)
  await using app = await AppProcess.start(command, site.socket, context.start)
  await loaded(context, benchCase, site, 1)
  await app.startAllocationSampling()
  const { requests } = await loaded(context, benchCase, site, context.seconds)
  const functions: AllocatingFunction[] = await app.stopAllocationSampling()
  const total = functions.reduce((sum, { bytes }) => sum + bytes, 0)
  const rows = functions
    .slice(0, 25)
    .map(({ name, location, bytes }) => [
      `${name}  ${shortLocation(location)}`,
      `${Math.round(bytes / requests)}`,
    ])
  return columns([
    [`allocations, bytes per ${benchCase.unit}: ${Math.round(total / requests)} in all`, ''],
    ...rows,
  ])
}

/** Profiles each site in one case, directly loaded; returns the report. */
export async function profile(
  context: RoundContext,
  benchCase: BenchCase,
  sites: readonly Site[],
): Promise<string> {
  const parts: string[] = []
  for (const site of sites) {
    parts.push(`${site.implementation.title}, ${benchCase.title}, directly`)
    parts.push(await cpu(context, benchCase, site), await allocations(context, benchCase, site))
  }
  return parts.join('\n\n')
}
