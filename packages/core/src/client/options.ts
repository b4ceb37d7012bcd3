/** What a request can be told, the defaults, and the checks; every limit stands here once, with its reason. */
import type { Duplex, Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

/** Where the application listens: one of `socketPath`, `port` (with `host`) or `connect`. */
export interface Target {
  /** Path of a unix socket; a leading NUL means an abstract one. */
  socketPath?: string
  /** Name or address for `port`. Default `127.0.0.1`. */
  host?: string
  /** TCP port. */
  port?: number
  /** Makes the connection itself: called once a connection. */
  connect?: () => Duplex | Promise<Duplex>
}

/** A request's body: sent whole, or as it comes, with backpressure. */
export type RequestBody =
  | string
  | Uint8Array
  | Readable
  | ReadableStream
  | AsyncIterable<string | Uint8Array>

/** Header fields by name; an array sends the field several times, undefined leaves it out. */
export type RequestHeaders = Readonly<
  Record<string, string | number | readonly string[] | undefined>
>

/** CGI variables; strings are sent as latin1 when they fit, else as UTF-8. */
export type RequestParams =
  | Readonly<Record<string, string | undefined>>
  | readonly (readonly [name: string, value: string])[]

/** What to ask for. */
export interface RequestInit {
  /** REQUEST_METHOD. Default `GET`, or `POST` when there is a body. */
  method?: string
  /** The request target, path and query, as it stands in an HTTP request line. Default `/`. */
  path?: string
  /** The path the application is mounted at, without a slash at its end; becomes SCRIPT_NAME. Default empty. */
  mount?: string
  /** HTTP header fields; they become HTTP_*, CONTENT_TYPE and CONTENT_LENGTH. */
  headers?: RequestHeaders
  /** The body; becomes STDIN. A string or bytes get a CONTENT_LENGTH by themselves. */
  body?: RequestBody
  /**
   * CGI variables. An object is laid over those made from the other options, where undefined removes one. An array of
   * pairs is sent exactly as it stands, in its order, repeated names included, and nothing is added.
   */
  params?: RequestParams
  /** The role asked for. Default `responder`. A number is sent as it is, to try what an application refuses. */
  role?: 'responder' | 'authorizer' | 'filter' | number
  /** For the Filter role: the file; becomes DATA, with FCGI_DATA_LENGTH when its length is known. */
  data?: RequestBody
  /** Aborts the request: ABORT_REQUEST is sent and the connection closed; the reason is thrown. */
  signal?: AbortSignal
  /**
   * Longest silence in milliseconds, while nothing comes and nothing goes; a reader of the body that pauses, or a body
   * that is slow to come, do not count. Default 60000, as nginx's fastcgi_read_timeout. 0: none.
   */
  timeout?: number
  /** Longest wait for a connection, in milliseconds. Default 10000. 0: none. */
  connectTimeout?: number
  /** Longest header block of a response, in bytes. Default 65536: more than any web server takes. */
  maxHeaderBytes?: number
  /** Called with each piece of FCGI_STDERR as it comes. */
  onStderr?: (text: string) => void
  /** Called with the very bytes that go and come. For showing them; must not change them. */
  trace?: (direction: 'sent' | 'received', bytes: Uint8Array) => void
  /**
   * What becomes of a body stream that was not read to its end, because the application answered without it or the
   * request failed. Default true: it is destroyed.
   */
  destroyBody?: boolean
}

/** Options of `request`: what to ask for, and where. */
export interface RequestOptions extends Target, RequestInit {}

/** Options of a `Pool`. */
export interface PoolOptions extends Target {
  /** Most connections at once, each with one request at a time. Default 10. */
  maxConnections?: number
  /** Most connections kept while idle. Default: `maxConnections`. 0: none is kept, KEEP_CONN is not set. */
  maxIdle?: number
  /** How long an idle connection is kept, in milliseconds. Default 10000, well under what servers wait. */
  idleTimeout?: number
  /** Requests after which a connection is closed. Default 10000, so that a leak on the other side ends. */
  maxRequestsPerConnection?: number
  /** Most requests waiting for a connection; one more fails with FCGI_POOL_FULL. Default 1000. */
  maxWaiting?: number
  /** Longest wait for a free connection, in milliseconds. Default 30000. 0: none. */
  waitTimeout?: number
  /** Default for each request. */
  timeout?: number
  /** Default for each request. */
  connectTimeout?: number
}

export const DEFAULT_TIMEOUT = 60_000
export const DEFAULT_CONNECT_TIMEOUT = 10_000
export const DEFAULT_MAX_HEADER_BYTES = 65_536
/** STDERR kept for a response: enough for a stack trace or two, and bounded. */
export const MAX_STDERR_KEPT = 65_536
/** How long a connection may take to close after its last record, before it is destroyed. */
export const CLOSE_GRACE = 1_000

/**
 * Checks a duration, count or size.
 *
 * @throws {RangeError} when it is no whole number from `least` on
 */
export function wholeNumber(
  name: string,
  value: number | undefined,
  fallback: number,
  least = 0,
): number {
  if (value === undefined) return fallback
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} must be a whole number, ${least} or more, not ${String(value)}`)
  }
  return value
}

/** Copies what says where to connect. @throws {TypeError} unless exactly one address is given */
export function checkTarget(target: Target): Target {
  const { socketPath, host, port, connect } = target
  const given = [socketPath, port, connect].filter((value) => value !== undefined).length
  if (given !== 1) throw new TypeError('Give exactly one of socketPath, port or connect')
  if (host !== undefined && port === undefined) throw new TypeError('host needs a port')
  if (socketPath === '') throw new TypeError('socketPath must not be empty')
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw new RangeError(`port must be 1 to 65535, not ${String(port)}`)
  }
  if (connect !== undefined) return { connect }
  return port === undefined ? { socketPath: socketPath! } : { host: host ?? '127.0.0.1', port }
}

/** The target for messages: `/run/app.sock`, `127.0.0.1:9000`. */
export function describeTarget(target: Target): string {
  if (target.socketPath !== undefined) return target.socketPath.replaceAll('\0', '@')
  if (target.port === undefined) return 'the application'
  const host = target.host ?? '127.0.0.1'
  return `${host.includes(':') ? `[${host}]` : host}:${target.port}`
}
