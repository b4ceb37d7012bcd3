// Where the app is mounted, from what the web server's *configuration* fixes and never from what a client wrote in
// its URL: SCRIPT_NAME alone does not tell, since many servers put the client's path there.

import { filePath, isOwnScript, lastSegment, type EntryScript } from './entry-script.ts'
import { decodePath, mountEnd, normalizePath } from './target.ts'
import { mountWarning, type HeadWarning, type MountDoubt } from './warnings.ts'
import { WebServer } from './web-server.ts'

/** What the decision is made from. All values are latin1 text as the server sent them, decoded by it. */
export interface MountFacts {
  /** Raw path of the target, without query. */
  readonly path: string
  readonly scriptName: string
  /** Undefined when the server sent no PATH_INFO, which is something else than an empty one. */
  readonly pathInfo: string | undefined
  readonly scriptFilename: string
  readonly documentRoot: string
  /** CONTEXT_PREFIX and CONTEXT_DOCUMENT_ROOT, the two sides of Apache's Alias. */
  readonly contextPrefix: string
  readonly contextDocumentRoot: string
  readonly server: WebServer
}

/** A mount, and where the raw path leaves it. */
export interface Mount {
  /** Decoded; empty, or `/app` without a slash at its end. */
  readonly mount: string
  /** Length of the mount in the raw path. */
  readonly end: number
  /** What about the configuration leaves the mount open; the same object every time. */
  readonly warning: HeadWarning | undefined
}

const root: Mount = { mount: '', end: 0, warning: undefined }

/**
 * Finds the mount:
 *
 * 1. *Own script*: SCRIPT_FILENAME is the entry script and SCRIPT_NAME is its address, by DOCUMENT_ROOT or by an
 *    Alias. The mount is SCRIPT_NAME; or its directory, where the URL does not name the script (rewrite). Or the path
 *    behind the script is in SCRIPT_FILENAME too, as ProxyPass to a script puts it there.
 * 2. *Prefix*: SCRIPT_NAME is a prefix of the path at a segment's end and PATH_INFO is there too. Not under lighttpd
 *    and Apache's mod_proxy_fcgi, where SCRIPT_NAME can be a piece of whatever the client asked for; not when
 *    SCRIPT_NAME ends in a file name, which is where a regular expression cut the client's path. An empty PATH_INFO
 *    counts when the path is SCRIPT_NAME: nginx sends it for `/app`. It also sends it where a split pattern did not
 *    match; the url is `/` then, whatever the client asked for, so nothing is reached by it. Under Caddy it counts
 *    where SCRIPT_NAME is not what Caddy made of the path.
 * 3. Otherwise empty, with a warning when the server's configuration may mean something else.
 */
export function findMount(facts: MountFacts, entry: EntryScript): Mount {
  const { scriptName, pathInfo, server } = facts
  if (scriptName === '' || scriptName === '/') {
    if (scriptName === '/' && server === WebServer.Lighttpd)
      return undecided('follows-path', server)
    return maybeStripped(facts)
  }
  // A SCRIPT_NAME the server did not normalise is the client's path as it came.
  if (!scriptName.startsWith('/') || /\/\/|\/\.\.?(?:\/|$)|[\0-\x1f]/.test(scriptName)) return root
  if (isOwnAddress(facts, entry)) return ownMount(facts)

  // Alias to a script that starts this one by a wrapper.
  if (
    facts.scriptFilename !== '' &&
    facts.scriptFilename === withoutSlash(facts.contextDocumentRoot) &&
    scriptName === withoutSlash(facts.contextPrefix)
  ) {
    return fixedMount(facts.path, scriptName)
  }
  // The same under lighttpd, whose DOCUMENT_ROOT is the alias's other side.
  if (
    server === WebServer.Lighttpd &&
    facts.scriptFilename !== '' &&
    facts.scriptFilename === facts.documentRoot
  ) {
    return fixedMount(facts.path, scriptName)
  }
  const whole = pathInfo === undefined || pathInfo === ''
  if (server === WebServer.Apache || server === WebServer.Lighttpd) {
    if (!isUnder(facts.path, scriptName) || isHidden(facts)) return otherScript(facts)
    if (server === WebServer.Apache && whole) {
      return behindOwnScript(facts, entry) ?? undecided('whole-path', server)
    }
    return undecided('follows-path', server)
  }
  if (pathInfo === undefined) {
    return isUnder(facts.path, scriptName) ? undecided('whole-path', server) : otherScript(facts)
  }
  return prefixMount(facts, scriptName, pathInfo)
}

