/** A whole run: who can take part, nginx in front of them, case after case, then the reports. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { barTable } from './bars.ts'
import { endWithThisProcess } from './children.ts'
import { CASES, type BenchCase, type Mode } from './cases.ts'
import { regressions } from './compare.ts'
import { runGrowth } from './growth.ts'
import { IMPLEMENTATIONS, otherBuild, type Implementation } from './implementations.ts'
import { LoadClient } from './load/load-client.ts'
import { wrkVersion } from './load/wrk.ts'
import { Nginx, nginxVersion, type Site } from './nginx.ts'
import { packagePath } from './program.ts'
import { growthChart, resultChart } from './report/charts.ts'
import { growthTable, resultTable } from './report/table.ts'
import type { Circumstances, Measurement, Results } from './results.ts'
import { profile } from './profile.ts'
import type { RoundContext } from './round.ts'
import { runCase, takesPart } from './rounds.ts'

/** What the command line decides. */
export interface RunOptions {
  /** `run`, `check`, `growth` or `profile`. */
  readonly command: string
  readonly quick: boolean
  readonly cases: readonly string[] | undefined
  readonly implementations: readonly string[] | undefined
  readonly modes: readonly Mode[] | undefined
  readonly node: string | undefined
  readonly rounds: number
  readonly seconds: number
  /** Other builds of @fastcgi/core, `NAME=FILE` each. */
  readonly also: readonly string[]
  readonly port: number
  readonly json: string | undefined
  readonly write: boolean
}

/** In a quick run the rivals stay out: their figures are in the recorded results. */
function wanted(options: RunOptions): Implementation[] {
  const ids = options.implementations ?? (options.command === 'growth' ? ['ours-raw'] : undefined)
  if (ids === undefined) {
    return IMPLEMENTATIONS.filter(({ id }) => !options.quick || /^(ours|http)-/.test(id))
  }
  const unknown = ids.find((id) => !IMPLEMENTATIONS.some((one) => one.id === id))
  if (unknown !== undefined) throw new RangeError(`no implementation is called ${unknown}`)
  const baselines = IMPLEMENTATIONS.filter(({ id }) => ids.includes(id)).map(
    ({ baseline }) => baseline,
  )
  return IMPLEMENTATIONS.filter(({ id }) => ids.includes(id) || baselines.includes(id))
}

function asked(options: RunOptions, site: Site): boolean {
  return options.implementations?.includes(site.implementation.id) ?? true
}

function wantedCases({ cases, quick }: RunOptions): BenchCase[] {
  const unknown = cases?.find((id) => !CASES.some((one) => one.id === id))
  if (unknown !== undefined) throw new RangeError(`no case is called ${unknown}`)
  return CASES.filter(
    ({ id, quick: inQuick }) => cases?.includes(id) ?? (!quick || inQuick !== undefined),
  )
}

/** A quick run leaves frameworks out where their share is the same as without: in transfers and streams. */
function inQuick(benchCase: BenchCase, site: Site, options: RunOptions): boolean {
  if (!options.quick || options.implementations !== undefined) return true
  return benchCase.quick?.includes(site.implementation.framework) ?? true
}

