// Brings the working tree to where anything can run: dependencies installed, packages built. Does
// only what is not done yet. `node scripts/setup.mjs` from the command line; imported by the others.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { environment, root, run, step } from './run.mjs'

/** pnpm is on no fresh machine, so npm brings it, always this version. */
export const PNPM = 'pnpm@12.21.0'

const stampFile = path.join(root, 'node_modules', '.installed')

/** Fails with one line, where an older Node would fail with a riddle. */
function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  console.error(`Node.js 20.19 or newer is needed; this is ${process.version}.`)
  process.exit(1)
}

/** What the installed tree depends on: the lockfile and every package.json it was made from. */
function stamp() {
  const hash = createHash('sha256').update(`${PNPM} ${process.platform} ${process.arch}\n`)
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'test/package.json']
  for (const folder of ['packages', 'examples']) {
    for (const name of fs.readdirSync(path.join(root, folder)).toSorted()) {
      files.push(path.join(folder, name, 'package.json'))
    }
  }
  for (const file of files) {
    const full = path.join(root, file)
    if (fs.existsSync(full)) hash.update(`${file}\n`).update(fs.readFileSync(full))
  }
  return hash.digest('hex')
}

/** Installs what the lockfile says, unless that is what is installed. */
export async function install() {
  checkNode()
  const wanted = stamp()
  const installed = fs.existsSync(stampFile) ? fs.readFileSync(stampFile, 'utf8') : ''
  if (installed === wanted) return true
  return step('Installing dependencies (about half a minute the first time)', async () => {
    const args = ['-y', PNPM, 'install', '--frozen-lockfile', '--reporter=append-only']
    const env = { ...environment(), CI: 'true' }
    // A registry may drop a connection: once more before giving up.
    let result = await run('npx', args, { env })
    if (result.code !== 0) result = await run('npx', args, { env })
    if (result.code !== 0) return false
    fs.writeFileSync(stampFile, wanted)
    return true
  })
}

/** Builds every package; `tsc -b` looks itself at what has changed. Core's modules are joined for a quicker start. */
export async function build() {
  return step('Building the packages', async () => {
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    copyTemplates()
    removeStale()
    if ((await run(process.execPath, [tsc, '-b'])).code !== 0) return false
    return (await run(process.execPath, [path.join(root, 'packages/core/bundle.mjs')])).code === 0
  })
}

/** `fastcgi init` writes what stands in examples/servers; its package carries a copy. */
function copyTemplates() {
  const target = path.join(root, 'packages', 'cli', 'templates')
  fs.rmSync(target, { recursive: true, force: true })
  fs.cpSync(path.join(root, 'examples', 'servers'), target, {
    recursive: true,
    filter: (file) => !/README\.md$|\.sh$|\.fcgi$/.test(file),
  })
}

/** `tsc -b` leaves what it made of a module that is gone; it would be packed. */
function removeStale() {
  const packages = path.join(root, 'packages')
  for (const name of fs.readdirSync(packages)) {
    const [source, built] = ['src', 'dist'].map((folder) => path.join(packages, name, folder))
    if (!fs.existsSync(built)) continue
    for (const file of fs.readdirSync(built, { recursive: true })) {
      const [, module] = /^(.*?)(?:\.d)?\.(?:js|ts)(?:\.map)?$/.exec(file) ?? []
      if (module === undefined || fs.existsSync(path.join(source, `${module}.ts`))) continue
      fs.rmSync(path.join(built, file))
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!(await install()) || !(await build())) process.exit(1)
}
