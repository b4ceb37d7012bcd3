/**
 * What a test needs to know of one file in `examples/servers/`: how its server is started with it,
 * where the app is mounted, and what the server can do with it.
 *
 * The files are used as they are. Only the places that a user too would change are moved into the
 * test's own folders, and must be in the file: `/srv/myapp` (the app), `/run/myapp` (its socket),
 * `/etc/ssl/myapp` (certificates) and the port.
 */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Abilities, Site } from '../conformance/site.ts'
import type { Launch, Place, WebServer, WebServerOptions } from '../support/web-server.ts'
import { fill, startWebServer } from '../support/web-server.ts'

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** The app of the conformance tests: `app.fcgi`, `public/`, `files/`. */
export const conformanceSite: string = path.join(repository, 'test/conformance/site')

/** Path of a framework's example. */
export function exampleFolder(name: string): string {
  return path.join(repository, 'examples', name)
}

/** Path of a file below `examples/servers/`. */
export function exampleFile(name: string): string {
  return path.join(repository, 'examples/servers', name)
}

/** Where the parts of a site lie in this test. */
export interface Layout {
  /** Stands for `/srv/myapp`. */
  readonly app: string
  /** Stands for `/run/myapp`: the folder of the app's socket. */
  readonly run: string
  /** Stands for `/etc/ssl/myapp`. */
  readonly certificates?: string
}

export interface Setup {
  /** Folder and file below `examples/servers/`. */
  readonly server: string
  readonly file: string
  readonly mount?: string
  readonly tls?: boolean
  /** The server starts the app itself. */
  readonly spawns?: boolean
  readonly can?: Partial<Abilities>
  /** What the file asks to be said to `serve`. */
  readonly options?: Readonly<Record<string, unknown>>
  /** More that has to be moved; each key must occur in the file. */
  readonly moves?: (layout: Layout, place: Place) => Record<string, string>
}

/** Reads the file, moves its places, and gives the text. */
export function configuration(setup: Setup, layout: Layout, place: Place): string {
  const text = fs.readFileSync(exampleFile(`${setup.server}/${setup.file}`), 'utf8')
  const moves: Record<string, string> = { ...setup.moves?.(layout, place) }
  const places = {
    '/srv/myapp': layout.app,
    '/run/myapp': layout.run,
    '/etc/ssl/myapp': layout.certificates ?? '',
  }
  for (const [from, to] of Object.entries(places)) if (text.includes(from)) moves[from] = to
  return fill(text, moves)
}

/** How one server is started in the foreground with a file of ours. */
export interface Server {
  readonly options: Omit<WebServerOptions, 'prepare'>
  /** What this server can do unless a file says otherwise. */
  readonly can: Abilities
  prepare(text: string, place: Place): Launch
  /**
   * How the file says where to listen, ending in 80 or 443: the number is replaced by a free port.
   * Undefined when the port stands elsewhere.
   */
  address(tls: boolean): string | undefined
}

export interface RunningSite extends Site {
  readonly web: WebServer
}

/** On the loopback, where the file says nothing of an address. */
function moved(address: string, port: number): string {
  return address.replace(/^listen (?=\d)/, 'listen 127.0.0.1:').replace(/\d+$/, String(port))
}

/** Starts the server with the file. */
export async function startSite(
  server: Server,
  setup: Setup,
  layout: Layout,
): Promise<RunningSite> {
  const web = await startWebServer({
    ...server.options,
    prepare(place) {
      const address = server.address(setup.tls === true)
      const moves: Setup['moves'] = (given, at) => ({
        ...setup.moves?.(given, at),
        ...(address === undefined ? {} : { [address]: moved(address, at.port) }),
      })
      const text = configuration({ ...setup, moves }, layout, place)
      return server.prepare(text, place)
    },
  })
  return {
    web,
    name: `${setup.server} ${setup.file}`,
    server: setup.server,
    mount: setup.mount ?? '',
    port: web.port,
    can: { ...server.can, ...setup.can },
    ...(setup.tls === true ? { tls: { servername: 'localhost' } } : {}),
  }
}
