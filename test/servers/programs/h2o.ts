/** h2o and the files of `examples/servers/h2o`. */
import path from 'node:path'

import type { Server, Setup } from '../setup.ts'

export const h2o: Server = {
  options: { program: 'h2o', install: 'apt-get install h2o', stopSignal: 'SIGTERM' },
  can: {
    streamsResponses: true,
    streamsUploads: false,
    tellsOfGoneClient: 'at next write',
    showsCutResponse: true,
    offload: undefined,
    staticFiles: true,
    authorization: true,
    oneProcess: true,
  },
  address: (tls) => (tls ? 'port: 443' : 'port: 80'),
  prepare(text, place) {
    const log = path.join(place.folder, 'error.log')
    // The test's app runs as who runs the test.
    const moved = text
      .replaceAll('/var/log/h2o/error.log', log)
      .replace('user: www-data\n', place.user === undefined ? '' : 'user: root\n')
    return { args: ['-c', place.write('h2o.conf', `num-threads: 1\n${moved}`)], logs: [log] }
  },
}

export const h2oSetups: readonly Setup[] = [
  { server: 'h2o', file: 'h2o.conf', can: { compresses: true } },
  { server: 'h2o', file: 'spawn.conf', spawns: true },
  { server: 'h2o', file: 'subpath.conf', mount: '/app' },
  { server: 'h2o', file: 'https.conf', tls: true, can: { staticFiles: false } },
]
