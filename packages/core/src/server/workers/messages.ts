// What the primary of a pool and its workers tell each other, and how a process knows that it is a worker.

import type { ProcessFigures } from '../observe/figures.ts'
import type { Status } from '../observe/status.ts'

/** Set in the environment of a worker, to the name of the socket; removed before the app is loaded. */
export const workerVariable = 'FASTCGI_WORKER'

/** From a worker. `open` is how many connections it has now. */
export type WorkerMessage =
  /** The app is loaded. */
  | { readonly fastcgi: 'ready' }
  /** The app could not be loaded: every request is answered 503. */
  | { readonly fastcgi: 'failed' }
  /** Accepts on a shared socket, or cannot; comes with a copy of the socket where that was asked for. */
  | { readonly fastcgi: 'listening'; readonly socket: number; readonly well: boolean }
  /** A connection has arrived whole; the primary can close its own copy. */
  | { readonly fastcgi: 'taken'; readonly open: number }
  /** Has accepted more than its share: this connection, not read from, is for another. Comes with it. */
  | { readonly fastcgi: 'surplus'; readonly open: number }
  | { readonly fastcgi: 'open'; readonly open: number }
  /** Still alive, and how it is. */
  | { readonly fastcgi: 'beat'; readonly figures: ProcessFigures }
  /** Has served enough and should be replaced. */
  | { readonly fastcgi: 'recycle'; readonly reason: string }
  /** Ends by itself (a signal, the app's wish): no more connections, please. */
  | { readonly fastcgi: 'leaving' }
  /** How are all of us? */
  | { readonly fastcgi: 'ask' }

/** A socket to accept on; comes with it. */
export interface ListenMessage {
  readonly fastcgi: 'listen'
  /** Its number among the sockets of the pool. */
  readonly socket: number
  readonly tcp: boolean
  /** The primary wants a copy back. */
  readonly copy: boolean
  /** Connections that a worker has on average; undefined where there is one only. */
  readonly share: number | undefined
}

/** To a worker. */
export type PrimaryMessage =
  | ListenMessage
  /** Accept no more: others do it better. */
  | { readonly fastcgi: 'shut' }
  | { readonly fastcgi: 'share'; readonly share: number }
  /** Comes with a connection that nobody has read from. */
  | { readonly fastcgi: 'connection' }
  /** Finish what runs and end. `last`: nobody else will accept who waits; `narrow`: and the queue may be shortened. */
  | { readonly fastcgi: 'drain'; readonly last: boolean; readonly narrow: boolean }
  | { readonly fastcgi: 'reopen' }
  | { readonly fastcgi: 'status'; readonly status: Status }

/** Milliseconds between beats. */
export const beatInterval = 1000

/** Milliseconds at the least between two words on how many connections there are. */
export const countInterval = 25

/** Whether a message is one of ours: apps use the same channel. */
export function isPoolMessage<M extends { readonly fastcgi: string }>(
  message: unknown,
): message is M {
  return typeof (message as { fastcgi?: unknown } | null)?.fastcgi === 'string'
}

/** The name of the socket when this process is a worker; once a process, since the variable that says so goes. */
export function takeWorkerPlace(
  env: Record<string, string | undefined> = process.env,
): string | undefined {
  const name = env[workerVariable]
  delete env[workerVariable]
  return process.send === undefined ? undefined : name
}
