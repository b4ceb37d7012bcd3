/** How cost grows: with params, with the body's size, with connections, with requests in flight on one connection. */
import { AppProcess } from './app-process.ts'
import { CASES, type BenchCase } from './cases.ts'
import type { Site } from './nginx.ts'
import { cpuMicroseconds } from './process-figures.ts'
import { jobFor, type RoundContext } from './round.ts'
import { spread } from './statistics.ts'

/** One plot: microseconds of CPU per request over what grows. */
export interface GrowthSeries {
  readonly id: string
  readonly title: string
  readonly x: string
  readonly lines: readonly {
    readonly implementation: string
    readonly points: readonly (readonly [x: number, cpuMicros: number])[]
  }[]
}

interface Growth {
  readonly id: string
  readonly title: string
  readonly x: string
  readonly values: readonly number[]
  /** Requests in flight on one connection are FastCGI's alone. */
  readonly fastcgiOnly: boolean
  readonly shape: (value: number) => BenchCase
}

function caseOf(id: string): BenchCase {
  const found = CASES.find((one) => one.id === id)
  if (found === undefined) throw new RangeError(id)
  return found
}

const hello = caseOf('hello')
const upload = caseOf('upload')

const GROWTHS: readonly Growth[] = [
  {
    id: 'params',
    title: 'µs per request: params',
    x: 'params (nginx itself sends 19)',
    values: [10, 20, 40, 80, 120, 160, 200],
    fastcgiOnly: false,
    shape: (count) => ({
      ...hello,
      request: {
        ...hello.request,
        fewParams: count < 20,
        headers: [
          ...hello.request.headers,
          ...Array.from({ length: Math.max(0, count - 20) }, (_, i): [string, string] => [
            `X-Header-Number-${i}`,
            `value number ${i}`,
          ]),
        ],
      },
    }),
  },
  {
    id: 'body',
    title: 'µs per request: size of the body',
    x: 'bytes of body',
    values: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
    fastcgiOnly: false,
    shape: (bytes) => ({ ...upload, request: { ...upload.request, streamedBytes: bytes } }),
  },
  {
    id: 'connections',
    title: 'µs per request: connections',
    x: 'connections, one request in flight each',
    values: [1, 10, 100, 1000, 10_000],
    fastcgiOnly: false,
    shape: (connections) => ({ ...hello, connections }),
  },
  {
    id: 'in-flight',
    title: 'µs per request: in flight on one connection',
    x: 'requests in flight on one connection',
    values: [1, 10, 100, 1000],
    fastcgiOnly: true,
    shape: (inFlight) => ({ ...hello, connections: 1, inFlight }),
  },
]

async function point(
  context: RoundContext,
  benchCase: BenchCase,
  site: Site,
  app: AppProcess,
): Promise<number> {
  const job = jobFor(benchCase, 'direct', site, context.seconds)
  const before = cpuMicroseconds(app.pid)
  const { requests } = await context.client.run(job)
  return (cpuMicroseconds(app.pid) - before) / requests
}

/** Every growth for every site, in turn; the median of the rounds. */
export async function runGrowth(
  context: RoundContext,
  sites: readonly Site[],
  rounds: number,
): Promise<GrowthSeries[]> {
  const all: GrowthSeries[] = []
  for (const growth of GROWTHS) {
    context.log(growth.title)
    const part = sites.filter(
      ({ implementation }) => !growth.fastcgiOnly || implementation.multiplexes,
    )
    const found = new Map(part.map((site) => [site, [] as [number, number][]]))
    for (const value of growth.values) {
      const benchCase = growth.shape(value)
      const series = new Map(part.map((site) => [site, [] as number[]]))
      const apps = new Map<Site, AppProcess>()
      try {
        for (const site of part) {
          const command = site.implementation.command(
            context.folder,
            site.socket,
            context.start.node,
          )
          const app = await AppProcess.start(command, site.socket, context.start)
          apps.set(site, app)
          await point(context, { ...hello, connections: 16 }, site, app)
        }
        for (let round = 0; round < rounds; round++) {
          for (const [site, app] of apps)
            series.get(site)?.push(await point(context, benchCase, site, app))
        }
      } finally {
        for (const app of apps.values()) await app[Symbol.asyncDispose]()
      }
      for (const [site, values] of series) found.get(site)?.push([value, spread(values).median])
    }
    all.push({
      id: growth.id,
      title: growth.title,
      x: growth.x,
      lines: [...found].map(([site, points]) => ({
        implementation: site.implementation.id,
        points,
      })),
    })
  }
  return all
}
