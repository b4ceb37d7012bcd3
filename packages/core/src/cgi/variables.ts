// The names of CGI variables (RFC 3875 §4.1) and what each is for us, interned so that a request costs no name
// lookups: a request nearly always names its variables in the order of the one before.

import { Rule, ruleOf, titleCase } from './header-rules.ts'
import { inWords, memoryOf, sameWords, type Words } from './words.ts'

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
  FastcgiMount: 22,
  // From here on client headers that are needed by themselves.
  HttpContentType: 23,
  HttpContentLength: 24,
  HttpTransferEncoding: 25,
} as const

/** How many places {@link Slot} has, counting the unused one at 0. */
export const SLOTS = 26

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
    FASTCGI_MOUNT: Slot.FastcgiMount,
    HTTP_CONTENT_TYPE: Slot.HttpContentType,
    HTTP_CONTENT_LENGTH: Slot.HttpContentLength,
    HTTP_TRANSFER_ENCODING: Slot.HttpTransferEncoding,
  }),
)

/** One name of a param, and what to do with its value. */
export interface Variable extends Words {
  /** The name as it came. */
  readonly name: string
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

/** At this many names the table starts again, so that a peer who invents names cannot grow it. */
const MAX_REMEMBERED = 1024
/** Longer names are not remembered: 1024 of them then take some 300 KB at most. */
const MAX_REMEMBERED_LENGTH = 96
/** Places of the quick table; a power of two. */
const QUICK_SIZE = 1024

/** Comes before the first variable of every block. */
export const startOfBlock: Variable = describe('')

const known: readonly Variable[] = [...slots.keys()].map(describe)
const remembered = new Map<string, Variable>()
// Servers that send their params in random order (Caddy) defeat the guess; this finds a name by a few of its bytes.
const quick: (Variable | undefined)[] = Array.from({ length: QUICK_SIZE })
forgetNames()

/** Starts the table again with the variables of CGI. Also breaks every chain, which would keep old names in memory. */
function forgetNames(): void {
  for (const variable of remembered.values()) variable.next = undefined
  remembered.clear()
  startOfBlock.next = undefined
  quick.fill(undefined)
  for (const variable of known) {
    variable.next = undefined
    remembered.set(variable.name, variable)
  }
}

function describe(name: string): Variable {
  const isHeader = name.startsWith('HTTP_')
  const header = isHeader ? name.slice(5).toLowerCase().replaceAll('_', '-') : ''
  return {
    name,
    ...inWords(Buffer.from(name, 'latin1')),
    slot: slots.get(name) ?? 0,
    rule: isHeader ? ruleOf(header) : Rule.None,
    header,
    rawName: titleCase(header),
    next: undefined,
  }
}

/** Finds what a name in a block means. `previous` learns that this name follows it. */
export function lookUp(block: Buffer, start: number, length: number, previous: Variable): Variable {
  const end = start + length
  // Any mixture would do; this one has few collisions among the names that real servers send.
  const place =
    (171 * length +
      177 * block[start + (length >> 1)]! +
      8 * block[end - 1]! +
      17 * block[end - 3]!) &
    (QUICK_SIZE - 1)
  let variable = quick[place]
  const at = block.byteOffset + start
  if (variable === undefined || !isNamed(variable, memoryOf(block), at, at + length)) {
    // A copy, never a slice of the block: a remembered name must not keep a whole request in memory.
    const name = block.latin1Slice(start, end)
    variable = remembered.get(name)
    if (variable === undefined) {
      variable = describe(name)
      if (length > MAX_REMEMBERED_LENGTH) return variable
      if (remembered.size >= MAX_REMEMBERED) forgetNames()
      remembered.set(name, variable)
    }
    quick[place] = variable
  }
  previous.next = variable
  return variable
}

/** Whether a variable has the name that lies from `start` to `end`; false for one of less than four bytes. */
export function isNamed(variable: Variable, memory: DataView, start: number, end: number): boolean {
  return variable.length === end - start && sameWords(memory, start, end, variable)
}
