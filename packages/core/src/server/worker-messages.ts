// What the primary of a pool and its workers tell each other, and how a process knows that it is a worker.

import type { ProcessFigures } from './observe/figures.ts'
import type { Status } from './observe/status.ts'

/** Set in the environment of a worker, to the name of the socket; removed before the app is loaded. */
export const workerVariable = 'FASTCGI_WORKER'

/** From a worker. */
export type WorkerMessage =
  /** The app is loaded. */
  | { readonly fastcgi: 'ready' }
  /** The app could not be loaded: every request is answered 503. */
  | { readonly fastcgi: 'failed' }
  /** A connection has arrived whole; the primary can close its own copy. `open`: connections open now. */
  | { readonly fastcgi: 'taken'; readonly open: number }
  /** Still alive, and how it is. */
  | { readonly fastcgi: 'beat'; readonly figures: ProcessFigures }
  /** Has served enough and should be replaced. */
  | { readonly fastcgi: 'recycle'; readonly reason: string }
  /** Ends by itself (a signal, the app's wish): no more connections, please. */
  | { readonly fastcgi: 'leaving' }
  /** How are all of us? */
  | { readonly fastcgi: 'ask' }

/** To a worker; `connection` comes with the socket. */
export type PrimaryMessage =
  | { readonly fastcgi: 'connection' }
  | { readonly fastcgi: 'drain' }
  | { readonly fastcgi: 'reopen' }
  | { readonly fastcgi: 'status'; readonly status: Status }

/** Milliseconds between beats. */
export const beatInterval = 1000

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
