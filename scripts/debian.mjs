// Debian's packages for the tests: installed only when we are root and apt-get is there, and no
// service among them is ever started.
import fs from 'node:fs'
import path from 'node:path'

import { run, step } from './run.mjs'

const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']

/** Whether a program (looked up as root would) or a file (absolute) is there. */
export function exists(need) {
  if (need.startsWith('/')) return fs.existsSync(need)
  return folders.some((folder) => fs.existsSync(path.join(folder, need)))
}

/** The line that installs packages, to be run as root. */
export const installLine = (packages) =>
  `apt-get update && apt-get install -y ${packages.join(' ')}`

/** Installs packages, given in groups: what one release lacks must not cost the others. */
export async function installPackages(groups) {
  if (process.getuid?.() !== 0 || !exists('apt-get')) return
  const packages = [...new Set(groups.flat())]
  await step(`Installing ${packages.join(' ')}`, async () => {
    const undo = forbidServiceStart()
    try {
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
      const options = ['-q', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3']
      await run('apt-get', [...options, 'update'], { env })
      const install = [...options, '-y', '--no-install-recommends', 'install']
      const { code } = await run('apt-get', [...install, ...packages], { env })
      if (code === 0) return
      for (const group of groups) await run('apt-get', [...install, ...group], { env })
    } finally {
      undo()
    }
  })
}

/**
 * Debian starts a service when its package is installed, and Apache and nginx would both take port
 * 80 of this machine. `policy-rc.d` with exit code 101 is Debian's way to say no.
 */
function forbidServiceStart() {
  const file = '/usr/sbin/policy-rc.d'
  if (fs.existsSync(file)) return () => {}
  fs.writeFileSync(file, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  return () => fs.rmSync(file, { force: true })
}
