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
  port: ({ tls }, { port }) =>
    tls === true
      ? { 'localhost:443': `localhost:${String(port)}` }
      : { 'localhost:80': `localhost:${String(port)}` },
  prepare(text, place) {
    const file = place.write('Caddyfile', text)
    const home = path.join(place.folder, 'home')
    return {
      args: ['run', '--adapter', 'caddyfile', '--config', file],
      env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
    }
  },
}

export const caddySetups: readonly Setup[] = [
  { server: 'caddy', file: 'Caddyfile' },
  { server: 'caddy', file: 'subpath.Caddyfile', mount: '/app' },
  { server: 'caddy', file: 'https.Caddyfile', tls: true, can: { staticFiles: false } },
]
