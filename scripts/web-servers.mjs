// The web servers that test/servers/ starts: which test file needs which, and what is missing.
import path from 'node:path'

import * as debian from './debian.mjs'

/**
 * Name of a group: the start of the names of its test files; what must exist; Debian's packages.
 * A test file that no group claims needs all of them but for those that are `own`.
 */
const groups = [
  {
    name: 'apache',
    needs: ['apache2', 'htpasswd', '/usr/lib/apache2/modules/mod_fcgid.so'],
    packages: ['apache2', 'libapache2-mod-fcgid', 'apache2-utils'],
  },
  { name: 'nginx', needs: ['nginx'], packages: ['nginx'] },
  {
    name: 'lighttpd',
    // HTTPS is a package of its own.
    needs: ['lighttpd', '/usr/lib/lighttpd/mod_openssl.so'],
    packages: ['lighttpd', 'lighttpd-mod-openssl'],
  },
  { name: 'haproxy', needs: ['haproxy'], packages: ['haproxy'] },
  { name: 'machines', needs: ['haproxy', 'nginx'], packages: ['haproxy', 'nginx'] },
  { name: 'caddy', needs: ['caddy'], packages: ['caddy'] },
  { name: 'h2o', needs: ['h2o'], packages: ['h2o'] },
  { name: 'spawn', needs: ['spawn-fcgi', 'multiwatch'], packages: ['spawn-fcgi', 'multiwatch'] },
  {
    name: 'systemd',
    needs: ['systemd-socket-activate', 'systemd-analyze', 'systemd-notify', 'python3'],
    packages: ['systemd', 'python3'],
  },
  {
    // Does what the pages of examples/servers tell, each on a machine to throw away.
    name: 'machine-pages',
    needs: [
      ...[
        'apache2',
        '/usr/lib/apache2/modules/mod_fcgid.so',
        'nginx',
        'lighttpd',
        'haproxy',
        'caddy',
        'h2o',
      ],
      ...[
        '/usr/lib/lighttpd/mod_openssl.so',
        'spawn-fcgi',
        'multiwatch',
        'socat',
        'systemctl',
        'ip',
      ],
    ],
    packages: [
      ...['apache2', 'libapache2-mod-fcgid', 'nginx', 'lighttpd', 'haproxy', 'caddy', 'h2o'],
      ...['lighttpd-mod-openssl', 'spawn-fcgi', 'multiwatch', 'socat', 'systemd', 'iproute2'],
    ],
    own: true,
  },
  { name: 'redis', needs: ['redis-server'], packages: ['redis-server'], own: true },
  {
    name: 'tools',
    needs: ['ab', 'curl', 'openssl'],
    packages: ['apache2-utils', 'curl', 'openssl'],
  },
  {
    name: 'browser',
    needs: ['chromium', 'apache2', '/usr/lib/apache2/modules/mod_fcgid.so', 'nginx', 'lighttpd'],
    packages: ['chromium', 'apache2', 'libapache2-mod-fcgid', 'nginx', 'lighttpd'],
    // No other file starts a browser.
    own: true,
  },
]

const missingGroups = () => groups.filter((group) => !group.needs.every(debian.exists))

const packagesOf = (list) => [...new Set(list.flatMap((group) => group.packages))]

/** The line that installs what is missing. */
export const installLine = () => debian.installLine(packagesOf(missingGroups()))

/** Installs what is missing, where that can be done; resolves with the groups still missing. */
export async function bringWebServers() {
  const missing = groups.filter(({ needs }) => !needs.every(debian.exists))
  if (missing.length > 0) await debian.installPackages(missing.map((group) => group.packages))
  return missingGroups()
}

/** Splits test files into those that can run and those that lack a program. */
export function splitByServer(files, missing) {
  const groupOf = (file) => groups.find((group) => path.basename(file).startsWith(group.name))
  const blocked = (file) => {
    const group = groupOf(file)
    const tools = missing.some(({ name }) => name === 'tools')
    if (group === undefined) return missing.some(({ own }) => !own)
    return tools || missing.includes(group)
  }
  return {
    able: files.filter((file) => !blocked(file)),
    notRun: files.filter((file) => blocked(file)),
  }
}