/** The mount as an option says it: `/app` when the path is under it, else none. */
export function fixedMount(path: string, mount: string): Mount {
  if (mount === '') return root
  const end = mountEnd(path, mount)
  return end < 0 ? root : { mount, end, warning: undefined }
}

function prefixMount(facts: MountFacts, scriptName: string, pathInfo: string): Mount {
  const { path, server } = facts
  // nginx with ^(/app/)(.*)$ leaves the slash on the wrong side.
  const mount = pathInfo !== '' && !pathInfo.startsWith('/') ? withoutSlash(scriptName) : scriptName
  if (mount.endsWith('/')) return undecided('whole-path', server)
  const end = mountEnd(path, mount, isRaw(server))
  if (end < 0) {
    return isUnder(path, mount) || path.startsWith(mount)
      ? undecided('collision', server)
      : otherScript(facts)
  }
  if (isHidden(facts)) {
    return mount.slice(mount.lastIndexOf('/')).includes('.')
      ? otherScript(facts)
      : undecided('twice', server)
  }
  // A file name: ^(.+\.fcgi)(/.*)$ cuts /evil/app.fcgi/x wherever the client wants.
  if (mount.slice(mount.lastIndexOf('/')).includes('.')) return undecided('file-name', server)
  if (pathInfo === '' && server === WebServer.Caddy) {
    const file = withoutSlash(facts.documentRoot) + scriptName
    if (facts.scriptFilename === file) return undecided('whole-path', server)
  } else if (pathInfo === '' && !isAt(path, mount)) return root
  return { mount, end, warning: undefined }
}

/** `ProxyPassMatch ^/app(/.*)?$ fcgi://host/srv/app.fcgi$1`: what follows the script follows the mount. */
function behindOwnScript(facts: MountFacts, entry: EntryScript): Mount | undefined {
  const file = filePath(facts.scriptFilename)
  const { script = '', scriptAliases = [] } = entry
  const own = [script, ...scriptAliases].find((each) => each !== '' && file.startsWith(each + '/'))
  if (own === undefined) return undefined
  const rest = file.slice(own.length)
  if (!facts.scriptName.endsWith(rest)) return undefined
  const mount = facts.scriptName.slice(0, -rest.length)
  // Of a plain `ProxyPass /` a client can ask for the script's own path.
  return lastSegment(mount) === lastSegment(own) ? undefined : fixedMount(facts.path, mount)
}

/** SCRIPT_FILENAME is the entry script, and SCRIPT_NAME leads there by the server's own mapping. */
function isOwnAddress(facts: MountFacts, entry: EntryScript): boolean {
  const { scriptName } = facts
  const file = filePath(facts.scriptFilename)
  if (!isOwnScript(file, entry)) return false
  if (isJoined(file, withoutSlash(facts.documentRoot), scriptName)) return true
  // `Alias /app /srv/app.fcgi` and `Alias /app/ /srv/app.fcgi/` mean the same.
  const prefix = withoutSlash(facts.contextPrefix)
  if (prefix !== '' && scriptName.startsWith(prefix)) {
    const rest = scriptName.slice(prefix.length)
    return isJoined(file, withoutSlash(facts.contextDocumentRoot), rest)
  }
  // h2o sends no DOCUMENT_ROOT and makes both values from the same file.
  return (
    facts.documentRoot === '' &&
    facts.server === WebServer.H2o &&
    lastSegment(file) === lastSegment(scriptName)
  )
}

