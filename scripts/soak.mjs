// `npm run soak -- --minutes 30`: mixed load through nginx and HAProxy, every body checked, and what the serving process
// holds, over time, as lines and as a plot. Ends with status 1 when an answer was wrong or a curve is not flat.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

import { root } from './run.mjs'
import { build, install } from './setup.mjs'
import { Load } from './soak/load.mjs'
import { plot } from './soak/plot.mjs'
import { startServers } from './soak/servers.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    clients: { type: 'string', default: '16' },
    reload: { type: 'string', default: '3' },
    out: { type: 'string', default: 'soak.svg' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(`Usage: npm run soak -- [--minutes 10] [--clients 16] [--reload 3] [--out soak.svg]

--clients: through each server. --reload: minutes from one replacement of the worker to the next; 0: never.`)
  process.exit(0)
}
if (!(await install()) || !(await build())) process.exit(1)

const core = path.join(root, 'packages', 'core', 'dist')
const { request } = await import(pathToFileURL(path.join(core, 'client.js')).href)
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-soak-'))
const socketPath = path.join(folder, 'app.sock')
const started = performance.now()
const seconds = () => (performance.now() - started) / 1000

const app = spawn(process.execPath, [path.join(root, 'scripts', 'soak', 'app.mjs')], {
  stdio: ['ignore', 'ignore', 'inherit'],
  env: {
    PATH: process.env.PATH,
    NODE_ENV: 'production',
    FASTCGI_LISTEN: socketPath,
    SOAK_CORE: path.join(core, 'index.js'),
    SOAK_LOG: path.join(folder, 'app.log'),
  },
})
let servers = []
const clean = () => {
  app.kill('SIGKILL')
  // By SIGTERM: an nginx that is killed leaves its worker.
  for (const { child } of servers) child.kill('SIGTERM')
  fs.rmSync(folder, { recursive: true, force: true })
}
process.once('exit', clean)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

async function figures() {
  const response = await request({ socketPath, path: '/figures', headers: { host: 'figures' } })
  return JSON.parse(await response.text())
}
for (let n = 0; ; n++) {
  try {
    await figures()
    break
  } catch (error) {
    if (n === 100) throw error
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
servers = await startServers(folder, socketPath)
if (servers.length === 0) {
  console.error('Neither nginx nor HAProxy could be started: apt-get install nginx haproxy')
  process.exit(1)
}

let reloadedAt = -Infinity
const end = seconds() + Number(values.minutes) * 60
const over = () => seconds() > end
const loads = servers.map(({ name, port }) => Object.assign(new Load(port), { name }))
for (const load of loads) load.reloading = () => seconds() - reloadedAt < 10
const working = Promise.all(loads.map((load) => load.run(Number(values.clients), over)))

const samples = []
const marks = []
let pid = 0
while (!over()) {
  await new Promise((resolve) => setTimeout(resolve, 5000))
  const now = await figures().catch(() => undefined)
  if (now === undefined) continue
  const latencies = loads.flatMap((load) => load.latencies.splice(0)).sort((a, b) => a - b)
  const p99 = latencies[Math.floor(latencies.length * 0.99)] ?? 0
  samples.push({ at: seconds(), p99, ...now })
  pid ||= now.pid
  const sum = (key) => loads.reduce((total, load) => total + load[key], 0)
  const errors = loads.reduce((total, load) => total + load.errors.length, 0)
  console.log(
    `${seconds().toFixed(0).padStart(6)} s  rss ${(now.rss / 1048576).toFixed(0)} MiB  heap ${(now.heapUsed / 1048576).toFixed(0)} MiB  fds ${now.fds}  p99 ${p99.toFixed(0)} ms  well ${sum('done')}  aborted ${sum('aborted')}  excused ${sum('excused')}  wrong ${errors}`,
  )
  if (
    Number(values.reload) > 0 &&
    seconds() - Math.max(0, reloadedAt) > Number(values.reload) * 60
  ) {
    reloadedAt = seconds()
    marks.push(reloadedAt)
    app.kill('SIGHUP')
  }
}
await working

const curve = (key, scale = 1) => samples.map((sample) => [sample.at, sample[key] / scale])
fs.writeFileSync(
  values.out,
  plot(
    `${values.minutes} min through ${servers.map(({ name }) => name).join(' and ')}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`,
    [
      { title: 'Resident memory', unit: 'MiB', values: curve('rss', 1048576) },
      { title: 'Heap', unit: 'MiB', values: curve('heapUsed', 1048576) },
      { title: 'Descriptors', unit: 'open', values: curve('fds') },
      { title: '99th percentile of answers', unit: 'ms', values: curve('p99') },
    ],
    marks,
  ),
)
console.log(`\nplot: ${values.out}`)

/** The last quarter against the second one, of the processes in turn: what grows without end shows in that. */
function median(list) {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0
}
const quarter = Math.floor(samples.length / 4)
let flat = true
for (const [key, slack] of [
  ['rss', 32 * 1048576],
  ['heapUsed', 16 * 1048576],
  ['fds', 40],
]) {
  const early = median(samples.slice(quarter, 2 * quarter).map((sample) => sample[key]))
  const late = median(samples.slice(-quarter).map((sample) => sample[key]))
  const grown = late > early * 1.25 + slack
  if (grown) flat = false
  console.log(
    `${key}: ${early} in the second quarter, ${late} in the last${grown ? ': NOT FLAT' : ''}`,
  )
}
for (const load of loads) {
  console.log(
    `${load.name}: ${load.done} well, ${load.aborted} of them left by us, ${load.excused} excused, ${load.errors.length} wrong`,
  )
  for (const error of load.errors.slice(0, 10)) console.log(`  ${error}`)
}
app.kill('SIGTERM')
const status = await new Promise((resolve) => app.once('exit', resolve))
console.log(`the app ended with status ${status}`)
const wrong = loads.some((load) => load.errors.length > 0)
process.exit(flat && !wrong && status === 0 ? 0 : 1)
