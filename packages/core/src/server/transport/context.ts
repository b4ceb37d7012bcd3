// What a connection knows of its server.
import type { Duplex } from 'node:stream'
import type { HeadOptions } from '../../cgi/request-head.ts'
import type { ExchangeContext } from '../../http/exchange-context.ts'
import type { Exchange } from '../../http/exchange.ts'
import type { ConnectionLimits, ConnectionRequest } from '../../protocol/connection.ts'
import type { ResolvedOptions } from '../options.ts'
import type { Transport } from './transport.ts'

/** A request in a connection's table, with the exchange that answers it. */
export type Request = ConnectionRequest<Exchange>

/** What all connections of a server share. */
export interface TransportContext {
  readonly options: ResolvedOptions
  readonly limits: ConnectionLimits
  readonly head: HeadOptions
  readonly exchange: ExchangeContext
  /** Requests running on all connections. */
  running: number
  /** Bytes of PARAMS kept on all connections for requests that are still arriving. */
  heldParams: number
  /** Bytes read, on all connections, to see whether requests wait behind a body that nobody reads, and still held. */
  peekHeld: number
  /**
   * Milliseconds, as the server's own ticks count them: when the next tick comes. Neither a step of the system's clock
   * nor a handler that blocks the process counts as silence of a peer.
   */
  clock: number
  readonly counts: ServerCounts
  /** The peer broke the protocol. */
  faulted(error: Error, socket: Duplex): void
  /** The params of a request are not what a well-set-up server sends. */
  warned(code: string, message: string): void
  /** More PARAMS than `maxHeldParams` are kept. */
  tooMuchHeld(): void
  /** The connection is gone. */
  closed(transport: Transport): void
}

/** What has happened on a server since it was made. */
export interface ServerCounts {
  connections: number
  requests: number
  aborted: number
  failed: number
  refused: number
}

/** An error of the app's, thrown where it costs nothing of ours: an uncaught exception, as under node:http. */
export function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
