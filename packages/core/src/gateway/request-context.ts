/** A request that came in over HTTP, taken apart as the web server takes it apart that is to be imitated. */
import { decodePath, hostAndPort, type Param } from '../client/params.ts'
import { readTarget, type Refusal, type RequestPath } from './request-path.ts'
import { DEFAULT_RULES, SERVER_RULES, type ServerRules, type WebServer } from './web-servers.ts'

/** An HTTP request, in the words of node:http; text is latin1. */
export interface HttpRequest {
  readonly method: string
  readonly target: string
  readonly httpVersion: string
  readonly rawHeaders: readonly string[]
  /** Bytes of the body; undefined: it comes in chunks of unknown sum; -1: there is none. */
  readonly bodyLength: number | undefined
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
}

/** Where the application stands, as the configuration of a web server would say. */
export interface Site {
  /** The server to imitate; undefined: {@link DEFAULT_RULES}. */
  readonly as: WebServer | undefined
  /** Path of the application, without a slash at its end; empty: the root. */
  readonly mount: string
  /** Absolute path of the script, for SCRIPT_FILENAME. */
  readonly script: string
  readonly documentRoot: string
}

/** The rules a site follows. */
export function rulesOf(site: Site): ServerRules {
  return site.as === undefined ? DEFAULT_RULES : SERVER_RULES[site.as]
}

/**
 * Takes a request apart; or says why the server would not pass it on.
 */
export function readContext(request: HttpRequest, site: Site): Context | Refusal {
  const rules = rulesOf(site)
  const read = readTarget(request.target, rules.path)
  if ('status' in read) return read
  const split = splitMount(read.path, site)
  if (split === undefined) {
    return {
      status: 404,
      reason: `The application is mounted at ${site.mount}/, and this path is not under it.`,
    }
  }
  return { request, site, rules, read, fields: readFields(request.rawHeaders), ...split }
}

/** A request taken apart. */
export interface Context {
  readonly request: HttpRequest
  readonly site: Site
  readonly rules: ServerRules
  readonly read: RequestPath
  /** Lower-case name → values in order. */
  readonly fields: ReadonlyMap<string, readonly string[]>
  /** The mount as it stands in this request's path: another one where a server takes a prefix of a name. */
  readonly base: string
  /** What follows the mount; empty for the mount itself. */
  readonly rest: string
}

/** Cuts the path at the mount; undefined: it is elsewhere. */
function splitMount(path: string, site: Site): { base: string; rest: string } | undefined {
  const mount = decodePath(site.mount)
  if (mount === '') return { base: '', rest: path }
  if (path === mount || path.startsWith(`${mount}/`))
    return { base: mount, rest: path.slice(mount.length) }
  if (!path.startsWith(mount)) return undefined
  // `location /app`, `handle_path /app*` and `"/app" =>` compare letters, not segments: `/application/x` gets in.
  if (site.as === 'nginx' || site.as === 'caddy')
    return { base: mount, rest: path.slice(mount.length) }
  if (site.as !== 'lighttpd') return undefined
  const slash = path.indexOf('/', mount.length)
  return slash === -1
    ? { base: path, rest: '' }
    : { base: path.slice(0, slash), rest: path.slice(slash) }
}

function readFields(rawHeaders: readonly string[]): Map<string, string[]> {
  const fields = new Map<string, string[]>()
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase()
    const values = fields.get(name)
    if (values === undefined) fields.set(name, [rawHeaders[index + 1]!])
    else values.push(rawHeaders[index + 1]!)
  }
  return fields
}

/** The first value of a field. */
export function first(context: Context, name: string): string | undefined {
  return context.fields.get(name)?.[0]
}

/** The HTTP_* variables. */
export function headerParams(context: Context): Param[] {
  const { rules, fields } = context
  const params: Param[] = []
  for (const [field, values] of fields) {
    if (rules.drops.has(field)) continue
    if ((field === 'content-type' || field === 'content-length') && !rules.httpCopies.has(field))
      continue
    let name = field.replaceAll('-', '_')
    if (/[^a-z0-9-]/.test(field)) {
      if (rules.oddNames === 'dropped') continue
      if (rules.oddNames === 'underscore') name = field.replace(/[^a-z0-9]/g, '_')
    }
    const param = `HTTP_${name.toUpperCase()}`
    const kept = rules.dropsEmpty ? values.filter((value) => value !== '') : values
    if (kept.length === 0) continue
    const separator = field === 'cookie' ? rules.cookies : undefined
    if (separator !== undefined) params.push([param, kept.join(separator)])
    else if (rules.repeated === 'joined') params.push([param, kept.join(', ')])
    else for (const value of kept) params.push([param, value])
  }
  return params
}

/** CONTENT_LENGTH, where there is one. */
export function contentLength({ request, rules }: Context): Param[] {
  const { bodyLength } = request
  let value: string | undefined
  if (bodyLength === undefined)
    value = rules.chunked === 'read first' ? undefined : rules.chunked.length
  else value = bodyLength === -1 ? rules.noLength : String(bodyLength)
  return value === undefined ? [] : [['CONTENT_LENGTH', value]]
}

/** CONTENT_TYPE, where the client sent one. */
export function contentType(context: Context): Param[] {
  const type = first(context, 'content-type')
  return type === undefined ? [] : [['CONTENT_TYPE', type]]
}

/** SERVER_PROTOCOL. */
export function protocol({ request }: Context): string {
  return `HTTP/${request.httpVersion}`
}

/** The name in Host, as servers put it into SERVER_NAME: in lower case, without a dot at its end. */
export function hostName(context: Context): string {
  return hostAndPort(first(context, 'host') ?? '')
    .name.toLowerCase()
    .replace(/\.$/, '')
}

/** SERVER_ADDR and SERVER_PORT, REMOTE_ADDR and REMOTE_PORT. */
export function addresses({ request }: Context): { server: Param[]; remote: Param[] } {
  return {
    server: [
      ['SERVER_ADDR', request.localAddress],
      ['SERVER_PORT', String(request.localPort)],
    ],
    remote: [
      ['REMOTE_ADDR', request.remoteAddress],
      ['REMOTE_PORT', String(request.remotePort)],
    ],
  }
}

/** The user a Basic Authorization names, not verified by anybody. */
export function basicUser(context: Context): string | undefined {
  const basic = /^basic +(\S+)$/i.exec(first(context, 'authorization') ?? '')
  if (basic === null) return undefined
  return Buffer.from(basic[1]!, 'base64').latin1Slice().split(':')[0]
}
