/**
 * What can go wrong on the way to an application and back, with one stable code each. A caller branches on `code`;
 * the message is for people and may change.
 */

/** What each code means; the gateway's pages and the documentation are made from it. */
export const ClientErrorCode = {
  /** Nothing could be reached at the address: wrong path, nobody listening, no permission. See `cause`. */
  Connect: 'FCGI_CONNECT',
  /** The connection was not there within `connectTimeout`. */
  ConnectTimeout: 'FCGI_CONNECT_TIMEOUT',
  /** The application was silent for `timeout`. */
  Timeout: 'FCGI_TIMEOUT',
  /** The connection closed before a complete response head had come. */
  Closed: 'FCGI_CLOSED',
  /** The request was ended without a response head. */
  EmptyResponse: 'FCGI_EMPTY_RESPONSE',
  /** The connection closed, or the request ended, before the body was complete. */
  Cut: 'FCGI_CUT',
  /** The output does not begin with a CGI header block (RFC 3875 §6). */
  BadResponse: 'FCGI_BAD_RESPONSE',
  /** The header block is longer than `maxHeaderBytes`. */
  HeaderTooLarge: 'FCGI_HEADER_TOO_LARGE',
  /** The bytes are not FastCGI records; see `cause`. */
  Protocol: 'FCGI_PROTOCOL',
  /** END_REQUEST with OVERLOADED. */
  Overloaded: 'FCGI_OVERLOADED',
  /** END_REQUEST with UNKNOWN_ROLE. */
  UnknownRole: 'FCGI_UNKNOWN_ROLE',
  /** END_REQUEST with CANT_MPX_CONN. */
  CantMultiplex: 'FCGI_CANT_MPX_CONN',
  /** The stream given as the request's body failed; see `cause`. */
  Body: 'FCGI_REQUEST_BODY',
  /** The pool has `maxWaiting` requests waiting already. */
  PoolFull: 'FCGI_POOL_FULL',
  /** No connection of the pool became free within `waitTimeout`. */
  PoolTimeout: 'FCGI_POOL_TIMEOUT',
  /** The pool was closed. */
  PoolClosed: 'FCGI_POOL_CLOSED',
} as const

/** One of the codes of {@link ClientErrorCode}. */
export type ClientErrorCode = (typeof ClientErrorCode)[keyof typeof ClientErrorCode]

/** What is known besides the code and the message. */
export interface ClientErrorDetails {
  /** The error underneath. */
  cause?: unknown
  /** What the application wrote to FCGI_STDERR until then. */
  stderr?: string
  /** True when not a byte of an answer had come, so that an idempotent request may be sent again. */
  unanswered?: boolean
}

/** A request that could not be completed. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError'
  /** Stable: compare this, not the message. */
  readonly code: ClientErrorCode
  /** What the application wrote to FCGI_STDERR until then; often the reason. */
  readonly stderr: string
  /** True when not a byte of an answer had come: an idempotent request may be sent again. */
  readonly unanswered: boolean

  constructor(code: ClientErrorCode, message: string, details: ClientErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.stderr = details.stderr ?? ''
    this.unanswered = details.unanswered ?? false
  }
}
