// The unit tests on every supported major version of Node.js. The binaries come from npm: the
// package `node` of each version is a script that fetches the package of one platform, so we name
// that one and need no script. They live in node_modules/.cache, outside the lockfile: whoever only
// wants to build does not download four Nodes.
import fs from 'node:fs'
import path from 'node:path'

import * as debian from './debian.mjs'
import { environment, root, run, step } from './run.mjs'

/** The oldest supported version, then the newest of each line we test. */
export const versions = ['20.19.0', '22.23.3', '24.21.0', '26.10.0']

const folder = path.join(root, 'node_modules', '.cache', 'nodes')
const alias = (version) => `node-${version}`
const binary = (version) => path.join(folder, 'node_modules', alias(version), 'bin', 'node')

function specs() {
  const name = `node-${process.platform}-${process.arch}`
  return versions.map((version) => `${alias(version)}@npm:${name}@${version}`)
}

/**
 * Brings the binaries and resolves with one entry a version: the path of a binary that works, or the
 * reason why there is none, with the line that helps.
 */
export async function bringNodes() {
  if (!versions.every((version) => fs.existsSync(binary(version)))) {
    await step(`Fetching Node.js ${versions.join(', ')}`, async () => {
      fs.mkdirSync(folder, { recursive: true })
      fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
      const env = environment()
      const args = [
        'install',
        '--no-save',
        '--no-audit',
        '--no-fund',
        '--ignore-scripts',
        ...specs(),
      ]
      const first = await run('npm', args, { cwd: folder, env })
      if (first.code !== 0) await run('npm', args, { cwd: folder, env })
    })
  }
  let found = await tryAll()
  // From version 26 on the binaries want this library, which a bare Debian lacks.
  if (found.some(({ reason }) => reason?.includes('libatomic'))) {
    await debian.installPackages([['libatomic1']])
    found = await tryAll()
  }
  return found
}

function tryAll() {
  return Promise.all(
    versions.map(async (version) => {
      const node = binary(version)
      if (!fs.existsSync(node)) {
        return { version, reason: `run: npm install --prefix ${folder} ${specs().join(' ')}` }
      }
      const { code, output } = await run(node, ['--version'], { show: 'never' })
      if (code === 0 && output.trim() === `v${version}`) return { version, node }
      const help = output.includes('libatomic')
        ? `; as root: ${debian.installLine(['libatomic1'])}`
        : ''
      return { version, reason: `${output.trim()}${help}` }
    }),
  )
}
