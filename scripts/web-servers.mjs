// The web servers that test/servers/ starts: what is missing, and how it gets here. Debian's
// packages, installed only when we are root and apt-get is there; nothing is ever started.
import fs from 'node:fs'
import path from 'node:path'

import { run, step } from './run.mjs'

/**
 * Name of a group: the start of the names of its test files; what must exist; Debian's packages.
 * A test file that no group claims needs all of them.
 */
const groups = [
  {
    name: 'apache',
    needs: ['apache2', 'htpasswd', '/usr/lib/apache2/modules/mod_fcgid.so'],
    packages: ['apache2', 'libapache2-mod-fcgid', 'apache2-utils'],
  },
  { name: 'nginx', needs: ['nginx'], packages: ['nginx'] },
  { name: 'lighttpd', needs: ['lighttpd'], packages: ['lighttpd'] },
  { name: 'haproxy', needs: ['haproxy'], packages: ['haproxy'] },
  { name: 'caddy', needs: ['caddy'], packages: ['caddy'] },
  { name: 'h2o', needs: ['h2o'], packages: ['h2o'] },
  { name: 'spawn', needs: ['spawn-fcgi', 'multiwatch'], packages: ['spawn-fcgi', 'multiwatch'] },
  {
    name: 'tools',
    needs: ['ab', 'curl', 'openssl'],
    packages: ['apache2-utils', 'curl', 'openssl'],
  },
]

const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']

function exists(need) {
  if (need.startsWith('/')) return fs.existsSync(need)
  return folders.some((folder) => fs.existsSync(path.join(folder, need)))
}

const missingGroups = () => groups.filter((group) => !group.needs.every(exists))

const packagesOf = (list) => [...new Set(list.flatMap((group) => group.packages))]

/** The line that installs what is missing. */
export function installLine() {
  return `apt-get update && apt-get install -y ${packagesOf(missingGroups()).join(' ')}`
}

/** Installs what is missing, where that can be done; resolves with the groups still missing. */
export async function bringWebServers() {
  const missing = missingGroups()
  if (missing.length === 0) return []
  if (process.getuid?.() !== 0 || !exists('apt-get')) return missing
  await step(`Installing web servers: ${packagesOf(missing).join(' ')}`, async () => {
    const undo = forbidServiceStart()
    try {
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
      const options = ['-q', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3']
      await run('apt-get', [...options, 'update'], { env })
      const install = [...options, '-y', '--no-install-recommends', 'install']
      const all = await run('apt-get', [...install, ...packagesOf(missing)], { env })
      // One package that this release lacks must not cost the others.
      if (all.code !== 0) {
        for (const group of missing) await run('apt-get', [...install, ...group.packages], { env })
      }
    } finally {
      undo()
    }
  })
  return missingGroups()
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

/** Splits test files into those that can run and those that lack a program. */
export function splitByServer(files, missing) {
  const groupOf = (file) => groups.find((group) => path.basename(file).startsWith(group.name))
  const blocked = (file) => {
    const group = groupOf(file)
    const tools = missing.some(({ name }) => name === 'tools')
    return missing.length > 0 && (tools || group === undefined || missing.includes(group))
  }
  return {
    able: files.filter((file) => !blocked(file)),
    notRun: files.filter((file) => blocked(file)),
  }
}
