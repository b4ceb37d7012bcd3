// The result of reading PARAMS, and the options that decide how they are read.

import type { EntryScript } from './entry-script.ts'
import type { HeadWarning } from './warnings.ts'

/** What decides how params are read; limits are in bytes and come from the server's options. */
export interface HeadOptions extends EntryScript {
  /** Overrides the mount rule: '' or a path such as `/app` (see {@link normalizeMount}). */
  readonly mount?: string | undefined
  /** `raw`: the path as the client wrote it. `normalized`: SCRIPT_NAME + PATH_INFO, as the web server judged it. */
  readonly target: 'raw' | 'normalized'
  /** Whether this peer (REMOTE_ADDR) may say X-Forwarded-* and Forwarded about others. */
  readonly trustedProxies: (address: string) => boolean
  readonly trustRemoteUser: boolean
  /** Bytes of target, header names and header values together, as node:http counts; reaching it is 431. */
  readonly maxHeaderSize: number
  /** `http.createServer({ joinDuplicateHeaders })`: a repeated header of which the first would win is joined by `, `. */
  readonly joinDuplicateHeaders?: boolean | undefined
  readonly maxPairs: number
  readonly maxNameLength: number
  readonly maxValueLength: number
  /** `http.METHODS`; others are 400 as Node's parser answers. CONNECT is refused in any case. */
  readonly methods: ReadonlySet<string>
}

/** A request as node:http would show it, before there is a body. */
export interface RequestHead {
  method: string
  /** Raw rest of the target after the mount; begins with `/`, or is `*`. */
  url: string
  /** The whole target as the client sent it, reduced to path and query. */
  originalUrl: string
  /** '' or `/app`: percent-encoded where needed, no slash at the end. */
  mount: string
  /** From SERVER_PROTOCOL: `1.1`, `2.0`. INCLUDED is 1.0 (RFC 3875 §4.1.16); missing or unreadable is 1.1. */
  httpVersion: string
  httpVersionMajor: number
  httpVersionMinor: number
  /** As `IncomingMessage.headers`: lower-case names, latin1 values, joined as node:http joins. */
  headers: Record<string, string | string[]>
  /** As `IncomingMessage.rawHeaders`, but names are written `Title-Case`: CGI does not tell the client's case. */
  rawHeaders: string[]
  /** `undecided`: no length was told. Wait for the first STDIN record; when it has content call `bodyArrived`. */
  body: 'length' | 'chunked' | 'none' | 'undecided'
  /** Bytes of body the server promised, -1 when not known. */
  contentLength: number
  /** Undefined for a unix socket. */
  remoteAddress: string | undefined
  remotePort: number | undefined
  localAddress: string | undefined
  /** SERVER_PORT. Apache and Caddy take it from the client's Host header by default. */
  localPort: number | undefined
  encrypted: boolean
  /** The whole block in latin1: what `readParams` reads when somebody asks. */
  text: string
  /** Something to change in the web server's configuration; log each code once. */
  warning: HeadWarning | undefined
}
