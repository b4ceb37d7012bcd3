// The request target: REQUEST_URI as a path of the kind node:http has in `req.url`, and the two ways of reading it,
// as it came and as a web server normalises it (RFC 3986 §6.2.2, RFC 3875 §4.1.5).

/** Latin-1 text with every byte percent-encoded that may not stand in a path (RFC 3986 §3.3); `/` stays. */
export function encodePath(path: string): string {
  if (path === '' || /^[\w!$&'()*+,\-./:;=@~]*$/.test(path)) return path
  return path.replace(
    /[^\w!$&'()*+,\-./:;=@~]/g,
    (byte) => '%' + byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0'),
  )
}

/** Percent-encoded bytes decoded to latin1, once; a `%` without two hex digits stays as it is. */
export function decodePath(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(/%[0-9a-fA-F]{2}/g, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
}

/**
 * A decoded path as most servers normalise it before they route or authorise: slashes merged, `.` and `..` resolved.
 * `..` above the root stays at the root.
 */
export function normalizePath(path: string): string {
  if (!path.includes('//') && !path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.split('/')
  const last = segments.length - 1
  for (let i = 0; i <= last; i++) {
    const segment = segments[i]!
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const end = segments[last]!
  const slash = kept.length > 0 && (end === '' || end === '.' || end === '..') ? '/' : ''
  return '/' + kept.join('/') + slash
}

/**
 * Where in a raw path the mount ends, in bytes, or -1 when the path is not under it. The raw path is read as a server
 * reads it: percent-decoded, slashes merged, dot segments resolved; and only a whole segment matches, so that
 * `/application` is not under `/app`.
 *
 * @param path  raw path, without query
 * @param mount decoded mount that begins with `/` and does not end with one
 * @param raw   the server does not resolve dot segments (HAProxy, Caddy): `/app/../x` is under /app
 */
export function mountEnd(path: string, mount: string, raw = false): number {
  const plain =
    path.startsWith(mount) && (path.length === mount.length || path[mount.length] === '/')
  // Dot segments after the mount may climb out of it, and into it again: look closer.
  if (plain && !/\/(?:\.|%2e)/i.test(path)) return mount.length
  const wanted = mount.slice(1).split('/')
  let depth = 0
  let matched = 0
  let end = -1
  let at = 1
  while (at <= path.length) {
    let next = path.indexOf('/', at)
    if (next < 0) next = path.length
    const segment = decodePath(path.slice(at, next))
    at = next + 1
    if (segment === '' || segment === '.') continue
    if (segment === '..') {
      if (depth > 0) depth--
      if (matched > depth) matched = depth
      if (matched < wanted.length) end = -1
      continue
    }
    if (matched === depth && segment === wanted[depth]) {
      matched++
      if (matched === wanted.length) end = next
    }
    depth++
  }
  return end < 0 && plain && raw ? mount.length : end
}

/**
 * What a mount leaves of a raw target: the rest after it, beginning with `/`, query kept.
 *
 * @param end from {@link mountEnd}
 */
export function afterMount(target: string, end: number): string {
  if (end === 0) return target
  const rest = target.slice(end)
  return rest.startsWith('/') ? rest : '/' + rest
}

/**
 * REQUEST_URI, which lies from `start` to `end` in a block, as path and query: an absolute URL loses scheme and
 * authority, a fragment goes. Bytes above 127 stay as they came, as latin1.
 *
 * @returns undefined for what Node's parser refuses: a space, a control byte, or something that is neither path, URL
 * nor `*`.
 */
export function reduceTarget(
  block: Buffer,
  text: string,
  start: number,
  end: number,
): string | undefined {
  let stop = end
  for (let i = start; i < end; i++) {
    const byte = block[i]!
    if (byte <= 32 || byte === 127) return undefined
    if (byte === 35 && stop === end) stop = i
  }
  const target = text.slice(start, stop)
  if (block[start] === 47 || target === '*') return target
  const origin = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i.exec(target)
  if (origin === null) return undefined
  const rest = target.slice(origin[0].length)
  return rest.startsWith('/') ? rest : '/' + rest
}

/** The target of a server that sends no REQUEST_URI; undefined when its QUERY_STRING cannot stand in one. */
export function targetOf(scriptName: string, pathInfo: string, query: string): string | undefined {
  if (/[\0-\x20\x7f]/.test(query)) return undefined
  const path = encodePath(scriptName + pathInfo)
  const fragment = query.indexOf('#')
  const kept = fragment < 0 ? query : query.slice(0, fragment)
  return (path.startsWith('/') ? path : '/' + path) + (kept === '' ? '' : '?' + kept)
}
