/** The example apps, one a framework, through web servers of every kind, with their example files. */
import { describe } from 'vitest'

import { exampleCases } from '../conformance/example.ts'
import { runCases } from './conformance.ts'
import { caddy, caddySetups } from './programs/caddy.ts'
import { h2o, h2oSetups } from './programs/h2o.ts'
import { haproxy, haproxySetups } from './programs/haproxy.ts'
import { lighttpd, lighttpdSetups } from './programs/lighttpd.ts'
import { nginx, nginxSetups } from './programs/nginx.ts'
import { exampleFolder, type Server, type Setup } from './setup.ts'

function pick(
  server: Server,
  setups: readonly Setup[],
  files: readonly string[],
): [Server, Setup][] {
  return setups.filter(({ file }) => files.includes(file)).map((setup) => [server, setup])
}

const sites = [
  ...pick(nginx, nginxSetups, ['site.conf', 'subpath.conf']),
  ...pick(lighttpd, lighttpdSetups, ['spawn.conf']),
  ...pick(haproxy, haproxySetups, ['haproxy.cfg']),
  ...pick(caddy, caddySetups, ['subpath.Caddyfile']),
  ...pick(h2o, h2oSetups, ['spawn.conf']),
]

for (const example of ['express', 'koa', 'fastify', 'node-http']) {
  describe(`examples/${example}`, () => {
    for (const [server, setup] of sites) {
      describe(`through ${setup.server} ${setup.file}`, () => {
        runCases(server, setup, exampleCases, exampleFolder(example))
      })
    }
  })
}