function ownMount(facts: MountFacts): Mount {
  const { path, scriptName, pathInfo = '' } = facts
  const end = mountEnd(path, scriptName, isRaw(facts.server))
  // Rewritten although the URL names the script by chance: then PATH_INFO is the whole path, or nothing.
  const hidden =
    !isJoined(path, scriptName, pathInfo) &&
    (pathInfo === '' ? !isAt(path, scriptName) : isSame(path, pathInfo))
  if (end >= 0 && !hidden) return { mount: scriptName, end, warning: undefined }
  if (lastSegment(scriptName) !== lastSegment(facts.scriptFilename)) return root
  const directory = scriptName.slice(0, scriptName.lastIndexOf('/'))
  const found = fixedMount(path, directory)
  return isStripped(path.slice(found.end), pathInfo) ? undecided('stripped', facts.server) : found
}

function maybeStripped(facts: MountFacts): Mount {
  const { path, pathInfo, server } = facts
  if (pathInfo === undefined || pathInfo === path) return root
  // Of `/app` Caddy leaves nothing.
  if (pathInfo === '' && server === WebServer.Caddy && path !== '/') {
    return undecided('stripped', server)
  }
  // h2o keeps what it cannot read, and never strips.
  return server !== WebServer.H2o && isStripped(path, pathInfo)
    ? undecided('stripped', server)
    : root
}

/** PATH_INFO ends like the path but lacks its beginning: the server took a prefix away and tells nobody. */
function isStripped(path: string, pathInfo: string): boolean {
  const seen = normalizePath(decodePath(path))
  const told = normalizePath(pathInfo)
  return told !== '' && told.length < seen.length && seen.endsWith(told)
}

/** The server rewrote the path to a script that is not this one: harmless at the root, unknown below. */
function otherScript(facts: MountFacts): Mount {
  const { path, pathInfo = '', scriptName, server } = facts
  const directory = scriptName.slice(0, scriptName.lastIndexOf('/'))
  if (directory === '' && isStripped(path, pathInfo) && !isSame(path, scriptName + pathInfo)) {
    return undecided('stripped', server)
  }
  if (directory === '' || mountEnd(path, directory) < 0) return root
  return undecided('other-script', server)
}

/** The URL names the script by chance, and was rewritten to it nevertheless: then PATH_INFO is the whole path. */
function isHidden({ path, scriptName, pathInfo }: MountFacts): boolean {
  return pathInfo !== undefined && pathInfo.startsWith(scriptName) && isSame(path, pathInfo)
}

const undecidedMounts = new Map<MountDoubt, (Mount | undefined)[]>()

function undecided(doubt: MountDoubt, server: WebServer): Mount {
  let byServer = undecidedMounts.get(doubt)
  if (byServer === undefined) undecidedMounts.set(doubt, (byServer = []))
  return (byServer[server] ??= { mount: '', end: 0, warning: mountWarning(doubt, server) })
}

/** HAProxy and Caddy decode a path and do nothing else to it. */
function isRaw(server: WebServer): boolean {
  return server === WebServer.HAProxy || server === WebServer.Caddy
}

function isUnder(path: string, mount: string): boolean {
  return path === mount || mountEnd(path, mount) >= 0 || isSame(path, mount)
}

function isSame(path: string, decoded: string): boolean {
  return path === decoded || normalizePath(decodePath(path)) === normalizePath(decoded)
}

/** The path is the mount itself, with or without a slash behind. */
function isAt(path: string, mount: string): boolean {
  return path === mount || withoutSlash(normalizePath(decodePath(path))) === mount
}

function isJoined(file: string, directory: string, name: string): boolean {
  return (
    file.length === directory.length + name.length &&
    file.startsWith(directory) &&
    file.endsWith(name)
  )
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
