/**
 * How web servers turn an HTTP request into CGI variables, one entry a server, from recordings of Apache 2.4.71,
 * nginx 1.22.1, lighttpd 1.4.69, HAProxy 2.6.12, Caddy 2.6.2 and h2o 2.2.5 with the usual configuration of each.
 */
import type { PathRules } from './request-path.ts'

/** The servers that can be imitated. */
export const WEB_SERVERS = [
  'apache-mod_fcgid',
  'apache-mod_proxy_fcgi',
  'nginx',
  'lighttpd',
  'haproxy',
  'caddy',
  'h2o',
] as const

/** One of {@link WEB_SERVERS}. */
export type WebServer = (typeof WEB_SERVERS)[number]

/** A way to send a request. */
export interface ServerRules {
  readonly software: string
  readonly path: PathRules
  /** FCGI_KEEP_CONN is set and connections are used again. */
  readonly keepsConnections: boolean
  /** Where a request has no body, CONTENT_LENGTH is this; undefined: it is absent. */
  readonly noLength: string | undefined
  /** A chunked body: read to its end first, or sent as it comes, with this CONTENT_LENGTH. */
  readonly chunked: 'read first' | { readonly length: string | undefined }
  /** What becomes of a field that comes twice. */
  readonly repeated: 'joined' | 'twice'
  /** What stands between two Cookie lines; undefined: as other fields. */
  readonly cookies?: string
  /** Field names beyond letters, digits and `-`: left out, taken as they are, or all but `_` become `_`. */
  readonly oddNames: 'dropped' | 'literal' | 'underscore'
  /** Fields that never arrive. */
  readonly drops: ReadonlySet<string>
  /** Fields with an empty value never arrive. */
  readonly dropsEmpty: boolean
  /** The HTTP_ copies of Content-Type and Content-Length that come besides the variables without HTTP_. */
  readonly httpCopies: ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()
const nginxPath: PathRules = {
  mergeSlashes: true,
  resolveDots: true,
  aboveRoot: 400,
  badEscape: 400,
  nul: 400,
  star: 400,
  cutsFragment: true,
  reducesAbsolute: true,
}
const apachePath: PathRules = {
  mergeSlashes: true,
  resolveDots: true,
  aboveRoot: 400,
  badEscape: 400,
  nul: 404,
  encodedSlash: 404,
  star: 400,
  cutsFragment: false,
  reducesAbsolute: false,
}

/**
 * What the gateway does when no server is named: nginx with a configuration that gets SCRIPT_NAME and PATH_INFO right,
 * and `fastcgi_request_buffering off`.
 */
export const DEFAULT_RULES: ServerRules = {
  software: 'fastcgi-gateway',
  path: nginxPath,
  keepsConnections: false,
  noLength: '',
  chunked: { length: '' },
  repeated: 'twice',
  oddNames: 'dropped',
  drops: none,
  dropsEmpty: false,
  httpCopies: new Set(['content-type', 'content-length']),
}

/** The rules of each server. */
export const SERVER_RULES: Readonly<Record<WebServer, ServerRules>> = {
  'apache-mod_fcgid': {
    software: 'Apache/2.4.71 (Debian) mod_fcgid/2.3.9',
    path: apachePath,
    keepsConnections: false,
    noLength: '0',
    chunked: 'read first',
    repeated: 'joined',
    oddNames: 'dropped',
    // Authorization: without CGIPassAuth On or FcgidPassHeader.
    drops: new Set([
      'proxy',
      'authorization',
      'proxy-authorization',
      'upgrade',
      'te',
      'keep-alive',
      'transfer-encoding',
    ]),
    dropsEmpty: false,
    httpCopies: none,
  },
  'apache-mod_proxy_fcgi': {
    software: 'Apache/2.4.71 (Debian)',
    path: apachePath,
    keepsConnections: false,
    noLength: undefined,
    chunked: { length: undefined },
    repeated: 'joined',
    oddNames: 'dropped',
    drops: new Set(['proxy', 'authorization', 'proxy-authorization']),
    dropsEmpty: false,
    httpCopies: none,
  },
  nginx: {
    ...DEFAULT_RULES,
    software: 'nginx/1.22.1',
    chunked: 'read first',
  },
  lighttpd: {
    software: 'lighttpd/1.4.69',
    path: {
      mergeSlashes: true,
      resolveDots: true,
      nul: 400,
      star: 400,
      cutsFragment: true,
      reducesAbsolute: true,
    },
    keepsConnections: false,
    noLength: '0',
    chunked: 'read first',
    repeated: 'joined',
    cookies: '; ',
    oddNames: 'underscore',
    drops: new Set(['proxy', 'expect', 'transfer-encoding']),
    dropsEmpty: true,
    httpCopies: new Set(['content-length']),
  },
  haproxy: {
    software: 'HAProxy 2.6.12',
    path: {
      mergeSlashes: false,
      resolveDots: false,
      badEscape: 500,
      rawByte: 400,
      star: 500,
      cutsFragment: false,
      reducesAbsolute: false,
    },
    keepsConnections: true,
    noLength: '0',
    chunked: 'read first',
    repeated: 'twice',
    oddNames: 'dropped',
    drops: new Set([
      'proxy',
      'authorization',
      'proxy-authorization',
      'connection',
      'keep-alive',
      'te',
      'upgrade',
      'expect',
      'transfer-encoding',
    ]),
    dropsEmpty: false,
    httpCopies: none,
  },
  caddy: {
    software: 'Caddy/2.6.2',
    path: {
      mergeSlashes: false,
      resolveDots: false,
      badEscape: 400,
      nul: 400,
      star: 400,
      cutsFragment: false,
      reducesAbsolute: true,
    },
    keepsConnections: false,
    noLength: '0',
    chunked: { length: '-1' },
    repeated: 'joined',
    oddNames: 'literal',
    drops: new Set(['keep-alive', 'proxy-authorization', 'transfer-encoding', 'connection']),
    dropsEmpty: false,
    httpCopies: new Set(['content-type', 'content-length']),
  },
  h2o: {
    software: 'h2o/2.2.5',
    path: { mergeSlashes: false, resolveDots: true, cutsFragment: false, reducesAbsolute: false },
    keepsConnections: false,
    noLength: undefined,
    chunked: 'read first',
    repeated: 'twice',
    cookies: ';',
    oddNames: 'literal',
    drops: new Set(['expect', 'upgrade', 'transfer-encoding']),
    dropsEmpty: false,
    httpCopies: none,
  },
}
