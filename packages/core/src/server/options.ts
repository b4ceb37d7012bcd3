// Every option of a FastCGI server with its default, its limit and its check. Each default number is finite and stands
// here with its reason; pure rooms get their limits from here as arguments.
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { normalizeMount } from '../cgi/request-head.ts'
import { addressTest } from './addresses.ts'

/** Serves a request; what it returns is ignored but for a rejected promise. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown

/** Options of `createServer`, beside those of `http.createServer` that concern requests and responses. */
export interface ServerOptions extends http.ServerOptions {
  /**
   * The path the app is mounted at (`'/app'`, `''` for the root). Default: inferred from what the web server's
   * configuration fixes, and FASTCGI_MOUNT, which it may set. Set it where the log says that the params do not tell.
   */
  readonly mount?: string | undefined
  /** Real path of the script that the web server's configuration names. Default: none; `serve` sets the entry. */
  readonly script?: string | undefined
  /** Other paths the script is known by, such as the link it was started through. Default: none. */
  readonly scriptAliases?: readonly string[] | undefined
  /**
   * `'raw'` (default): `req.url` is the path as the client sent it, as behind `proxy_pass`. `'normalized'`: the path
   * as the web server judged it (decoded, dots and slashes resolved): for servers that authorise by path.
   */
  readonly target?: 'raw' | 'normalized' | undefined
  /** Addresses and CIDR ranges of proxies in front of the web server whose X-Forwarded-* are believed. Default none. */
  readonly trustedProxies?: readonly string[] | undefined
  /** Believe REMOTE_USER also from nginx, HAProxy and unknown servers, which do not check it. Default false. */
  readonly trustRemoteUser?: boolean | undefined
  /** Several requests at once on a connection. Default true. */
  readonly multiplex?: boolean | undefined
  /** Connections served at once; further ones wait unread, as in a backlog. Default 4096. */
  readonly maxConnections?: number | undefined
  /** Requests running at once, on all connections; one more is answered 503. Default 4096. */
  readonly maxRequests?: number | undefined
  /** Requests running at once on a connection; one more is answered 503. Default 256. */
  readonly maxRequestsPerConnection?: number | undefined
  /** Requests begun on a connection whose PARAMS has not ended; one more costs the connection. Default 32. */
  readonly maxPendingPerConnection?: number | undefined
  /**
   * Bytes of PARAMS kept, on all connections, for requests whose PARAMS has not ended; above it the connection that
   * holds most is closed. Default 64 MiB.
   */
  readonly maxHeldParams?: number | undefined
  /** Bytes of PARAMS a request may have; more is answered 431. Default 256 KiB. */
  readonly maxParamsBytes?: number | undefined
  /** Params a request may have; more is answered 431. Default 2000. */
  readonly maxParams?: number | undefined
  /** Bytes of a param's name; more is answered 431. Default 1024. */
  readonly maxParamNameLength?: number | undefined
  /** Bytes of a param's value; more is answered 431. Default 128 KiB. */
  readonly maxParamValueLength?: number | undefined
  /** Bytes of a body kept for a handler that does not read, per request, before the connection is paused. Default 256 KiB. */
  readonly bodyBudget?: number | undefined
  /**
   * Bytes of complete answers that a web server may leave unread before nothing more is read from it: those of the
   * protocol itself, and responses where 256 KiB wait already. Default 64 KiB.
   */
  readonly maxUnread?: number | undefined
  /** Milliseconds from a connection's start, or a request's BEGIN, to the end of its PARAMS. Default 30 s. */
  readonly paramsTimeout?: number | undefined
  /** Milliseconds a handler may leave its body unread while other requests wait behind it. Default 5 s. */
  readonly stalledReaderTimeout?: number | undefined
  /** The same for a request that nobody waits for. Default 60 s. */
  readonly idleReaderTimeout?: number | undefined
  /** Milliseconds a web server may take no byte of what waits for it. Default 5 minutes. 0: no limit. */
  readonly stalledPeerTimeout?: number | undefined
  /** Milliseconds that running requests have when a connection or the server is to close. Default 30 s. */
  readonly drainTimeout?: number | undefined
  /**
   * Addresses and CIDR ranges that may connect over TCP; others are closed before a byte is read. Default: everybody.
   * FCGI_WEB_SERVER_ADDRS in the environment (FastCGI specification §3.2) narrows it further. Unix sockets are guarded
   * by their file's mode.
   */
  readonly allow?: readonly string[] | undefined
  /** Tells whether a peer may connect; a refused one is closed before a byte is read. Default: everybody. */
  readonly accept?: ((socket: Socket) => boolean) | undefined
  /** `'refuse'`: `req.fastcgi.stderr` drops what is written, for HAProxy 2.6, which crashes on it. Default `'send'`. */
  readonly stderr?: 'send' | 'refuse' | undefined
  /** Serves the Authorizer role. Without it such requests are answered by UNKNOWN_ROLE. */
  readonly authorize?: Handler | undefined
  /** Serves the Filter role. Without it such requests are answered by UNKNOWN_ROLE. */
  readonly filter?: Handler | undefined
  /**
   * Takes what a handler threw or its promise was rejected with; the response is then yours. Default: an uncaught
   * exception or an unhandled rejection, as under node:http.
   */
  readonly handlerError?:
    | ((error: unknown, request: IncomingMessage, response: ServerResponse) => void)
    | undefined
  /**
   * Sees each request of the Responder role before the app does, whatever kind of app it is; what returns true answers
   * it itself. Must be quick and must not throw. For tools. Default: none.
   */
  readonly intercept?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  /** An http.Server on which requests are emitted instead of this one: an app that brings its own. */
  readonly emitter?: http.Server | undefined
  /** Takes lines for the error log: warnings about params, protocol errors, limits met. Default: none are written. */
  readonly warn?: ((code: string, message: string) => void) | undefined
}

