// Whether one process is to serve for all that a web server starts: option `shared`, `--shared`, FASTCGI_SHARED; and
// FASTCGI_SHARED=0, by which whoever starts a script says that it is not, to try it, whatever it says itself.
import type { Mode } from '../server/modes.ts'
import type { ServeOptions } from '../server/serve-options.ts'

const variable = 'FASTCGI_SHARED'

/**
 * Whether it is asked for; the first that is set counts, but FASTCGI_SHARED=0 before all. The variable goes, so that no child process takes it for its
 * own. Not to be called under CGI, where the arguments are the client's.
 */
export function sharedWanted(
  option: boolean | undefined,
  given: readonly string[] = process.argv.slice(2),
  env: Record<string, string | undefined> = process.env,
): boolean {
  const value = env[variable]
  delete env[variable]
  if (value === '0') return false
  if (option !== undefined) return option
  const end = given.indexOf('--')
  if ((end === -1 ? given : given.slice(0, end)).includes('--shared')) return true
  return value !== undefined && value !== ''
}

/**
 * Whether a process that was started in this way is to be a relay.
 *
 * @throws Error on a socket of our own
 */
export function sharedIn(
  { type }: Mode,
  options: ServeOptions,
  log: (message: string) => void,
): boolean {
  if (type === 'cgi' || type === 'worker' || type === 'usage') return false
  const wanted = sharedWanted(options.shared, options.arguments)
  if (!wanted || type === 'host' || type === 'gateway') return false
  if (type === 'spawned') {
    if (options.signals !== false) return true
    log('shared is ignored: it needs the option signals')
    return false
  }
  throw new Error(
    'shared is for the processes that a web server starts. On a socket of our own one process serves already: leave shared out.',
  )
}
