// `npm test`: everything, from a fresh clone. Installs, builds, checks, brings the web servers, runs
// all tests, and ends with one line, "N passed, N failed". What could not run is a failure that says
// how to make it run, never a silence.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs, stripVTControlCharacters } from 'node:util'

import { audit } from './audit.mjs'
import { environment, root, run, step } from './run.mjs'
import { build, install } from './setup.mjs'
import * as nodes from './test-nodes.mjs'
import * as webServers from './web-servers.mjs'

const help = `Usage: npm test [-- options] [FILTER...]

Options:
  --only GROUP   only this group, may be repeated: checks, unit, servers, package, nodes
  --help         this text

Groups
  checks    lint, format, types
  unit      everything that needs no web server          (npm run test:unit)
  servers   starts real web servers; installs them with apt-get when run as root
  package   packs the packages, installs the tarballs elsewhere
  nodes     the unit group on Node.js ${nodes.versions.join(', ')}

With CI in the environment two things follow: the registry is asked for known weaknesses of what is
installed (npm run audit), and the quick benchmark runs (npm run bench -- check), which fails nothing.

A FILTER is a part of a test file's path, as vitest takes it.`

const groupNames = ['checks', 'unit', 'servers', 'package', 'nodes']
const { values, positionals: filters } = parse()
if (values.help) {
  console.log(help)
  process.exit(0)
}
const wanted = new Set(values.only ?? groupNames)
const unknown = [...wanted].find((name) => !groupNames.includes(name))
if (unknown !== undefined) {
  console.error(`Unknown group ${unknown}.\n\n${help}`)
  process.exit(64)
}

/** However badly a test hangs, the table and the closing line come before anyone's patience ends. */
const deadline = Date.now() + 75 * 60_000

/** One row a group: { name, passed, failed, note }. */
const rows = []
const bin = (name) => path.join(root, 'node_modules', '.bin', name)
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-test-'))
const env = testEnvironment()

if (!(await install())) finish('dependencies could not be installed')
if (!(await build())) finish('the packages could not be built')
if (wanted.has('checks')) {
  await check('lint', bin('oxlint'), ['--type-aware', '--deny-warnings'])
  await check('what nobody uses', bin('knip'), ['--no-progress'])
  await check('format', bin('oxfmt'), ['--check'])
  await check('types', bin('tsc'), ['-p', 'tsconfig.test.json'])
}
if (wanted.has('unit')) await vitest('unit', process.execPath, 'unit', filters, 900_000)
if (wanted.has('package')) await vitest('package', process.execPath, 'package', filters, 600_000)
if (wanted.has('servers')) await servers()
if (wanted.has('nodes')) await otherNodes()
if (process.env.CI && values.only === undefined && filters.length === 0) {
  await weaknesses()
  await bench()
}
finish()

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        only: { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    console.error(`${error.message}\n\n${help}`)
    return process.exit(64)
  }
}

/** The caller's environment without what would steer the programs under test. */
function testEnvironment() {
  const steers = /^(FASTCGI_|LISTEN_|NOTIFY_SOCKET$|WATCHDOG_|PORT$|NODE_ENV$|GATEWAY_INTERFACE$)/
  return Object.fromEntries(Object.entries(environment()).filter(([name]) => !steers.test(name)))
}

async function check(name, command, args) {
  const { code } = await step(`Checking ${name}`, () => run(command, args, { env }))
  rows.push({ name, passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 })
}

/** Runs one vitest project under `node` and counts from its JSON report. */
async function vitest(name, node, project, files, limit) {
  const timeout = Math.min(limit, deadline - Date.now())
  if (timeout <= 0) {
    rows.push({ name, passed: 0, failed: 1, note: 'NOT RUN: what ran before took all the time' })
    return
  }
  const report = path.join(scratch, `${name.replaceAll(' ', '-')}.json`)
  const args = [
    path.join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...files,
  ]
  // Tests that start `node` or a script with `env node` mean the Node under test.
  const PATH = `${path.dirname(node)}:${env.PATH ?? ''}`
  const { code, output } = await step(`Testing ${name}`, () =>
    run(node, args, { env: { ...env, PATH }, show: 'all', timeout }),
  )
  const row = { name, ...count(report, code) }
  if (code === 124)
    row.note = `took longer than ${timeout / 1000} s; not at their end: ${unended(project, output)}`
  rows.push(row)
}

