// `target: 'normalized'`: the path as the web server saw it when it decided who may ask for it, so that an app cannot
// be reached by `/admin/../public`, `/%61dmin` or `//admin` past a rule for `/admin`.

import { decodePath, mountEnd, normalizePath } from './target.ts'
import { WebServer } from './web-server.ts'

/**
 * The decoded path a web server tells by SCRIPT_NAME and PATH_INFO.
 *
 * A script the URL does not name (a rewrite) is taken out, and a prefix the server stripped is put back, where the path
 * of REQUEST_URI shows that this is what happened. `told` is false when the server names only its script, or only the
 * mount: then the path is REQUEST_URI's, decoded and normalised here.
 */
export function normalizedPath(
  path: string,
  scriptName: string,
  rest: string,
  mount: string,
  server: WebServer,
): { path: string; told: boolean } {
  const seen = normalizePath(decodePath(path))
  // `^/app/(.*)$` leaves the slash on neither side; of /application `^(/app)(.*)$` leaves none to add.
  const pathInfo =
    rest === '' || rest.startsWith('/') || scriptName.endsWith('/') ? rest : '/' + rest
  const script = scriptName === '/' && pathInfo.startsWith('/') ? '' : scriptName
  const directory = script.slice(0, Math.max(script.lastIndexOf('/'), 0))
  const isRewritten =
    script.slice(script.lastIndexOf('/')).includes('.') && mountEnd(path, script) < 0
  // A SCRIPT_NAME that the configuration fixes, and nothing of what follows it.
  const isMountOnly = pathInfo === '' && script !== '' && seen.startsWith(script + '/')
  let told = isRewritten ? directory + pathInfo : script + pathInfo
  if (isMountOnly || (isRewritten && pathInfo === '')) told = ''
  for (const candidate of [
    script + rest,
    script + pathInfo,
    directory + pathInfo,
    mount + script + pathInfo,
  ]) {
    if (normalizePath(candidate) === seen) {
      told = candidate
      break
    }
  }
  if (!told.startsWith('/')) return { path: seen, told: false }
  // Caddy judges the cleaned path but tells the one it was asked for.
  return { path: server === WebServer.Caddy ? normalizePath(told) : told, told: true }
}
