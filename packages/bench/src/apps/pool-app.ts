/** Several processes on one socket: `node pool-app.js ours|http FRAMEWORK SOCKET COUNT`, each with the app of the other cases. */
import cluster from 'node:cluster'
import { createRequire } from 'node:module'
import type * as Http from 'node:http'
import { serve } from '@fastcgi/core'
import { listenerOf } from './handlers.ts'

const [, , kind = 'ours', framework = 'raw', path = '', count = '4'] = process.argv

if (kind === 'ours') {
  // As a user's script does it, with the defaults.
  await serve(async () => ({ default: await listenerOf(framework) }), {
    listen: path,
    workers: Number(count),
    log: () => {},
    arguments: [],
  })
} else if (cluster.isPrimary) {
  for (let number = 0; number < Number(count); number += 1) cluster.fork()
  process.on('SIGTERM', () => process.exit(0))
} else {
  const { createServer } = createRequire(import.meta.url)('node:http') as typeof Http
  const server = createServer(await listenerOf(framework))
  // Behind a proxy that keeps connections this must be longer than the proxy's own limit, as every guide says.
  server.keepAliveTimeout = 75_000
  server.listen(path)
}
