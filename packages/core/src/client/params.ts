/**
 * CGI variables (RFC 3875 §4.1) for a request that is described in HTTP's words: what a web server would send whose
 * configuration names the mount and nothing else.
 */
import { isIP } from 'node:net'
import type { RequestHeaders, RequestInit } from './options.ts'

/** Name and value; a name may stand more than once. */
export type Param = readonly [name: string, value: string]

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/
const NOT_IN_TARGET = /[\0-\x20\x7f]/

/** What `buildParams` is told besides the request's own options. */
export interface BodyLength {
  /** Bytes of the body, where known. */
  body: number | undefined
  /** Bytes of DATA, where known. */
  data: number | undefined
}

/**
 * The variables of a request, in the order they are sent.
 *
 * @throws {TypeError} when the method, the path, the mount or a header cannot stand in a request
 */
export function buildParams(init: RequestInit, length: BodyLength): Param[] {
  if (Array.isArray(init.params)) return [...(init.params as readonly Param[])]
  const made = new Map<string, string>()
  const method = init.method ?? (init.body === undefined ? 'GET' : 'POST')
  if (!TOKEN.test(method)) throw new TypeError(`Not a method: ${JSON.stringify(method)}`)
  const target = latin1(init.path ?? '/')
  if (NOT_IN_TARGET.test(target) || !(target.startsWith('/') || target === '*')) {
    throw new TypeError(
      `Not a request target (it begins with / and has no blanks): ${JSON.stringify(target)}`,
    )
  }
  const mount = checkMount(init.mount ?? '')
  const { path, query } = splitTarget(target)
  if (mount !== '' && path !== mount && !path.startsWith(`${mount}/`)) {
    throw new TypeError(`The path ${path} is not under the mount ${mount}`)
  }
  const fields = headerFields(init.headers ?? {})
  made.set('GATEWAY_INTERFACE', 'CGI/1.1')
  made.set('SERVER_SOFTWARE', 'fastcgi-client')
  made.set('SERVER_PROTOCOL', 'HTTP/1.1')
  made.set('REQUEST_METHOD', method)
  made.set('REQUEST_URI', target)
  made.set('SCRIPT_NAME', decodePath(mount))
  made.set('PATH_INFO', decodePath(path.slice(mount.length)))
  made.set('QUERY_STRING', query)
  made.set('REQUEST_SCHEME', 'http')
  const { name, port } = hostAndPort(fields.get('host') ?? 'localhost')
  made.set('SERVER_NAME', name)
  made.set('SERVER_PORT', port)
  made.set('SERVER_ADDR', '127.0.0.1')
  made.set('REMOTE_ADDR', '127.0.0.1')
  made.set('REMOTE_PORT', '0')
  if (length.body !== undefined) made.set('CONTENT_LENGTH', String(length.body))
  if (length.data !== undefined) made.set('FCGI_DATA_LENGTH', String(length.data))
  made.set('HTTP_HOST', fields.get('host') ?? 'localhost')
  for (const [field, value] of fields) {
    if (field === 'content-type') made.set('CONTENT_TYPE', value)
    else if (field === 'content-length') made.set('CONTENT_LENGTH', value)
    else made.set(httpParam(field), value)
  }
  if (init.role === 'authorizer') {
    // §6.3: an Authorizer is not told these.
    for (const name of ['CONTENT_LENGTH', 'PATH_INFO', 'SCRIPT_NAME']) made.delete(name)
  }
  for (const [name, value] of Object.entries(init.params ?? {})) {
    if (value === undefined) made.delete(name)
    else made.set(name, String(value))
  }
  return [...made]
}

/** `X-Request-Id` → `HTTP_X_REQUEST_ID`. */
export function httpParam(field: string): string {
  return `HTTP_${field.toUpperCase().replaceAll('-', '_')}`
}

/** Path and query of a target; the query without its question mark. */
export function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?')
  return mark === -1
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** Percent-decodes into bytes, one latin1 character each; what is no escape stays as it is. */
export function decodePath(path: string): string {
  if (!path.includes('%')) return path
  return path.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

/** Text as the bytes that go on the wire, one latin1 character each: UTF-8 where latin1 is not enough. */
export function latin1(text: string): string {
  return /^[\0-\xff]*$/.test(text) ? text : Buffer.from(text, 'utf8').latin1Slice()
}

/** Checks a mount path. @throws {TypeError} unless it is empty, or begins with `/` and does not end with one */
export function checkMount(mount: string): string {
  const path = mount === '/' ? '' : mount
  if (
    path !== '' &&
    (!path.startsWith('/') || path.endsWith('/') || /[?#]/.test(path) || NOT_IN_TARGET.test(path))
  ) {
    throw new TypeError(`A mount begins with / and does not end with one: ${JSON.stringify(mount)}`)
  }
  return path
}

/** Name and port of a Host header; the port is 80 when it names none. */
export function hostAndPort(host: string): { name: string; port: string } {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(host)
  if (match === null) return { name: isIP(host) ? host : '', port: '80' }
  return { name: match[1] ?? '', port: match[2] || '80' }
}

function headerFields(headers: RequestHeaders): Map<string, string> {
  const fields = new Map<string, string>()
  for (const [name, given] of Object.entries(headers)) {
    if (given === undefined) continue
    if (!TOKEN.test(name)) throw new TypeError(`Not a header name: ${JSON.stringify(name)}`)
    const field = name.toLowerCase()
    for (const one of Array.isArray(given)
      ? (given as readonly string[])
      : [given as string | number]) {
      const value = latin1(String(one))
      if (CONTROL.test(value)) throw new TypeError(`A control character in the header ${name}`)
      const before = fields.get(field)
      // One param a field, joined as HTTP joins lists; cookies as HTTP joins cookies.
      fields.set(
        field,
        before === undefined ? value : `${before}${field === 'cookie' ? '; ' : ', '}${value}`,
      )
    }
  }
  return fields
}
