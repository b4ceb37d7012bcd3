// The names of CGI variables (RFC 3875 §4.1) and what each is for us, interned so that a request costs no name
// lookups: a request nearly always names its variables in the order of the one before.

import { Rule, ruleOf, titleCase } from './header-rules.ts'

/** Variables whose value a request head needs; the number is the place its offsets are kept at. */
export const Slot = {
  RequestMethod: 1,
  RequestUri: 2,
  ScriptName: 3,
  PathInfo: 4,
  QueryString: 5,
  ScriptFilename: 6,
  DocumentRoot: 7,
  ContextPrefix: 8,
  ContextDocumentRoot: 9,
  ServerProtocol: 10,
  ServerSoftware: 11,
  ContentType: 12,
  ContentLength: 13,
  RemoteAddr: 14,
  RemotePort: 15,
  ServerAddr: 16,
  ServerPort: 17,
  Https: 18,
  RequestScheme: 19,
  RedirectAuthorization: 20,
  LiteralAuthorization: 21,
  // From here on client headers that are needed by themselves.
  HttpContentType: 22,
  HttpContentLength: 23,
  HttpTransferEncoding: 24,
} as const

/** How many places {@link Slot} has, counting the unused one at 0. */
export const SLOTS = 25

const slots = new Map<string, number>(
  Object.entries({
    REQUEST_METHOD: Slot.RequestMethod,
    REQUEST_URI: Slot.RequestUri,
    SCRIPT_NAME: Slot.ScriptName,
    PATH_INFO: Slot.PathInfo,
    QUERY_STRING: Slot.QueryString,
    SCRIPT_FILENAME: Slot.ScriptFilename,
    DOCUMENT_ROOT: Slot.DocumentRoot,
    CONTEXT_PREFIX: Slot.ContextPrefix,
    CONTEXT_DOCUMENT_ROOT: Slot.ContextDocumentRoot,
    SERVER_PROTOCOL: Slot.ServerProtocol,
    SERVER_SOFTWARE: Slot.ServerSoftware,
    CONTENT_TYPE: Slot.ContentType,
    CONTENT_LENGTH: Slot.ContentLength,
    REMOTE_ADDR: Slot.RemoteAddr,
    REMOTE_PORT: Slot.RemotePort,
    SERVER_ADDR: Slot.ServerAddr,
    SERVER_PORT: Slot.ServerPort,
    HTTPS: Slot.Https,
    REQUEST_SCHEME: Slot.RequestScheme,
    REDIRECT_HTTP_AUTHORIZATION: Slot.RedirectAuthorization,
    REDIRECT_REDIRECT_HTTP_AUTHORIZATION: Slot.RedirectAuthorization,
    Authorization: Slot.LiteralAuthorization,
    HTTP_CONTENT_TYPE: Slot.HttpContentType,
    HTTP_CONTENT_LENGTH: Slot.HttpContentLength,
    HTTP_TRANSFER_ENCODING: Slot.HttpTransferEncoding,
  }),
)

/** One name of a param, and what to do with its value. */
export interface Variable {
  /** The name as it came, latin1. */
  readonly name: string
  /** Bytes of the name. */
  readonly length: number
  /** Place in {@link Slot} for its value; 0 when it has none. */
  readonly slot: number
  /** What a header of this name does, {@link Rule}; `Rule.None` for a variable that is no header. */
  readonly rule: number
  /** `user-agent` for HTTP_USER_AGENT; empty for a variable that is no header. */
  readonly header: string
  /** `User-Agent` for HTTP_USER_AGENT: CGI does not tell the case the client wrote. */
  readonly rawName: string
  /** The variable that came after this one last time. */
  next: Variable | undefined
}

/** Names beyond this many are not remembered, so that a peer who invents names cannot grow the table. */
const MAX_REMEMBERED = 1024
/** Names longer than this are not remembered: 1024 of them then take at most some 300 KB. */
const MAX_REMEMBERED_LENGTH = 96

const table = new Map<string, Variable>()

function describe(name: string): Variable {
  const isHeader = name.startsWith('HTTP_')
  const header = isHeader ? name.slice(5).toLowerCase().replaceAll('_', '-') : ''
  return {
    name,
    length: name.length,
    slot: slots.get(name) ?? 0,
    rule: isHeader ? ruleOf(header) : Rule.None,
    header,
    rawName: titleCase(header),
    next: undefined,
  }
}

for (const name of slots.keys()) table.set(name, describe(name))

/** Finds what a name means. `previous` learns that this name follows it. */
export function lookUp(
  block: Buffer,
  start: number,
  length: number,
  previous: Variable | undefined,
): Variable {
  // A copy, never a slice of the block: a remembered name must not keep a whole request in memory.
  const name = block.latin1Slice(start, start + length)
  let variable = table.get(name)
  if (variable === undefined) {
    variable = describe(name)
    if (table.size >= MAX_REMEMBERED || length > MAX_REMEMBERED_LENGTH) return variable
    table.set(name, variable)
  }
  if (previous !== undefined) previous.next = variable
  return variable
}
