// `npm run fuzz`: the pure parts of core under a fuzzer that is guided by coverage. With Jazzer.js (libFuzzer) where its
// addon loads, else with a loop of ours over the coverage that V8 counts. Ends with status 1 at a finding, which it
// keeps in test/fixtures/fuzz/guided/: there it is an input of `npm test` from then on.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { environment, root, run } from './run.mjs'
import { install } from './setup.mjs'

/**
 * Not a dependency: its addon needs glibc 2.38 (Debian 13, Ubuntu 24.04), and it would bring a hundred packages to who
 * never fuzzes. npm keeps it in its cache.
 */
const jazzer = '@jazzer.js/core@4.0.0'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '30' },
    engine: { type: 'string', default: 'auto' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(`Usage: npm run fuzz -- [--seconds 30] [--engine auto|jazzer|v8] [--seed N] [TARGET...]

--seconds: for each target. Targets are in test/robustness/guided/targets.ts; default: all.`)
  process.exit(0)
}
if (!(await install())) process.exit(1)

const { rolldown } = await import('rolldown')
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-fuzz-'))
process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
const found = path.join(root, 'test', 'fixtures', 'fuzz', 'guided')
const require = createRequire(import.meta.url)

/** One file, so that there is one to count the coverage of, without TypeScript and ES modules in the fuzzer's way. */
async function load(name) {
  const bundle = await rolldown({
    input: path.join(root, 'test', 'robustness', 'guided', `${name}.ts`),
    platform: 'node',
    external: /^node:/,
    resolve: { conditionNames: ['@fastcgi/source', 'node', 'import'] },
  })
  const file = path.join(folder, `${name}.cjs`)
  await bundle.write({ file, format: 'cjs' })
  await bundle.close()
  return require(file)
}

function keep(target, bytes) {
  const name = `${target}-${createHash('sha1').update(bytes).digest('hex').slice(0, 12)}`
  fs.mkdirSync(found, { recursive: true })
  const file = path.join(found, name)
  fs.writeFileSync(file, bytes)
  console.error(`  kept as ${path.relative(root, file)}`)
}

const npmExec = (args, timeout, show = 'never') =>
  run('npm', ['exec', '--yes', `--package=${jazzer}`, '--', ...args], {
    cwd: folder,
    env: environment(),
    show,
    timeout,
  })

/** Whether the addon loads here; the reason when it does not. */
async function jazzerFails() {
  const { code, output } = await npmExec(['jazzer', '--help'], 300_000)
  if (code === 0) return ''
  return /Error: (.*)/.exec(output)?.[1] ?? `npm exec ended with ${code}`
}

async function underJazzer(target, inputs) {
  const corpus = path.join(folder, target)
  fs.mkdirSync(corpus)
  for (const [n, input] of inputs.entries()) fs.writeFileSync(path.join(corpus, `${n}`), input)
  const file = path.join(folder, `${target}.fuzz.cjs`)
  fs.writeFileSync(file, `module.exports.fuzz = require('./targets.cjs').targets.${target}\n`)
  const limits = [`-max_total_time=${values.seconds}`, `-seed=${values.seed}`, '-max_len=4096']
  const { code } = await npmExec(
    ['jazzer', file, corpus, '--sync', '-i', folder, '--', ...limits],
    (Number(values.seconds) + 120) * 1000,
    'all',
  )
  const crashes = fs.readdirSync(folder).filter((name) => /^(crash|timeout|oom)-/.test(name))
  for (const name of crashes) {
    keep(target, fs.readFileSync(path.join(folder, name)))
    fs.rmSync(path.join(folder, name))
  }
  return code === 0 && crashes.length === 0
}

const { targets } = await load('targets')
const { seeds } = await load('seeds')
const wanted = positionals.length > 0 ? positionals : Object.keys(targets)
const unknown = wanted.find((name) => !Object.hasOwn(targets, name))
if (unknown !== undefined) {
  console.error(`No target ${unknown}; there are ${Object.keys(targets).join(', ')}`)
  process.exit(64)
}
let { engine } = values
if (engine === 'auto') {
  const reason = await jazzerFails()
  engine = reason === '' ? 'jazzer' : 'v8'
  if (reason !== '') console.log(`Without ${jazzer}: ${reason}`)
}
console.log(
  `Fuzzing ${wanted.join(', ')}: ${values.seconds} s each, ${engine}, seed ${values.seed}`,
)
const { guide } = engine === 'v8' ? await load('loop') : {}
let well = true
for (const name of wanted) {
  const inputs = seeds(name)
  if (engine === 'jazzer') {
    if (!(await underJazzer(name, inputs))) well = false
    continue
  }
  const { finding, ...counts } = guide(
    targets[name],
    inputs,
    'targets.cjs',
    Number(values.seconds),
    Number(values.seed),
  )
  console.log(
    `${name}: ${counts.inputs} inputs, ${counts.kept} reached something new, ${counts.reached} in all`,
  )
  if (finding === undefined) continue
  well = false
  console.error(finding.error)
  keep(name, finding.input)
}
process.exit(well ? 0 : 1)