/** The test files of a project that vitest had not named as done: one of them hangs. */
function unended(project, output) {
  const ended = stripVTControlCharacters(output)
  return ['packages', 'examples', 'test']
    .flatMap((folder) =>
      fs
        .readdirSync(path.join(root, folder), { recursive: true })
        .map((file) => path.posix.join(folder, file)),
    )
    .filter((file) => file.endsWith('.test.ts') && !/node_modules|dist\//.test(file))
    .filter((file) => file.startsWith('test/servers/') === (project === 'servers'))
    .filter((file) => !ended.includes(`${file} (`))
    .join(', ')
}

function count(report, code) {
  if (!fs.existsSync(report)) return { passed: 0, failed: 1, note: 'vitest gave no report' }
  const json = JSON.parse(fs.readFileSync(report, 'utf8'))
  const notes = []
  let failed = json.numFailedTests
  // A file that failed as a whole has no test to count.
  for (const file of json.testResults) {
    const counted = file.assertionResults.some(({ status }) => status === 'failed')
    if (file.status !== 'failed' || counted) continue
    failed += 1
    notes.push(`${path.relative(root, file.name)} failed as a whole`)
  }
  for (const file of json.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'passed') continue
      if (test.status === 'failed') {
        notes.push(`failed: ${path.relative(root, file.name)}: ${test.fullName}`)
        continue
      }
      failed += 1
      notes.push(`skipped: ${path.relative(root, file.name)}: ${test.fullName}`)
    }
  }
  if (json.numPassedTests + failed === 0) {
    failed = 1
    notes.push('no test ran')
  }
  if (code !== 0 && failed === 0) {
    failed = 1
    notes.push(code === 124 ? 'took too long' : `vitest ended with exit code ${code}`)
  }
  const more = notes.length - 30
  if (more > 0) notes.splice(30, more, `... and ${more} more, see above`)
  return { passed: json.numPassedTests, failed, note: notes.join('\n') }
}

/** Not every registry answers this, which is no fault of the code: that has a row, but counts as nothing. */
async function weaknesses() {
  const { code, line } = await step('Asking for known weaknesses', () => audit())
  rows.push({ name: 'audit', passed: code === 0 ? 1 : 0, failed: code === 1 ? 1 : 0, note: line })
}

/** Prints ratios and warnings. It has no row: how fast a busy machine is does not make code wrong. */
async function bench() {
  const main = path.join(root, 'packages', 'bench', 'dist', 'main.js')
  await step('Measuring', () =>
    run(process.execPath, [main, 'check'], { env, show: 'all', timeout: 300_000 }),
  )
}

async function servers() {
  const missing = await webServers.bringWebServers()
  const folder = path.join(root, 'test', 'servers')
  const files = fs.existsSync(folder)
    ? fs
        .readdirSync(folder, { recursive: true })
        .filter((file) => file.endsWith('.test.ts'))
        .map((file) => path.posix.join('test/servers', file))
        .filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)))
    : []
  const { able, notRun } = webServers.splitByServer(files, missing)
  for (const file of notRun) {
    const note = `NOT RUN: ${missing.map(({ name }) => name).join(', ')} missing; as root: ${webServers.installLine()}`
    rows.push({ name: file, passed: 0, failed: 1, note })
  }
  if (able.length > 0 || files.length === 0) {
    await vitest('servers', process.execPath, 'servers', able, 1_800_000)
  }
}

async function otherNodes() {
  for (const { version, node, reason } of await nodes.bringNodes()) {
    const name = `unit on Node ${version}`
    if (node) await vitest(name, node, 'unit', filters, 600_000)
    else rows.push({ name, passed: 0, failed: 1, note: `NOT RUN: ${reason}` })
  }
}

/** Prints the table and the closing line, and ends the process. */
function finish(fatal) {
  fs.rmSync(scratch, { recursive: true, force: true })
  if (fatal) rows.push({ name: 'setup', passed: 0, failed: 1, note: `NOT RUN: ${fatal}` })
  console.log('')
  const width = Math.max(...rows.map(({ name }) => name.length))
  for (const { name, passed, failed, note } of rows) {
    const word = failed > 0 ? 'FAILED' : passed > 0 ? 'ok    ' : '?     '
    console.log(`${name.padEnd(width)}  ${word}  ${passed} of ${passed + failed}`)
    if (note) console.log(note.replaceAll(/^/gm, '    '))
  }
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0)
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`)
  process.exit(sum('failed') === 0 && sum('passed') > 0 ? 0 : 1)
}
