/**
 * The hot functions of the product, loaded from its build: they are not public, so they are found by file. `--core`
 * points at another build.
 */
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { METHODS } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** One event of a protocol connection, as far as the benchmark looks at it. */
interface Event {
  readonly type: string
  readonly request: object
}

/** What is measured, as far as it is used here. */
export interface Rooms {
  readRequestHead(block: Buffer, options: object): object
  readParams(block: Buffer): object
  Connection: new (limits: object) => {
    receive(chunk: Buffer): Event[]
    end(request: object): boolean
  }
  streamRecordText(type: number, id: number, text: string): string
  streamRecords(type: number, id: number, content: Uint8Array): Uint8Array[]
  endRecordsText(id: number): string
  cgiBlock(lines: string, status: number, reason: string): string
  createServer(listener: (req: IncomingMessage, res: ServerResponse) => void): {
    acceptConnection(socket: object): void
  }
}

/**
 * As `tsc` leaves them: in the build that is published they are joined, and no module can be had alone.
 *
 * @param index path of a build's `lib/index.js`; undefined: the one of the workspace
 */
export async function loadRooms(index: string | undefined): Promise<Rooms> {
  const require = createRequire(import.meta.url)
  const folder = join(dirname(index ?? require.resolve('@fastcgi/core')), '..', 'dist')
  const load = async (file: string): Promise<object> =>
    (await import(pathToFileURL(join(folder, file)).href)) as object
  const parts = await Promise.all(
    [
      'index.js',
      'cgi/request-head.js',
      'cgi/params.js',
      'protocol/connection.js',
      'protocol/record-writer.js',
      'http/outgoing.js',
    ].map(load),
  )
  return Object.assign({}, ...parts) as Rooms
}

/** As the server has them by default. */
export const HEAD_OPTIONS: object = {
  target: 'raw',
  trustedProxies: () => false,
  trustRemoteUser: false,
  maxHeaderSize: 16 * 1024,
  maxPairs: 1000,
  maxNameLength: 1024,
  maxValueLength: 65_536,
  methods: new Set(METHODS),
}

/** As the server has them by default. */
export const LIMITS: object = {
  maxParamsBytes: 256 * 1024,
  maxRequestsPerConnection: 1000,
  maxPendingPerConnection: 100,
  multiplex: true,
  roles: { responder: true, authorizer: false, filter: false },
  values: { FCGI_MAX_CONNS: '100', FCGI_MAX_REQS: '100', FCGI_MPXS_CONNS: '1' },
}
