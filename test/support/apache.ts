/** Starts Apache with one of the files in `examples/servers/apache-*`, included as it is. */
import fs from 'node:fs'
import path from 'node:path'

import { startWebServer, type Place, type WebServer } from './web-server.ts'

export const examples: string = path.resolve(import.meta.dirname, '../../examples')

const INSTALL = 'apt-get install -y apache2 libapache2-mod-fcgid'
const MODULE_FOLDERS = [
  '/usr/lib/apache2/modules',
  '/usr/lib64/httpd/modules',
  '/usr/libexec/apache2',
]

/** What every configuration may use; mod_fcgid, mod_cgid and the proxies are named by the test. */
const MODULES = [
  'mpm_event',
  'authn_core',
  'authn_file',
  'authz_core',
  'authz_user',
  'auth_basic',
  'alias',
  'dir',
  'env',
  'mime',
  'rewrite',
  'setenvif',
]

export interface ApacheOptions {
  /** Modules beyond the common ones: `fcgid`, `cgid`, `proxy`, `proxy_fcgi`, … */
  readonly modules: readonly string[]
  /** The example, below `examples/servers/`: `apache-mod_fcgid/root.conf`. None for `.htaccess`. */
  readonly config?: string
  /** Lays out the app and says what the variables of the example stand for. */
  prepare(
    place: Place,
  ): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
  /** Directives before the example is included, for what only a test needs; the variables may be used. */
  readonly extra?: string
}

export async function startApache(options: ApacheOptions): Promise<WebServer> {
  return startWebServer({
    program: 'apache2',
    install: INSTALL,
    async prepare(place) {
      const defines = { PORT: String(place.port), ...(await options.prepare(place)) }
      const errorLog = path.join(place.folder, 'error.log')
      place.writable('run')
      const moduleFolder = MODULE_FOLDERS.find((folder) => fs.existsSync(folder))
      const load = [...MODULES, ...options.modules].map((name) => {
        const file = path.join(moduleFolder ?? '', `mod_${name}.so`)
        if (!fs.existsSync(file))
          throw new Error(`NOT RUN: Apache lacks mod_${name}; run: ${INSTALL}`)
        return `LoadModule ${name}_module ${file}`
      })
      const lines = [
        `ServerRoot ${place.folder}`,
        `PidFile ${place.folder}/apache.pid`,
        `DefaultRuntimeDir ${place.folder}/run`,
        `Listen 127.0.0.1:${String(place.port)}`,
        'ServerName localhost',
        `ErrorLog ${errorLog}`,
        'LogLevel info',
        ...load,
        `TypesConfig ${place.write('mime.types', 'text/css css\ntext/html html\nimage/svg+xml svg\n')}`,
        ...(place.user === undefined ? [] : [`User ${place.user}`, `Group ${String(place.group)}`]),
        // A machine has few cores here: a few processes, each with enough threads.
        'StartServers 1',
        'ServerLimit 4',
        'ThreadsPerChild 25',
        'MaxRequestWorkers 100',
        ...(options.modules.includes('fcgid')
          ? [
              `FcgidIPCDir ${place.writable('sockets')}`,
              `FcgidProcessTableFile ${place.folder}/run/fcgid_shm`,
            ]
          : []),
        ...(options.modules.includes('cgid') ? [`ScriptSock ${place.folder}/run/cgid.sock`] : []),
        '<Directory />',
        '    AllowOverride None',
        '    Require all denied',
        '</Directory>',
        ...Object.entries(defines).map(([name, value]) => `Define ${name} "${value}"`),
        options.extra ?? '',
        ...(options.config === undefined
          ? []
          : [`Include ${path.join(examples, 'servers', options.config)}`]),
      ]
      const config = place.write('apache.conf', `${lines.join('\n')}\n`)
      return {
        args: ['-f', config, '-DFOREGROUND'],
        logs: [errorLog],
        ready: /resuming normal operations/,
      }
    },
  })
}
