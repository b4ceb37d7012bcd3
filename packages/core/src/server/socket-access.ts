// Who may use the socket's file, from the options, the command line or the environment.
import type { ServeOptions } from './serve-options.ts'
import type { SocketFileOptions } from './unix-socket.ts'

/**
 * Mode, owner and group of the socket: the option, `--mode`, `--owner`, `--group`, FASTCGI_SOCKET_MODE, …_OWNER or
 * …_GROUP, in that order. Not to be called under CGI, where the arguments are the client's.
 */
export function socketAccess(
  { mode, owner, group, arguments: given = process.argv.slice(2) }: ServeOptions,
  env: Record<string, string | undefined> = process.env,
): SocketFileOptions {
  return {
    mode: mode ?? valueOf('--mode', given) ?? (env.FASTCGI_SOCKET_MODE || undefined),
    owner: owner ?? valueOf('--owner', given) ?? (env.FASTCGI_SOCKET_OWNER || undefined),
    group: group ?? valueOf('--group', given) ?? (env.FASTCGI_SOCKET_GROUP || undefined),
  }
}

/** The value of an option on the command line, `--name VALUE` or `--name=VALUE`, the last one; '' where it is missing. */
export function valueOf(name: string, given: readonly string[]): string | undefined {
  const end = given.indexOf('--')
  const own = end === -1 ? given : given.slice(0, end)
  const at = own.findLastIndex((each) => each === name || each.startsWith(`${name}=`))
  if (at === -1) return undefined
  return own[at] === name ? (own[at + 1] ?? '') : own[at]?.slice(name.length + 1)
}
