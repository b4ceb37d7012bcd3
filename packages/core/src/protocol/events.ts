// What a connection has to say about the bytes it received: the vocabulary of connection.ts (the
// application's side) and of client-connection.ts (the web server's side).

import type { ProtocolError } from './errors.ts'

/** A request in the table of a {@link Connection}. */
export interface ConnectionRequest<C> {
  /** 1 to 65535, unique among the active requests of the connection. */
  readonly id: number
  /** One of {@link Role}. */
  readonly role: number
  /** False: the web server wants the connection closed after this request (§5.1). */
  readonly keepConnection: boolean
  /** Belongs to the caller, and is undefined until the caller sets it. */
  context: C | undefined
  /** PARAMS has ended: the request has been handed over, or refused. */
  readonly paramsComplete: boolean
  /** STDIN has ended. An Authorizer has none (§6.3): true as soon as PARAMS is complete. */
  readonly stdinComplete: boolean
  /** DATA has ended; stays false for any role but Filter. */
  readonly dataComplete: boolean
  /** An `abort` event was given: nothing more comes of this request. */
  readonly aborted: boolean
  /**
   * `end()` was called: the id is free. The rest of a batch of events may still speak of the
   * request.
   */
  readonly ended: boolean
}

/**
 * One thing that happened on the application's side, in the order of the bytes.
 *
 * - `request`: PARAMS is complete. `params` is the undecoded block of pairs: a view of the chunk if
 *   it came in one piece, else a copy.
 * - `refused`: the same, but a limit forbids to run it: answer with a page (431, 503) and `end()`.
 *   `params` is empty if they were too large. Of its STDIN and DATA nothing comes.
 * - `stdin`, `data`: a part of the body or, for a Filter, of the file: never empty, a view of the
 *   chunk, as it arrives.
 * - `stdin-end`, `data-end`: the stream is complete. An Authorizer's `stdin-end` follows its
 *   `request` at once.
 * - `abort`: the web server has given the request up. With `begun: true` the caller answers by
 *   END_REQUEST and `end()`, soon. With `begun: false` PARAMS was not complete: the request is gone
 *   already, the `reply` with its END_REQUEST is the next event.
 * - `reply`: bytes the protocol itself answers; send them, before all that later events cause.
 *   `close`: and close the connection then.
 * - `error`: the peer broke the protocol. Always the last event of the connection: it takes no more
 *   bytes.
 */
export type ConnectionEvent<C> =
  | { readonly type: 'request'; readonly request: ConnectionRequest<C>; readonly params: Buffer }
  | {
      readonly type: 'refused'
      readonly request: ConnectionRequest<C>
      readonly reason: 'params-too-large' | 'overloaded'
      readonly params: Buffer
    }
  | { readonly type: 'stdin'; readonly request: ConnectionRequest<C>; readonly data: Buffer }
  | { readonly type: 'stdin-end'; readonly request: ConnectionRequest<C> }
  | { readonly type: 'data'; readonly request: ConnectionRequest<C>; readonly data: Buffer }
  | { readonly type: 'data-end'; readonly request: ConnectionRequest<C> }
  | { readonly type: 'abort'; readonly request: ConnectionRequest<C>; readonly begun: boolean }
  | { readonly type: 'reply'; readonly bytes: Buffer; readonly close: boolean }
  | { readonly type: 'error'; readonly error: ProtocolError }

/** A request that a {@link ClientConnection} has begun. */
export interface ClientRequest<C> {
  /** 1 to 65535, unique among the unfinished requests of the connection. */
  readonly id: number
  /** One of {@link Role}. */
  readonly role: number
  /** Belongs to the caller. */
  context: C
  /** STDOUT has ended. Some applications (php-fpm) leave its end out and send only END_REQUEST. */
  readonly stdoutComplete: boolean
  /** END_REQUEST has come: the id is free, and nothing more comes of this request. */
  readonly ended: boolean
}

/**
 * One thing that happened on the web server's side, in the order of the bytes.
 *
 * - `stdout`, `stderr`: a part of the stream: never empty, a view of the chunk, as it arrives.
 * - `stdout-end`: STDOUT is complete. May be missing, see {@link ClientRequest.stdoutComplete}.
 * - `end`: END_REQUEST, the last event of the request (§5.5). `protocolStatus` is one of {@link
 *   ProtocolStatus}, or whatever number the application sent.
 * - `values`: the answer to GET_VALUES (§4.1).
 * - `unknown-type`: the application does not know a management record that was sent (§4.2).
 * - `error`: the application broke the protocol. Always the last event of the connection: it takes
 *   no more bytes.
 */
export type ClientEvent<C> =
  | { readonly type: 'stdout'; readonly request: ClientRequest<C>; readonly data: Buffer }
  | { readonly type: 'stdout-end'; readonly request: ClientRequest<C> }
  | { readonly type: 'stderr'; readonly request: ClientRequest<C>; readonly data: Buffer }
  | {
      readonly type: 'end'
      readonly request: ClientRequest<C>
      readonly appStatus: number
      readonly protocolStatus: number
    }
  | { readonly type: 'values'; readonly values: ReadonlyMap<string, string> }
  | { readonly type: 'unknown-type'; readonly unknownType: number }
  | { readonly type: 'error'; readonly error: ProtocolError }
