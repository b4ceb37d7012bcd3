// FASTCGI_MOUNT: the mount as the web server's configuration says it, for servers whose other variables do not tell.
// A client cannot: every header of a request is an HTTP_… variable (RFC 3875 §4.1.18).

import type { Mount } from './mount.ts'
import { decodePath, mountEnd, normalizePath } from './target.ts'
import { declaredBadly, declaredElsewhere, type HeadWarning } from './warnings.ts'
import { WebServer } from './web-server.ts'

let lastValue = ''
let lastMount: string | undefined

/**
 * The mount a server declared, or what is wrong with the declaration. `/` is the whole site.
 *
 * @param value FASTCGI_MOUNT, not empty
 * @param path raw path of the target, without query
 */
export function declaredMount(value: string, path: string, server: WebServer): Mount | HeadWarning {
  if (value !== lastValue) {
    lastMount = readMount(value)
    // A copy: the value is a slice that holds a whole request in memory.
    lastValue = Buffer.from(value, 'latin1').latin1Slice()
  }
  const mount = lastMount
  if (mount === undefined) return declaredBadly
  if (mount === '') return { mount, end: 0, warning: undefined }
  // HAProxy and Caddy choose by the path as it was sent, dot segments and all.
  const end = mountEnd(path, mount, server === WebServer.HAProxy || server === WebServer.Caddy)
  return end < 0 ? declaredElsewhere : { mount, end, warning: undefined }
}

/** Decoded; undefined for what is no clean path: a slash at its end, dot segments, a query, blanks. */
function readMount(value: string): string | undefined {
  if (value === '/') return ''
  const mount = decodePath(value)
  const isClean = mount.startsWith('/') && !mount.endsWith('/') && normalizePath(mount) === mount
  return isClean && !/[\0-\x20?#\x7f]/.test(mount) ? mount : undefined
}