/** Options with every default filled in and checked. */
export interface ResolvedOptions {
  readonly mount: string | undefined
  readonly script: string | undefined
  readonly scriptAliases: readonly string[]
  readonly target: 'raw' | 'normalized'
  readonly trustedProxies: (address: string) => boolean
  readonly trustRemoteUser: boolean
  readonly multiplex: boolean
  readonly maxConnections: number
  readonly maxRequests: number
  readonly maxRequestsPerConnection: number
  readonly maxPendingPerConnection: number
  readonly maxHeldParams: number
  readonly maxParamsBytes: number
  readonly maxParams: number
  readonly maxParamNameLength: number
  readonly maxParamValueLength: number
  readonly maxHeaderSize: number
  readonly bodyBudget: number
  readonly maxUnread: number
  readonly paramsTimeout: number
  readonly stalledReaderTimeout: number
  readonly idleReaderTimeout: number
  readonly stalledPeerTimeout: number
  readonly drainTimeout: number
  readonly accept: ((socket: Socket) => boolean) | undefined
  readonly stderr: 'send' | 'refuse'
  readonly authorize: Handler | undefined
  readonly filter: Handler | undefined
  readonly handlerError: ServerOptions['handlerError']
  readonly intercept: ServerOptions['intercept']
  readonly emitter: http.Server | undefined
  readonly warn: (code: string, message: string) => void
}

/** nginx's default worker has 512 connections, Apache's event MPM 400: several such servers fit. */
const MAX_CONNECTIONS = 4096
/** One running request costs some 10 KiB here: 40 MiB at the most before the app's own. */
const MAX_REQUESTS = 4096
/** HAProxy's `max-reqs` is set by hand and rarely above 100. */
const MAX_REQUESTS_PER_CONNECTION = 256
/** A request without its params holds up to `maxParamsBytes`: 8 MiB a connection. HAProxy sends BEGIN and PARAMS together. */
const MAX_PENDING_PER_CONNECTION = 32
/**
 * What requests that are still arriving hold on all connections together: 256 of the largest. Web servers send a
 * request's params in one go; above this the connection that holds most is closed.
 */
const MAX_HELD_PARAMS = 64 * 1024 * 1024
/** nginx refuses to send more than 64 KiB; Apache's and h2o's limits are near 100 KiB with certificates in SSL_*. */
const MAX_PARAMS_BYTES = 256 * 1024
/** 600 headers pass every web server tried; node:http's own limit is 2000 headers. */
const MAX_PARAMS = 2000
/** The longest name a server made from a header was under 300 bytes. */
const MAX_PARAM_NAME_LENGTH = 1024
/** A client certificate chain in PEM is the longest value seen, some 16 KiB; cookies end at 8 KiB by default. */
const MAX_PARAM_VALUE_LENGTH = 128 * 1024
/** Four full records: a reader that pauses for a moment does not stop the connection. */
const BODY_BUDGET = 256 * 1024
/**
 * Bytes of answers that a peer has not read: those of the protocol itself (to GET_VALUES: under 100 bytes each), and
 * whole responses where many bytes wait already. More is not asked for until they are read.
 */
