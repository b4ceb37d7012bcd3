/** Caddy and the files of `examples/servers/caddy`. */
import path from 'node:path'

import type { Server, Setup } from '../setup.ts'

export const caddy: Server = {
  options: { program: 'caddy', install: 'apt-get install caddy', stopSignal: 'SIGTERM' },
  can: {
    streamsResponses: true,
    streamsUploads: true,
    tellsOfGoneClient: 'no',
    showsCutResponse: true,
    offload: undefined,
    staticFiles: true,
    authorization: true,
    oneProcess: true,
  },
  address: (tls) => (tls ? 'localhost:443' : 'localhost:80'),
  prepare(text, place) {
    // A test stays on the loopback; the examples do not.
    const file = place.write('Caddyfile', text.replace('{\n', '{\n\tdefault_bind 127.0.0.1\n'))
    const home = path.join(place.folder, 'home')
    return {
      args: ['run', '--adapter', 'caddyfile', '--config', file],
      env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
    }
  },
}

export const caddySetups: readonly Setup[] = [
  {
    server: 'caddy',
    file: 'Caddyfile',
    can: { compresses: true, offload: 'x-accel-redirect' },
  },
  { server: 'caddy', file: 'subpath.Caddyfile', mount: '/app' },
  { server: 'caddy', file: 'https.Caddyfile', tls: true, can: { staticFiles: false } },
]
