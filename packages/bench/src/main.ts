/** The command line: `pnpm bench [run|growth|profile|micro|workers] [options]`. */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { programPath } from './program.ts'
import { runAll, type RunOptions } from './run.ts'

const HELP = `FastCGI for Node.js: benchmarks

  pnpm bench                     every case and everyone who is installed (about half an hour)
  pnpm bench --quick             under two minutes: hello, JSON, transfers, streams, memory, start
  pnpm bench growth              how cost grows with params, body size, connections, requests in flight
  pnpm bench profile             where one implementation spends its time and what it allocates
  pnpm bench micro               the hot functions alone (mitata)
  pnpm bench workers             four workers beside node:cluster with node:http, through nginx (--impl: one of ours-…)
  pnpm bench check               the quick run, compared with results/latest.json; warns, never fails

Options
  --case ID[,ID]                 only these: hello json post upload download events connections64 multiplex idle start
  --impl ID[,ID]                 only these; node:http of the same app is added by itself
                                 ours-raw ours-express ours-koa ours-fastify, http-…, node-fastcgi-raw,
                                 node-fastcgi-express, floor, go, php-fpm, libfcgi,
                                 passenger (hello and json only)
  --mode nginx|direct            only through nginx, or only by the load generator directly
  --node PATH                    the Node binary that runs the applications (default: this one)
  --also NAME=FILE               another build of @fastcgi/core (its index.js) beside this one; may be repeated
  --rounds N, --seconds S        rounds per implementation and seconds each (default 7 and 2; quick 3 and 0.8)
  --port N                       first of the ports that nginx takes (default 21400)
  --otel                         the applications run with OpenTelemetry's http instrumentation
  --write                        also write results/latest.json and the charts
  --json FILE                    write the results there
  --help

Examples
  pnpm bench --case hello,json --impl ours-raw,ours-express --mode nginx --rounds 11
  pnpm bench --quick --node /opt/node-24/bin/node
  pnpm bench profile --case json --impl ours-raw
  pnpm bench workers --impl ours-express
`

const COMMANDS: readonly string[] = ['run', 'check', 'growth', 'profile']

/** A process of its own: its collections must not meet the runner's heap. */
function runMicro(index: string | undefined): void {
  const args = ['--expose-gc', '--max-semi-space-size=64', programPath('micro/micro')]
  spawnSync(process.execPath, index === undefined ? args : [...args, index], { stdio: 'inherit' })
}

/** @throws RangeError for an implementation that has no workers */
function frameworkOf(implementation: string): string {
  const framework = /^ours-(raw|express|koa|fastify)$/.exec(implementation)?.[1]
  if (framework !== undefined) return framework
  throw new RangeError(
    `workers are compared for one of ours-raw, -express, -koa, -fastify, not ${implementation}`,
  )
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      case: { type: 'string' },
      impl: { type: 'string' },
      mode: { type: 'string' },
      node: { type: 'string' },
      also: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      port: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      otel: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  // The applications inherit it.
  if (values.otel) process.env['BENCH_OTEL'] = '1'
  const [command = 'run'] = positionals
  if (command === 'micro') {
    runMicro(values.also[0]?.split('=')[1])
    return
  }
  if (command === 'workers') {
    const { runWorkers } = await import('./workers.ts')
    await runWorkers({
      framework: frameworkOf(values.impl ?? 'ours-raw'),
      node: values.node,
      rounds: Number(values.rounds ?? 11),
      seconds: Number(values.seconds ?? 1),
      port: Number(values.port ?? 21_400),
      json: values.json,
    })
    return
  }
  if (!COMMANDS.includes(command))
    throw new RangeError(`no command is called ${command}; try --help`)
  const quick = values.quick || command === 'check'
  const options: RunOptions = {
    command,
    quick,
    cases: values.case?.split(',') ?? (command === 'profile' ? ['hello'] : undefined),
    implementations: values.impl?.split(',') ?? (command === 'profile' ? ['ours-raw'] : undefined),
    modes: values.mode === undefined ? undefined : [values.mode === 'direct' ? 'direct' : 'nginx'],
    node: values.node,
    also: values.also,
    rounds: Number(values.rounds ?? (quick || command === 'growth' ? 3 : 7)),
    seconds: Number(values.seconds ?? (quick || command === 'growth' ? 0.8 : 2)),
    port: Number(values.port ?? 21_400),
    json: values.json,
    write: values.write,
  }
  await runAll(options)
}

await main()
