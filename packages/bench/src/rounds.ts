/**
 * One case in one mode: every implementation in turn, round after round, so that whatever else the machine does falls
 * on all of them.
 */
import { AppProcess } from './app-process.ts'
import type { BenchCase, Mode } from './cases.ts'
import type { Site } from './nginx.ts'
import { cpuByProgram } from './process-figures.ts'
import { FIGURES, type Figures, type Measurement } from './results.ts'
import { check, idleRound, loadRound, NO_FIGURES, startRound, type RoundContext } from './round.ts'
import { pairedRatio, spread } from './statistics.ts'

/** Starts in each round: one takes a fifth of a second, and by its chance up to 10 ms more or less than the next. */
const STARTS = 5

interface Contestant {
  readonly site: Site
  readonly app: AppProcess | undefined
  readonly rounds: Figures[]
  /** Why it takes no further part: it answered with errors. */
  failure: string | undefined
}

/** A round whose figures are kept, or NaN from the moment that an implementation answers with errors. */
async function tryRound(
  context: RoundContext,
  benchCase: BenchCase,
  mode: Mode,
  contestant: Contestant,
): Promise<Figures> {
  if (contestant.failure !== undefined) return NO_FIGURES
  try {
    return await oneRound(context, benchCase, mode, contestant)
  } catch (error) {
    contestant.failure = (error as Error).message
    context.log(`${benchCase.id}: ${contestant.site.implementation.id}: ${contestant.failure}`)
    return NO_FIGURES
  }
}

async function oneRound(
  context: RoundContext,
  benchCase: BenchCase,
  mode: Mode,
  { site, app }: Contestant,
): Promise<Figures> {
  if (benchCase.kind === 'idle') return idleRound(context, benchCase, site)
  if (app === undefined) return startRound(context, benchCase, site)
  return loadRound(context, benchCase, mode, site, app)
}

async function open(context: RoundContext, benchCase: BenchCase, site: Site): Promise<Contestant> {
  const command = site.implementation.command(context.folder, site.socket, context.start.node)
  if (benchCase.kind !== 'load') return { site, app: undefined, rounds: [], failure: undefined }
  const app = await AppProcess.start(command, site.socket, context.start)
  return { site, app, rounds: [], failure: undefined }
}

/** Who the CPU time went to, where several programs count together as one implementation. */
function logShares(context: RoundContext, benchCase: BenchCase, { site, app }: Contestant): void {
  const programs = [...cpuByProgram(app?.pid ?? 0)]
  if (programs.length < 2) return
  const total = programs.reduce((sum, [, micros]) => sum + micros, 0)
  const shares = programs.map(([name, micros]) => `${name} ${Math.round((micros / total) * 100)} %`)
  context.log(
    `${benchCase.id}: ${site.implementation.id}: CPU since its start: ${shares.join(', ')}`,
  )
}

/** Runs one case in all its modes and gives one measurement per implementation and mode. */
export async function runCase(
  context: RoundContext,
  benchCase: BenchCase,
  modes: readonly Mode[],
  sites: readonly Site[],
  rounds: number,
): Promise<Measurement[]> {
  const found: Measurement[] = []
  const contestants: Contestant[] = []
  try {
    for (const site of sites) {
      try {
        const contestant = await open(context, benchCase, site)
        contestants.push(contestant)
        if (benchCase.kind === 'load' && modes.includes('nginx')) await check(benchCase, site)
      } catch (error) {
        context.log(
          `${benchCase.id}: ${site.implementation.id} left out: ${(error as Error).message}`,
        )
        const failed = contestants.at(-1)
        if (failed?.site === site) {
          contestants.pop()
          await failed.app?.[Symbol.asyncDispose]()
        }
      }
    }
    for (const mode of modes) {
      const times = benchCase.kind === 'start' ? rounds * STARTS : rounds
      await runRounds(context, benchCase, mode, contestants, times)
      found.push(...summarise(benchCase, mode, contestants))
      for (const contestant of contestants) {
        contestant.rounds.length = 0
        contestant.failure = undefined
      }
    }
    for (const contestant of contestants) logShares(context, benchCase, contestant)
  } finally {
    for (const { app } of contestants) await app?.[Symbol.asyncDispose]()
  }
  return found
}

async function runRounds(
  context: RoundContext,
  benchCase: BenchCase,
  mode: Mode,
  contestants: readonly Contestant[],
  rounds: number,
): Promise<void> {
  if (benchCase.kind === 'load') {
    for (const contestant of contestants) await tryRound(context, benchCase, mode, contestant)
  }
  for (let round = 0; round < rounds; round++) {
    // There and back again: nobody always runs right after the same neighbour.
    const order = round % 2 === 0 ? contestants : contestants.toReversed()
    for (const contestant of order) {
      contestant.rounds.push(await tryRound(context, benchCase, mode, contestant))
    }
  }
}

function summarise(
  benchCase: BenchCase,
  mode: Mode,
  contestants: readonly Contestant[],
): Measurement[] {
  const series = (rounds: readonly Figures[], name: keyof Figures): number[] =>
    rounds.map((figures) => figures[name])
  return contestants.map(({ site, rounds }) => {
    const baseline = contestants.find(
      (other) => other.site.implementation.id === site.implementation.baseline,
    )
    const all = <T>(make: (name: keyof Figures) => T): { [name in keyof Figures]: T } =>
      Object.fromEntries(FIGURES.map((name) => [name, make(name)])) as {
        [name in keyof Figures]: T
      }
    return {
      caseId: benchCase.id,
      mode,
      implementation: site.implementation.id,
      unit: benchCase.unit,
      figures: all((name) => spread(series(rounds, name))),
      ratios:
        baseline === undefined
          ? undefined
          : all((name) => pairedRatio(series(rounds, name), series(baseline.rounds, name))),
    }
  })
}

/** Whether an implementation takes part in a case. */
export function takesPart(benchCase: BenchCase, { implementation }: Site): boolean {
  if (benchCase.inFlight > 1 && implementation.protocol === 'fcgi' && !implementation.multiplexes)
    return false
  if (
    benchCase.frameworks !== undefined &&
    !benchCase.frameworks.includes(implementation.framework)
  )
    return false
  if (benchCase.kind !== 'load' && !implementation.onNode) return false
  if (benchCase.kind === 'idle' && !implementation.keepConnection) return false
  return implementation.cases === undefined || implementation.cases.includes(benchCase.id)
}
