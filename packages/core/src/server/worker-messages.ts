// What the primary of a pool and its workers tell each other, and how a process knows which of them it is.

/** Set in the environment of a worker; removed before the app is loaded. */
export const workerVariable = 'FASTCGI_WORKER'

/** From a worker. */
export type WorkerMessage =
  /** The app is loaded. */
  | { readonly fastcgi: 'ready' }
  /** The app could not be loaded: every request is answered 503. */
  | { readonly fastcgi: 'failed'; readonly reason: string }
  /** Still alive, and how it is. */
  | { readonly fastcgi: 'beat'; readonly figures: WorkerFigures }
  /** Has served enough and should be replaced. */
  | { readonly fastcgi: 'recycle'; readonly reason: string }

/** To a worker; `connection` comes with the socket. */
export type PrimaryMessage =
  | { readonly fastcgi: 'connection' }
  | { readonly fastcgi: 'drain' }
  | { readonly fastcgi: 'reopen' }

/** How a worker is. */
export interface WorkerFigures {
  readonly requests: number
  readonly running: number
  readonly openConnections: number
  readonly aborted: number
  readonly failed: number
  readonly refused: number
  /** Bytes. */
  readonly rss: number
  readonly heapUsed: number
  /** Milliseconds by which the event loop was late, at worst, since the last beat. */
  readonly loopDelay: number
}

/** Milliseconds between beats. */
export const beatInterval = 1000

/** Reads a message that may come from anybody: apps use the same channel. */
export function isPoolMessage<M extends { readonly fastcgi: string }>(
  message: unknown,
): message is M {
  return typeof (message as { fastcgi?: unknown } | null)?.fastcgi === 'string'
}
