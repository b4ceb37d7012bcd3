/**
 * What a relay costs (option `shared`, with and without workers): start, memory, CPU per request and per megabyte, beside
 * the process that runs the app itself; and the memory of 20 slow requests at once, each through a process of its own, as
 * mod_fcgid starts them. In rounds in which each comes once. `node packages/bench/dist/shared.js`, on Linux, once the
 * packages are built.
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

const rounds = 9
const requests = 1000
const width = 20
const megabytes = 100

const folder = mkdtempSync(join(tmpdir(), 'fcgi-shared-bench-'))
const privateFolder = join(folder, 'private')
const resolved = (name: string): string => fileURLToPath(import.meta.resolve(name))

const scripts = {
  app: scriptOf('app', '@fastcgi/express', '{ shared: false }'),
  full: scriptOf('full', '@fastcgi/express', '{ shared: true }'),
  light: scriptOf('light', '@fastcgi/core/shared', light('')),
  workers: scriptOf('workers', '@fastcgi/core/shared', light(', workers: 2')),
  bare: write('bare.cjs', `require('net').createServer((s) => s.end()).listen({ fd: 0 })\n`),
}

function light(more: string): string {
  const adapter = resolved('@fastcgi/express')
  return `{ adapt: async (app) => (await import('${adapter}')).adapt(app)${more} }`
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

/** Hosts, and their workers. */
function hosts(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const environment = readFileSync(`/proc/${Number(name)}/environ`, 'latin1')
      const marks = [
        `FASTCGI_SHARED_HOST=${privateFolder}/`,
        `FASTCGI_SHARED_WORKER=${privateFolder}`,
      ]
      return marks.some((mark) => environment.includes(mark)) ? [Number(name)] : []
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
  const all = Object.entries(scripts).map(([name, script]) => {
    return { name, script, times: [0], cpu: [0], own: [0], pss: [0], rss: [0] }
  })
  // A relay of a host that is there already: the first of all starts that.
  const first = await Promise.all(
    all.filter(({ name }) => name !== 'bare').map(({ script }) => start(script)),
  )
  for (const each of first) await get(each, '/')
  for (let round = 0; round < rounds; round += 1) {
    for (const { script, times, cpu, own, pss, rss } of all) {
      const started = await start(script)
      const answer = await request({ socketPath: started.socketPath, path: '/' }).catch(() => {})
      await answer?.discard()
      times[round] = performance.now() - started.at
      cpu[round] = cpuMicroseconds(started.child.pid as number) / 1000
      const figures = memory(started.child.pid)
      own[round] = figures.own
      pss[round] = figures.pss
      rss[round] = figures.rss
      started.child.kill('SIGKILL')
      await once(started.child, 'exit')
    }
  }
  for (const { name, times, cpu, own, pss, rss } of all) {
    console.log(
      `${name.padEnd(8)} start to first answer ${median(times).toFixed(0)} ms, ${median(cpu).toFixed(0)} ms of CPU; private ${median(own).toFixed(1)} MB, PSS ${median(pss).toFixed(1)} MB, RSS ${median(rss).toFixed(1)} MB`,
    )
  }
  await end(first)
}

async function measureLoad(): Promise<void> {
  const all = await Promise.all(
    (['app', 'full', 'light', 'workers'] as const).map(async (name) => {
      const started = await start(scripts[name])
      for (let i = 0; i < requests; i += 1) await get(started, '/')
      return { name, started, each: [0], perMegabyte: [0] }
    }),
  )
  for (let round = 0; round < rounds; round += 1) {
    for (const { started, each, perMegabyte } of all) {
      const pid = started.child.pid as number
      each[round] = await cpuOf(pid, requests, () => get(started, '/'))
      perMegabyte[round] = (await cpuOf(pid, 1, () => get(started, '/down'))) / megabytes
    }
  }
  for (const { name, each, perMegabyte } of all) {
    console.log(
      `${name.padEnd(8)} CPU of all processes: ${median(each).toFixed(0)} µs a request, ${median(perMegabyte).toFixed(0)} µs a MB down`,
    )
  }
  await end(all.map(({ started }) => started))
}

/** Microseconds; the host is a child of the relay that has started it. */
async function cpuOf(pid: number, times: number, work: () => Promise<void>): Promise<number> {
  const before = cpuMicroseconds(pid)
  for (let i = 0; i < times; i += 1) await work()
  return (cpuMicroseconds(pid) - before) / times
}

async function measureTogether(): Promise<void> {
  for (const name of ['app', 'full', 'light', 'workers'] as const) {
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
      `${name.padEnd(8)} ${width} slow requests: ${pids.length} processes, PSS ${sum.toFixed(0)} MB in all`,
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
