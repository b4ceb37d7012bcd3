// What a pool of workers is made of.
import type { Server, Socket } from 'node:net'
import type { LogLevel } from '../log.ts'

/** Settings of a pool. */
export interface PoolOptions {
  readonly count: number
  /** Script and arguments of a worker: those of the primary. */
  readonly script: string
  readonly arguments: readonly string[]
  /** Milliseconds without a sign of life after which a worker is killed and replaced; 0: never. */
  readonly hangTimeout: number
  /** Milliseconds a worker has to finish what runs; then it is killed. */
  readonly drainTimeout: number
  /** Milliseconds a worker has to load the app when it is to replace another. */
  readonly loadTimeout: number
  readonly log: (message: string, level?: LogLevel) => void
  /** The number of workers that are ready has changed, or may have. */
  readonly changed?: (() => void) | undefined
  /** There where relays bring the connections. */
  readonly host?: PoolHost | undefined
}

/** What is different where relays bring the connections: they can ask again, and answer 503 themselves. */
export interface PoolHost {
  /** What workers have in their environment beside that of the primary. */
  readonly environment: Readonly<Record<string, string>>
  /** Takes what workers write to descriptors 1 and 2; they would inherit the primary's. */
  output(chunk: Buffer): void
  /** Closes a connection that no worker can take. */
  refuse(socket: Socket): void
}

/** What the pool serves. */
export interface PoolSockets {
  /** For the log. */
  readonly name: string
  /** What listens; unknown: connections are handed over. */
  readonly servers?: readonly Server[]
  /** The sockets were another process's first. */
  readonly inherited?: boolean
}
