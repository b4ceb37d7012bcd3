/** lighttpd and the files of `examples/servers/lighttpd`. */
import path from 'node:path'

import type { Server, Setup } from '../setup.ts'

export const lighttpd: Server = {
  options: { program: 'lighttpd', install: 'apt-get install lighttpd', stopSignal: 'SIGTERM' },
  can: {
    streamsResponses: false,
    streamsUploads: false,
    tellsOfGoneClient: 'no',
    showsCutResponse: true,
    offload: undefined,
    staticFiles: true,
    authorization: true,
    oneProcess: true,
  },
  // The port stands in the distribution's main file, never in a file below conf-enabled.
  address: () => undefined,
  prepare(text, place) {
    const log = path.join(place.folder, 'error.log')
    const flask = text.includes('yourapplication')
    const main = place.write(
      'lighttpd.conf',
      `server.document-root = "${place.writable('www')}"
server.bind = "127.0.0.1"
server.port = ${String(place.port)}
server.errorlog = "${log}"
server.upload-dirs = ( "${place.writable('uploads')}" )
server.modules = ( ${flask ? '"mod_rewrite", "mod_alias", "mod_fastcgi"' : '"mod_access"'} )
# As the distribution's main file has it, from /etc/mime.types.
mimetype.assign = ( ".css" => "text/css", ".js" => "text/javascript", ".svg" => "image/svg+xml" )
include "${place.write('50-myapp.conf', text)}"
`,
    )
    return { args: ['-D', '-f', main], logs: [log] }
  },
}

export const lighttpdSetups: readonly Setup[] = [
  {
    server: 'lighttpd',
    file: 'flask-recipe.conf',
    spawns: true,
    moves: ({ app }, { folder }) => ({
      '/var/www/yourapplication/': `${app}/`,
      '/path/to/your/static/': `${app}/public/`,
      '/tmp/': `${folder}/`,
    }),
  },
  { server: 'lighttpd', file: 'spawn.conf', spawns: true, can: { oneProcess: false } },
  {
    server: 'lighttpd',
    file: 'socket.conf',
    can: {
      streamsResponses: true,
      streamsUploads: true,
      tellsOfGoneClient: 'at next write',
      offload: 'x-sendfile',
    },
  },
  {
    server: 'lighttpd',
    file: 'subpath.conf',
    mount: '/app',
    can: { streamsResponses: true, tellsOfGoneClient: 'at next write' },
  },
  { server: 'lighttpd', file: 'https.conf', tls: true, can: { staticFiles: false } },
]
