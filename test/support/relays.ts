/** Relays of option `shared`: processes that are started with a listening socket on descriptor 0, as a web server does it. */
import { once } from 'node:events'
import path from 'node:path'

import {
  request,
  type ClientResponse,
  type RequestOptions,
} from '../../packages/core/src/client.ts'
import type { CompiledCore } from './compiled-core.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
  type NodeProcessOptions,
} from './node-process.ts'
import { endHosts, killHosts } from './shared-hosts.ts'

export interface Relay extends NodeProcess {
  /** Its status. The host holds the other end of its descriptor 2, so `ended` may come much later. */
  readonly exited: Promise<number | null>
  readonly socketPath: string
}

/** Starts relays whose hosts are in one private folder. */
export class Relays {
  readonly #core: CompiledCore
  /** Where the private sockets are. */
  readonly folder: string
  #count = 0
  readonly #leave = (): void => killHosts(this.folder)

  constructor(core: CompiledCore) {
    this.#core = core
    this.folder = path.join(core.folder, 'private')
    process.once('exit', this.#leave)
  }

  /** Starts a script with a listening socket on descriptor 0. */
  async start(
    script: string,
    { env, ...options }: Partial<NodeProcessOptions> = {},
  ): Promise<Relay> {
    const socketPath = path.join(this.#core.folder, `s${(this.#count += 1)}.sock`)
    const started = startNode({
      file: path.join(this.#core.folder, script),
      stdin: await listeningServer(socketPath),
      env: { FASTCGI_SHARED: '1', FASTCGI_SHARED_DIR: this.folder, ...env },
      ...options,
    })
    const exited = once(started.child, 'exit').then(
      ([status]: unknown[]) => status as number | null,
    )
    return { ...started, socketPath, exited }
  }

  /** Ends relays, hosts and workers. */
  async end(): Promise<void> {
    // The relays first: they would start another.
    killLeftovers()
    await endHosts(this.folder)
  }

  /** The last act: nothing is left to be ended. */
  async close(): Promise<void> {
    await this.end()
    process.removeListener('exit', this.#leave)
  }
}

/** Asks through a relay. */
export function get(
  { socketPath }: Relay,
  target = '/',
  options: Partial<RequestOptions> = {},
): Promise<ClientResponse> {
  return request({ socketPath, path: target, ...options } as RequestOptions)
}
