// From REQUEST_URI to `url`, `originalUrl` and `mount`.

import type { HeadOptions, RequestHead } from './head.ts'
import { HeadError } from './head-error.ts'
import { declaredMount } from './declared-mount.ts'
import { findMount, fixedMount, type Mount } from './mount.ts'
import { normalizedPath } from './normalized.ts'
import {
  afterMount,
  decodePath,
  encodePath,
  normalizePath,
  reduceTarget,
  targetOf,
} from './target.ts'
import { ends, starts, valueOf } from './values.ts'
import { Slot } from './variables.ts'
import { notNormalized } from './warnings.ts'
import type { WebServer } from './web-server.ts'

/**
 * Sets the target of a request, and its mount.
 *
 * @throws HeadError `FCGI_BAD_TARGET`
 */
export function readTarget(
  block: Buffer,
  text: string,
  head: RequestHead,
  server: WebServer,
  options: HeadOptions,
): void {
  const scriptName = valueOf(text, Slot.ScriptName)
  const pathInfo = starts[Slot.PathInfo]! < 0 ? undefined : valueOf(text, Slot.PathInfo)
  const query = valueOf(text, Slot.QueryString)
  const start = starts[Slot.RequestUri]!
  const end = ends[Slot.RequestUri]!
  const target =
    start < 0 || start === end
      ? targetOf(scriptName, pathInfo ?? '', query)
      : reduceTarget(block, text, start, end)
  if (target === undefined) {
    throw new HeadError(
      400,
      'FCGI_BAD_TARGET',
      'REQUEST_URI is no path, URL or *, or has a control byte or space',
    )
  }
  head.originalUrl = target
  head.url = target
  if (target === '*') return
  const queryAt = target.indexOf('?')
  const path = queryAt < 0 ? target : target.slice(0, queryAt)
  const found = mountOf(text, path, scriptName, pathInfo, server, options)
  head.mount = encodePath(found.mount)
  head.url = afterMount(target, found.end)
  head.warning = found.warning
  if (options.target === 'raw') return
  const normalized = normalizedPath(path, scriptName, pathInfo ?? '', found.mount, server)
  if (!normalized.told) head.warning ??= notNormalized
  const mount = fixedMount(normalized.path, found.mount)
  const rest = queryAt < 0 ? '' : target.slice(queryAt)
  head.mount = encodePath(mount.mount)
  head.url = encodePath(afterMount(normalized.path, mount.end)) + rest
  head.originalUrl = encodePath(normalized.path) + rest
}

/** By the option, else as the server's configuration declares it, else as its variables tell. */
function mountOf(
  text: string,
  path: string,
  scriptName: string,
  pathInfo: string | undefined,
  server: WebServer,
  options: HeadOptions,
): Mount {
  if (options.mount !== undefined) return fixedMount(path, options.mount)
  const value = valueOf(text, Slot.FastcgiMount)
  const declared = value === '' ? undefined : declaredMount(value, path, server)
  if (declared !== undefined && 'mount' in declared) return declared
  const found = findMount(
    {
      path,
      scriptName,
      pathInfo,
      scriptFilename: valueOf(text, Slot.ScriptFilename),
      documentRoot: valueOf(text, Slot.DocumentRoot),
      contextPrefix: valueOf(text, Slot.ContextPrefix),
      contextDocumentRoot: valueOf(text, Slot.ContextDocumentRoot),
      server,
    },
    options,
  )
  return declared === undefined ? found : { ...found, warning: declared }
}

/**
 * Brings the option `mount` into form: '' for '' and '/', else with a slash before and none behind, decoded.
 *
 * @throws TypeError for a mount with a query, a fragment, a space or control characters.
 */
export function normalizeMount(mount: string): string {
  if (/[\0-\x20?#\x7f]/.test(mount)) {
    throw new TypeError(`mount must be a path such as '/app', not ${JSON.stringify(mount)}`)
  }
  const clean = normalizePath('/' + decodePath(Buffer.from(mount, 'utf8').latin1Slice()))
  return clean.endsWith('/') ? clean.slice(0, -1) : clean
}
