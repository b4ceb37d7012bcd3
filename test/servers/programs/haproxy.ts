/** HAProxy and the files of `examples/servers/haproxy`. */
import type { Server, Setup } from '../setup.ts'

export const haproxy: Server = {
  options: { program: 'haproxy', install: 'apt-get install haproxy', stopSignal: 'SIGTERM' },
  can: {
    streamsResponses: true,
    streamsUploads: true,
    tellsOfGoneClient: 'at next write',
    showsCutResponse: true,
    showsCutOfUnknownLength: true,
    offload: undefined,
    staticFiles: false,
    authorization: true,
    oneProcess: true,
  },
  address: (tls) => (tls ? 'bind 127.0.0.1:443' : 'bind 127.0.0.1:80'),
  // -db: in the foreground.
  prepare: (text, place) => ({ args: ['-db', '-f', place.write('haproxy.cfg', text)] }),
}

export const haproxySetups: readonly Setup[] = [
  { server: 'haproxy', file: 'haproxy.cfg' },
  // A client that leaves is not told while other requests run on its connection.
  { server: 'haproxy', file: 'multiplex.cfg', can: { tellsOfGoneClient: 'no' } },
  { server: 'haproxy', file: 'subpath.cfg', mount: '/app' },
  { server: 'haproxy', file: 'https.cfg', tls: true },
]
