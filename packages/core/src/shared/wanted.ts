// Whether one process is to serve for all that a web server starts: option `shared`, `--shared`, FASTCGI_SHARED; and
// FASTCGI_SHARED=0, by which whoever starts a script says that it is not, to try it, whatever it says itself.
import type { Mode } from '../server/modes.ts'
import type { ServeOptions } from '../server/serve-options.ts'

const variable = 'FASTCGI_SHARED'

/** What became of it in this process: why it serves by itself though it was to be a relay. `fastcgi doctor` asks. */
export const outcome: { notShared: string | undefined } = { notShared: undefined }

/**
 * Whether it is asked for; the first that is set counts, but FASTCGI_SHARED=0 before all. The variable goes, so that no child process takes it for its
 * own. Not to be called under CGI, where the arguments are the client's.
 */
export function sharedWanted(
  option: boolean | undefined,
  given: readonly string[] = process.argv.slice(2),
  env: Record<string, string | undefined> = process.env,
  log: (message: string) => void = () => {},
): boolean {
  const value = env[variable]
  delete env[variable]
  const end = given.indexOf('--')
  const asked = option ?? (end === -1 ? given : given.slice(0, end)).includes('--shared')
  if (value !== '0') return asked || (option === undefined && value !== undefined && value !== '')
  if (asked) log('shared is switched off: FASTCGI_SHARED=0')
  return false
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
  const wanted = sharedWanted(options.shared, options.arguments, process.env, log)
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
