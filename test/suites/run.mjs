// Runs the test suite of a framework or a middleware with every request going client -> nginx -> app, once over HTTP and
// once over FastCGI, and names each test that passes on node:http and not here. See README.md.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { startNginx } from './nginx.mjs'
import { makeRunner } from './runners.mjs'

const usage = `Usage: node test/suites/run.mjs [options] FOLDER [FILE...]

FOLDER is a checkout of the framework with its dependencies installed; FILEs (default: its test files) are below it.

  --runner NAME   node (default: node:test), mocha, tap, jest
  --args TEXT     more arguments for the runner
  --node PATH     the Node.js to run it with (default: this one)
  --ports N       first of 80 ports to use (default 23700)
  --timeout S     seconds a file may take (default 120)
  --together      all files in one process, where the runner can: faster
  --again N       how often a lost test is tried again on both sides (default 2)
  --json FILE     write the results there`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runner: { type: 'string', default: 'node' },
    args: { type: 'string', default: '' },
    node: { type: 'string', default: process.execPath },
    ports: { type: 'string', default: '23700' },
    timeout: { type: 'string', default: '120' },
    again: { type: 'string', default: '2' },
    json: { type: 'string' },
    together: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [folder, ...given] = positionals
if (folder === undefined || values.help) {
  console.log(usage)
  process.exit(values.help ? 0 : 64)
}

const count = 20
const suite = path.resolve(folder)
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-suite-'))
const extra = values.args.split(' ').filter((word) => word !== '')

const runner = makeRunner(values.runner, suite, extra)
if (runner === undefined) {
  console.log(usage)
  process.exit(64)
}

function testFiles() {
  if (given.length > 0) return given
  const roots = ['test', 'tests', '__tests__'].filter((name) =>
    fs.existsSync(path.join(suite, name)),
  )
  const all = roots.flatMap((name) =>
    fs
      .readdirSync(path.join(suite, name), { recursive: true })
      .map((file) => path.join(name, String(file)))
      .filter(
        (file) => /\.[cm]?[jt]s$/.test(file) && !/fixture|node_modules|support|helper/.test(file),
      ),
  )
  const named = all.filter((file) => /\.test\.[cm]?[jt]s$/.test(file))
  return (named.length > 0 ? named : all).sort()
}

/** Runs one file; resolves with name -> { passed, error }, names that occur twice told apart by a number. */
async function runFile(side, place, label) {
  const those = values.together ? files : [label]
  const report = path.join(scratch, 'report')
  fs.rmSync(report, { force: true })
  const settings = { side, folder: place, first: Number(values.ports), count }
  const child = spawn(
    values.node,
    runner.args(
      those.map((file) => path.join(suite, file)),
      report,
    ),
    {
      cwd: suite,
      env: {
        ...process.env,
        PATH: `${path.dirname(values.node)}:${process.env.PATH}`,
        NODE_OPTIONS: `--require ${new URL('preload.cjs', import.meta.url).pathname}`,
        FASTCGI_SUITE: JSON.stringify(settings),
        // What their own test commands set.
        NODE_ENV: 'test',
        TAP: '1',
      },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  // The whole group: a suite starts processes of its own.
  const group = -(/** @type {number} */ (child.pid))
  const kill = () => process.kill(group, 'SIGKILL')
  running.add(kill)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += part))
  let late = false
  const timer = setTimeout(
    () => {
      late = true
      kill()
    },
    Number(values.timeout) * 1000,
  )
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  running.delete(kill)
  const text = fs.existsSync(report) ? fs.readFileSync(report, 'utf8') : ''
  let results = []
  try {
    results = runner.read(text, output)
  } catch {
    // No report: told by the line below.
  }
  const seen = new Map()
  for (const { name, passed, error } of results) {
    let unique = `${label}: ${name}`
    for (let at = 2; seen.has(unique); at++) unique = `${label}: ${name} (${at})`
    seen.set(unique, { passed, error })
  }
  const whole = !late && (code === 0 || results.some(({ passed }) => !passed))
  seen.set(`${label}: the file as a whole`, {
    passed: whole,
    error: late ? 'took too long' : whole ? undefined : output.slice(-3000),
  })
  return seen
}

/** What runs, to be ended with us. */
const running = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const stop of running) stop()
    fs.rmSync(scratch, { recursive: true, force: true })
    process.exit(1)
  })
}

async function runSide(side, files) {
  const place = path.join(scratch, side)
  const nginx = await startNginx(side, place, Number(values.ports), count)
  const results = new Map()
  running.add(nginx.stop)
  try {
    for (const [at, file] of files.entries()) {
      progress(`${side}: ${at + 1} of ${files.length} ${file}`)
      for (const [name, result] of await runFile(side, place, file)) results.set(name, result)
    }
    progress('')
    return { results, requests: nginx.requests() }
  } finally {
    running.delete(nginx.stop)
    await nginx.stop()
  }
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r${text}\x1b[K`)
}

const fileOf = (name) => name.slice(0, name.indexOf(': '))
const passes = (results, name) => results.get(name)?.passed === true

const files = testFiles()
const labels = values.together ? ['all'] : files
const http = await runSide('http', labels)
const fastcgi = await runSide('fastcgi', labels)
let lost = [...http.results.keys()].filter(
  (name) => passes(http.results, name) && !passes(fastcgi.results, name),
)
const first = lost
for (let round = 0; round < Number(values.again) && lost.length > 0; round++) {
  const some = [...new Set(lost.map(fileOf))]
  const there = await runSide('http', some)
  const here = await runSide('fastcgi', some)
  lost = lost.filter((name) => passes(there.results, name) && !passes(here.results, name))
}

const number = (results, passed) =>
  [...results.values()].filter((each) => each.passed === passed).length
for (const [side, { results, requests }] of Object.entries({ http, fastcgi })) {
  console.log(
    `${side}: ${number(results, true)} passed, ${number(results, false)} failed, ${requests} requests through nginx`,
  )
}
const gained = [...fastcgi.results.keys()].filter(
  (name) => passes(fastcgi.results, name) && http.results.get(name)?.passed === false,
)
console.log(
  `${gained.length} pass over FastCGI only; ${first.length - lost.length} were lost once and not again`,
)
console.log(`${lost.length} pass over HTTP only, each time:`)
for (const name of lost) console.log(`  ${name}\n${indented(fastcgi.results.get(name)?.error)}`)
if (values.json) {
  const text = JSON.stringify({
    lost,
    gained,
    http: [...http.results],
    fastcgi: [...fastcgi.results],
  })
  fs.writeFileSync(values.json, text)
}
fs.rmSync(scratch, { recursive: true, force: true })
process.exitCode = lost.length === 0 ? 0 : 1

function indented(text) {
  return String(text ?? 'no result')
    .split('\n')
    .slice(0, 7)
    .map((line) => `      ${line}`)
    .join('\n')
}
