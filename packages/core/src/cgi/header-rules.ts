// Which header does what when it comes twice, which ones stay behind, and how names are spelled: RFC 3875 §4.1.18
// on one side, node:http's IncomingMessage on the other.

/** What happens to a param that is a request header. */
export const Rule = {
  /** No header. */
  None: 0,
  /** Repeated values are joined by `, `. */
  Comma: 1,
  /** The first value wins, as in node:http. */
  First: 2,
  /** Joined by `; `. */
  Cookie: 3,
  /** An array of values. */
  SetCookie: 4,
  /** Says something about another connection, or is dangerous: left out. */
  Dropped: 5,
  /** Joined by `, `, and a statement about the client that only a proxy may make: see `forwarded.ts`. */
  Forwarded: 6,
  /** Its value is kept in a slot and the header made later from all that is known about the body. */
  Body: 7,
  /** The name is no token: node's parser refuses it. */
  Bad: 8,
  /** First wins; an empty value counts as missing. */
  Authorization: 9,
} as const

const rules = new Map<string, number>([
  ...[
    'age',
    'etag',
    'expires',
    'from',
    'host',
    'if-modified-since',
    'if-unmodified-since',
    'last-modified',
    'location',
    'max-forwards',
    'proxy-authorization',
    'referer',
    'retry-after',
    'server',
    'user-agent',
  ].map((name) => [name, Rule.First] as const),
  ['authorization', Rule.Authorization],
  ['cookie', Rule.Cookie],
  ['set-cookie', Rule.SetCookie],
  // `Proxy` would become HTTP_PROXY in the environment of whatever the app starts (httpoxy); the others speak of
  // the connection between client and web server, which is not ours.
  ...['proxy', 'upgrade', 'connection', 'keep-alive', 'te'].map(
    (name) => [name, Rule.Dropped] as const,
  ),
  ...['content-type', 'content-length', 'transfer-encoding'].map(
    (name) => [name, Rule.Body] as const,
  ),
  ...[
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'x-forwarded-port',
    'forwarded',
  ].map((name) => [name, Rule.Forwarded] as const),
])

const token = /^[!#$%&'*+.^`|~0-9a-z-]+$/

/** The {@link Rule} of a header, by its lower-case name. */
export function ruleOf(header: string): number {
  return rules.get(header) ?? (token.test(header) ? Rule.Comma : Rule.Bad)
}

/**
 * `user-agent` → `User-Agent`, for `rawHeaders`. CGI loses the case the client wrote, so each word gets a capital, as
 * nearly every client writes it.
 */
export function titleCase(header: string): string {
  return header.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
}

/**
 * Adds one header to a request head as node:http does: a repeated one joins, replaces nothing, or fills an array, by
 * its {@link Rule}; `rawHeaders` keeps each. `joinAll` is the option `joinDuplicateHeaders`.
 */
export function addHeader(
  headers: Record<string, string | string[]>,
  rawHeaders: string[],
  rule: number,
  header: string,
  rawName: string,
  value: string,
  joinAll: boolean,
): void {
  rawHeaders.push(rawName, value)
  const present = headers[header]
  // `typeof` also passes over what every object inherits: there may be a header named Constructor.
  if (rule === Rule.SetCookie) {
    if (Array.isArray(present)) present.push(value)
    else headers[header] = [value]
  } else if (typeof present !== 'string') {
    headers[header] = value
  } else if (rule === Rule.Comma || rule === Rule.Forwarded) {
    headers[header] = present + ', ' + value
  } else if (rule === Rule.Cookie) {
    headers[header] = present + '; ' + value
  } else if (joinAll) {
    headers[header] = present + ', ' + value
  }
}