const MAX_UNREAD = 64 * 1024
/** As client_header_timeout of nginx, halved: a web server sends params at once. */
const PARAMS_TIMEOUT = 30_000
const STALLED_READER_TIMEOUT = 5_000
const IDLE_READER_TIMEOUT = 60_000
/** Longer than any send timeout of a web server that is alive (nginx 60 s, Apache 300 s). */
const STALLED_PEER_TIMEOUT = 300_000
/** systemd kills after 90 s, mod_fcgid after some 8 s. */
const DRAIN_TIMEOUT = 30_000

/**
 * Fills in defaults and checks.
 *
 * @throws TypeError or RangeError that names the option, what it got and what it takes
 */
export function resolveOptions(options: ServerOptions = {}): ResolvedOptions {
  const target = options.target ?? 'raw'
  if (target !== 'raw' && target !== 'normalized') {
    throw new TypeError(`option target is 'raw' or 'normalized', not ${JSON.stringify(target)}`)
  }
  const stderr = options.stderr ?? 'send'
  if (stderr !== 'send' && stderr !== 'refuse') {
    throw new TypeError(`option stderr is 'send' or 'refuse', not ${JSON.stringify(stderr)}`)
  }
  for (const name of [
    'authorize',
    'filter',
    'handlerError',
    'intercept',
    'accept',
    'warn',
  ] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') {
      throw new TypeError(`option ${name} is a function, not ${typeof options[name]}`)
    }
  }
  const count = (name: NumberOption, fallback: number, least = 1): number =>
    checkedNumber(options, name, fallback, least)
  return {
    mount: options.mount === undefined ? undefined : normalizeMount(options.mount),
    script: options.script,
    scriptAliases: options.scriptAliases ?? [],
    target,
    trustedProxies: addressTest(options.trustedProxies ?? [], 'option trustedProxies'),
    trustRemoteUser: options.trustRemoteUser ?? false,
    multiplex: options.multiplex ?? true,
    maxConnections: count('maxConnections', MAX_CONNECTIONS),
    maxRequests: count('maxRequests', MAX_REQUESTS),
    maxRequestsPerConnection: count('maxRequestsPerConnection', MAX_REQUESTS_PER_CONNECTION),
    maxPendingPerConnection: count('maxPendingPerConnection', MAX_PENDING_PER_CONNECTION),
    maxHeldParams: count('maxHeldParams', MAX_HELD_PARAMS, 1024),
    maxParamsBytes: count('maxParamsBytes', MAX_PARAMS_BYTES, 1024),
    maxParams: count('maxParams', MAX_PARAMS),
    maxParamNameLength: count('maxParamNameLength', MAX_PARAM_NAME_LENGTH),
    maxParamValueLength: count('maxParamValueLength', MAX_PARAM_VALUE_LENGTH),
    maxHeaderSize: options.maxHeaderSize ?? http.maxHeaderSize,
    bodyBudget: count('bodyBudget', BODY_BUDGET),
    maxUnread: count('maxUnread', MAX_UNREAD),
    paramsTimeout: count('paramsTimeout', PARAMS_TIMEOUT),
    stalledReaderTimeout: count('stalledReaderTimeout', STALLED_READER_TIMEOUT),
    idleReaderTimeout: count('idleReaderTimeout', IDLE_READER_TIMEOUT),
    stalledPeerTimeout: count('stalledPeerTimeout', STALLED_PEER_TIMEOUT, 0),
    drainTimeout: count('drainTimeout', DRAIN_TIMEOUT, 0),
    accept: options.accept,
    stderr,
    authorize: options.authorize,
    filter: options.filter,
    handlerError: options.handlerError,
    intercept: options.intercept,
    emitter: options.emitter,
    warn: options.warn ?? (() => {}),
  }
}

type NumberOption =
  | 'maxConnections'
  | 'maxRequests'
  | 'maxRequestsPerConnection'
  | 'maxPendingPerConnection'
  | 'maxHeldParams'
  | 'maxUnread'
  | 'maxParamsBytes'
  | 'maxParams'
  | 'maxParamNameLength'
  | 'maxParamValueLength'
  | 'bodyBudget'
  | 'paramsTimeout'
  | 'stalledReaderTimeout'
  | 'idleReaderTimeout'
  | 'stalledPeerTimeout'
  | 'drainTimeout'

function checkedNumber(
  options: ServerOptions,
  name: NumberOption,
  fallback: number,
  least: number,
): number {
  const value = options[name] ?? fallback
  if (typeof value !== 'number') {
    throw new TypeError(`option ${name} is a number, not ${typeof value}`)
  }
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`option ${name} is a whole number from ${least} on, not ${value}`)
  }
  return value
}
