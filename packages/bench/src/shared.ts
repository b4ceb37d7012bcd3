/**
 * What a relay costs (option `shared`): start, memory, CPU per request and per megabyte, beside the process that runs the
 * app itself; and the memory of 20 slow requests at once, each through a process of its own, as mod_fcgid starts them.
 * `node packages/bench/dist/shared.js`, on Linux, once the packages are built.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { request } from '@fastcgi/core/client'
import { cpuMicroseconds } from './process-figures.ts'

const rounds = 5
const requests = 2000
const width = 20
const megabytes = 100

const folder = mkdtempSync(join(tmpdir(), 'fcgi-shared-bench-'))
const privateFolder = join(folder, 'private')
const resolved = (name: string): string => fileURLToPath(import.meta.resolve(name))

const scripts = {
  app: scriptOf('app', '@fastcgi/express', '{ shared: false }'),
  full: scriptOf('full', '@fastcgi/express', '{ shared: true }'),
  light: scriptOf(
    'light',
    '@fastcgi/core/shared',
    `{ adapt: async (app) => (await import('${resolved('@fastcgi/express')}')).adapt(app) }`,
  ),
  bare: write('bare.cjs', `require('net').createServer((s) => s.end()).listen({ fd: 0 })\n`),
}

function write(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

function scriptOf(name: string, entry: string, options: string): string {
  write(
    'app.mjs',
    `import { createRequire } from 'node:module'
const express = createRequire('${import.meta.filename}')('express')
const app = express()
const waiting = []
const piece = Buffer.alloc(65536, 'x')
app.get('/', (req, res) => res.send('hello'))
app.get('/together', (req, res) => { if (waiting.push(res) === ${width}) for (const each of waiting.splice(0)) each.send('') })
app.get('/hold', (req, res) => { res.write('x') })
app.get('/down', (req, res) => {
  let left = ${(megabytes << 20) / 65_536}
  const more = () => { while (left > 0) { left--; if (!res.write(piece)) return void res.once('drain', more) } res.end() }
  more()
})
export default app
`,
  )
  return write(
    `${name}.cjs`,
    `const { serve } = require('${resolved(entry)}')\nserve(() => import('./app.mjs'), ${options})\n`,
  )
}

interface Started {
  readonly child: ChildProcess
  readonly socketPath: string
  readonly at: number
}

let sockets = 0

async function start(script: string): Promise<Started> {
  const socketPath = join(folder, `${(sockets += 1)}.sock`)
  const server = createServer().listen(`${socketPath}.bound`)
  await once(server, 'listening')
  renameSync(`${socketPath}.bound`, socketPath)
  const at = performance.now()
  const { _handle } = server as unknown as { _handle: 'inherit' }
  const child = spawn(process.execPath, [script], {
    stdio: [_handle, 'ignore', 'ignore'],
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', FASTCGI_SHARED_DIR: privateFolder },
  })
  server.close()
  return { child, socketPath, at }
}

async function get({ socketPath }: Started, path: string): Promise<void> {
  const response = await request({ socketPath, path })
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`)
  await response.discard()
}

function hosts(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const environment = readFileSync(`/proc/${Number(name)}/environ`, 'latin1')
      return environment.includes(`FASTCGI_SHARED_HOST=${privateFolder}/`) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

async function end(all: readonly Started[]): Promise<void> {
  for (const { child } of all) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  for (const pid of hosts()) process.kill(pid, 'SIGKILL')
}

/** Megabytes. */
function memory(pid: number | undefined): { rss: number; pss: number; own: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  const of = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(text)?.[1]) / 1024
  return { rss: of('Rss'), pss: of('Pss'), own: of('Private_Clean') + of('Private_Dirty') }
}

function median(values: number[]): number {
  return values.sort((left, right) => left - right)[values.length >> 1] as number
}

async function measureStart(): Promise<void> {
  for (const [name, script] of Object.entries(scripts)) {
    const [times, own, pss, rss]: number[][] = [[], [], [], []]
    // A relay of a host that is there already: the first of all starts that.
    const first = name === 'bare' ? undefined : await start(script)
    if (first) await get(first, '/')
    for (let round = 0; round < rounds; round += 1) {
      const started = await start(script)
      const answer = await request({ socketPath: started.socketPath, path: '/' }).catch(() => {})
      await answer?.discard()
      times?.push(performance.now() - started.at)
      const figures = memory(started.child.pid)
      own?.push(figures.own)
      pss?.push(figures.pss)
      rss?.push(figures.rss)
      started.child.kill('SIGKILL')
      await once(started.child, 'exit')
    }
    console.log(
      `${name.padEnd(6)} start to first answer ${median(times ?? []).toFixed(0)} ms; private ${median(own ?? []).toFixed(1)} MB, PSS ${median(pss ?? []).toFixed(1)} MB, RSS ${median(rss ?? []).toFixed(1)} MB`,
    )
    await end(first ? [first] : [])
  }
}

async function measureLoad(): Promise<void> {
  for (const name of ['app', 'full', 'light'] as const) {
    const started = await start(scripts[name])
    const pid = started.child.pid as number
    for (let i = 0; i < requests; i += 1) await get(started, '/')
    const each: number[] = []
    const perMegabyte: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      each.push(await cpuOf(pid, requests, () => get(started, '/')))
      perMegabyte.push((await cpuOf(pid, 1, () => get(started, '/down'))) / megabytes)
    }
    console.log(
      `${name.padEnd(6)} CPU of all processes: ${median(each).toFixed(0)} µs a request, ${median(perMegabyte).toFixed(0)} µs a MB down`,
    )
    await end([started])
  }
}

/** Microseconds; the host is a child of the relay that has started it. */
async function cpuOf(pid: number, times: number, work: () => Promise<void>): Promise<number> {
  const before = cpuMicroseconds(pid)
  for (let i = 0; i < times; i += 1) await work()
  return (cpuMicroseconds(pid) - before) / times
}

async function measureTogether(): Promise<void> {
  for (const name of ['app', 'full', 'light'] as const) {
    const all = await Promise.all(Array.from({ length: width }, () => start(scripts[name])))
    // A response that has begun and goes on, in each of them.
    await Promise.all(
      all.map(async ({ socketPath }) => {
        const { status } = await request({ socketPath, path: '/hold' })
        if (status !== 200) throw new Error(`/hold: ${status}`)
      }),
    )
    const pids = [...all.map(({ child }) => child.pid), ...hosts()]
    const sum = pids.reduce<number>((total, pid) => total + memory(pid).pss, 0)
    console.log(
      `${name.padEnd(6)} ${width} slow requests: ${pids.length} processes, PSS ${sum.toFixed(0)} MB in all`,
    )
    await end(all)
  }
}

process.once('exit', () => {
  for (const pid of hosts()) process.kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}`)
await measureStart()
await measureLoad()
await measureTogether()
process.exit()