function circumstances(
  options: RunOptions,
  versions: { [name: string]: string },
  missing: { [name: string]: string },
): Circumstances {
  const node = options.node ?? process.execPath
  return {
    date: new Date().toISOString().slice(0, 16),
    node: execFileSync(node, ['--version'], { encoding: 'latin1' }).trim(),
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${type()} ${release()}`,
    rounds: options.rounds,
    secondsPerRound: options.seconds,
    versions,
    missing,
  }
}

/** Modes of a case in this run: a quick one takes the mode that its bar speaks of. */
function modesOf(benchCase: BenchCase, options: RunOptions, nginx: boolean): Mode[] {
  const possible = benchCase.modes.filter((mode) => mode === 'direct' || nginx)
  const chosen = possible.filter((mode) => options.modes?.includes(mode) ?? true)
  return options.quick && options.modes === undefined ? chosen.slice(0, 1) : chosen
}

/** @throws RangeError for a case or implementation that does not exist */
export async function runAll(options: RunOptions): Promise<void> {
  const versions: { [name: string]: string } = {}
  const missing: { [name: string]: string } = {}
  const nginx = nginxVersion()
  const wrk = wrkVersion()
  if (nginx === undefined) missing['nginx'] = 'not installed'
  else versions['nginx'] = nginx
  if (wrk !== undefined) versions['wrk'] = wrk
  const builds = options.also.flatMap((entry) =>
    ['raw', 'express', 'koa', 'fastify']
      .filter(
        (framework) =>
          options.implementations?.includes(`ours-${framework}`) ?? framework === 'raw',
      )
      .map((framework) => otherBuild(entry, framework)),
  )
  const here = [...wanted(options), ...builds].filter((implementation) => {
    const found = implementation.detect()
    if ('missing' in found) missing[implementation.title] = found.missing
    else if (found.version !== '') versions[implementation.title] = found.version
    return !('missing' in found)
  })
  const folder = mkdtempSync(join(tmpdir(), 'fastcgi-bench-'))
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true })
  endWithThisProcess(removeFolder)
  try {
    const sites = here.map((implementation, i): Site => ({
      implementation,
      port: options.port + i,
      socket: join(folder, `${implementation.id}.sock`),
    }))
    await using client = new LoadClient()
    await using _server = nginx === undefined ? undefined : await Nginx.start(folder, sites)
    const context: RoundContext = {
      folder,
      client,
      wrk: wrk !== undefined,
      seconds: options.seconds,
      start: { node: options.node ?? process.execPath, execArgv: [] },
      log: (line) => void process.stderr.write(`${line}\n`),
    }
    await act(context, sites, options, circumstances(options, versions, missing))
  } finally {
    removeFolder()
  }
}

async function act(
  context: RoundContext,
  sites: readonly Site[],
  options: RunOptions,
  facts: Circumstances,
): Promise<void> {
  const note = `Node ${facts.node}, ${facts.cpu}, ${facts.cores} cores, ${facts.date.slice(0, 10)}`
  if (options.command === 'profile') {
    for (const benchCase of wantedCases(options)) {
      const part = sites.filter((site) => takesPart(benchCase, site) && asked(options, site))
      process.stdout.write(`${await profile(context, benchCase, part)}\n`)
    }
  } else if (options.command === 'growth') {
    const series = await runGrowth(context, sites, options.rounds)
    process.stdout.write(`${growthTable(series)}\n${note}\n`)
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(series, null, 1))
    if (options.write) {
      record('growth.json', JSON.stringify({ circumstances: facts, series }, compact, 1))
      record('growth.svg', growthChart(series, note))
    }
  } else {
    const measurements: Measurement[] = []
    for (const benchCase of wantedCases(options)) {
      const modes = modesOf(benchCase, options, 'nginx' in facts.versions)
      const part = sites.filter(
        (site) => takesPart(benchCase, site) && inQuick(benchCase, site, options),
      )
      if (modes.length === 0 || part.length === 0) continue
      context.log(`${benchCase.title}: ${part.length} implementations, ${modes.join(' and ')}`)
      measurements.push(...(await runCase(context, benchCase, modes, part, options.rounds)))
    }
    report({ circumstances: facts, measurements }, options)
  }
}

/** Four digits are more than the noise leaves. */
function compact(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value)
    ? Number(value.toPrecision(4))
    : value
}

function record(name: string, content: string): void {
  const file = packagePath(`results/${name}`)
  writeFileSync(file, content)
  process.stderr.write(`written: ${file}\n`)
}

function report(results: Results, options: RunOptions): void {
  const { circumstances: facts, measurements } = results
  const versions = Object.entries(facts.versions).map(([name, version]) => `${name} ${version}`)
  const out = [
    resultTable(results),
    barTable(measurements, facts.node),
    `Node ${facts.node}; ${facts.system}, ${facts.cpu}, ${facts.cores} cores; ${facts.date}; ` +
      `${facts.rounds} rounds of ${facts.secondsPerRound} s; ratios: median (quartiles) of rounds in turn`,
    [...new Set(versions)].join(', '),
    ...Object.entries(facts.missing).map(([name, why]) => `${name}: ${why}`),
  ]
  process.stdout.write(`${out.join('\n\n')}\n`)
  const json = JSON.stringify(results, compact, 1)
  if (options.json !== undefined) writeFileSync(options.json, json)
  if (options.command === 'check') warn(results)
  if (options.write) {
    record('latest.json', json)
    record('latest.svg', resultChart(results))
  }
}

/** Compares with what was recorded; time alone never fails a build. */
function warn(results: Results): void {
  const file = packagePath('results/latest.json')
  if (!existsSync(file)) return
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as Results
  const worse = regressions(results, recorded)
  const against = `results/latest.json of ${recorded.circumstances.date}`
  if (worse.length === 0)
    process.stdout.write(`No ratio is worse than in ${against} by more than the noise.\n`)
  for (const text of worse) process.stdout.write(`WARNING: slower than in ${against}: ${text}\n`)
}
