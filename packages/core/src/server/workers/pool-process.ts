// The two kinds of process of a pool, as `serve` makes them. Loads what each needs; other processes load nothing of it.
import { isLoader } from '../app.ts'
import type { Call } from '../call.ts'
import type { Door } from '../doors.ts'
import type { Notifier } from '../notify.ts'
import type { Status } from '../observe/status.ts'
import { resolveOptions } from '../options.ts'
import type { Server } from '../server.ts'
import type { Stoppable } from '../shutdown.ts'
import { workerLimits } from './options.ts'
import type { WorkerDoor, WorkerPlace } from './worker.ts'
import type { PoolHost } from './pool-options.ts'

/** What both kinds have from `serve`. */
export interface PoolProcess extends Call {
  readonly server: Server
}

/** What the first process has beside it. */
export interface FirstProcess extends PoolProcess {
  readonly count: number
  readonly notifier: Notifier | undefined
  /** There where relays bring the connections. */
  readonly host: PoolHost | undefined
  /** Opens the socket and says how it is closed; `pool`: how the workers are. */
  readonly openSocket: (own: Partial<Stoppable>, pool: () => Status) => Promise<Door>
}

/**
 * Makes this process the first one of a pool: opens the socket and starts the workers.
 *
 * @returns what has every worker open its logs anew
 */
export async function openPool(parts: FirstProcess): Promise<() => void> {
  const { Primary } = await import('./primary.ts')
  const { options, watching, server } = parts
  const primary = new Primary({ ...parts, drainTimeout: resolveOptions(options).drainTimeout })
  if (!isLoader(parts.app)) primary.warnOfLoadedApp()
  const status = (): Status => primary.pool.status()
  const door = await parts.openSocket(primary.stoppable, status)
  await watching.openSocket(server, status)
  primary.start(door)
  return () => primary.pool.reopen()
}

/**
 * Makes this process a worker: its connections come from the first process.
 *
 * @param name the socket's
 * @param folder that of the private sockets, where relays bring the connections
 * @param reopen opens the logs of this process anew
 */
export async function openWorker(
  parts: PoolProcess,
  name: string,
  folder: string | undefined,
  reopen: () => void,
): Promise<WorkerPlace> {
  const { WorkerPlace } = await import('./worker.ts')
  const { FigureTaker } = await import('../observe/figures.ts')
  const { server, options, shutdown, watching } = parts
  const figures = await watching.begin(server, () => place.askStatus())
  const place: WorkerPlace = new WorkerPlace({
    server,
    door: await openDoor(parts, folder),
    name,
    figures: figures ?? new FigureTaker(server, false),
    recycle: workerLimits(options),
    shutdown,
    reopen,
  })
  return place
}

async function openDoor(
  { server, log }: PoolProcess,
  folder: string | undefined,
): Promise<WorkerDoor> {
  if (folder !== undefined) {
    const { WorkerDoor } = await import('../../shared/worker-door.ts')
    return new WorkerDoor(server, folder, (message) => log.write(message))
  }
  return {
    take: (socket) => server.emit('connection', socket),
    get open() {
      return server.openConnections
    },
  }
}
