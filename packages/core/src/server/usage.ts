// What a process says that was started wrongly, or was asked for help.
import { basename } from 'node:path'
import type { Log } from './log.ts'
import { defaultGatewayPort } from './modes.ts'

/** The status of a process that was started wrongly: EX_USAGE of sysexits.h. */
const usageStatus = 64

/** `serve` cannot go on, and with the option `signals: false` it does not end the process. */
export class ServeError extends Error {
  override name = 'ServeError'
  /** Stable: no way to get requests was found, or `--help` was asked for. */
  readonly code = 'FCGI_USAGE'
}

/** What `--help` prints, and what is printed with status 64 when no mode fits. */
export function usageText(script: string | undefined): string {
  const name = script === undefined ? 'app.fcgi' : basename(script)
  return `Usage: ${name} [--listen ADDRESS [--mode M] [--group G] [--workers N] | --shared [--workers N] | --gateway[=PORT]]

A FastCGI application. Started by a web server it finds its socket by itself. Otherwise:

  --listen ADDRESS   listen on /run/app.sock, @name, :9000 (127.0.0.1), 0.0.0.0:9000, [::1]:9000 or fd:3
  --mode M, --owner USER, --group GROUP
                     of the socket's file: 660 if not said; the web server's group lets it connect
  --workers N|auto   that many processes on the address, reloaded by SIGHUP
  --shared           started by a web server: one process, or as many as --workers says, runs the app, the others
                     pass connections on to it
  --gateway[=PORT]   development: serve HTTP on http://127.0.0.1:PORT (default $PORT or ${defaultGatewayPort})
  --help             this text

FASTCGI_LISTEN=ADDRESS does what --listen does, FASTCGI_WORKERS=N what --workers does,
FASTCGI_SHARED=1 what --shared does, FASTCGI_SOCKET_MODE, FASTCGI_SOCKET_OWNER and FASTCGI_SOCKET_GROUP what
--mode, --owner and --group do; systemd's LISTEN_FDS is understood.
In a terminal the gateway starts without being asked.
`
}

/**
 * Prints usage and ends the process: on descriptor 1 with status 0 for `--help`, on descriptor 2 with status 64 else.
 *
 * @param reason why there is nothing to serve; undefined for `--help`
 * @param mayExit false: throws instead
 * @throws ServeError when the process must not be ended
 */
export function endWithUsage(
  reason: string | undefined,
  script: string | undefined,
  log: Log,
  mayExit: boolean,
): never {
  if (!mayExit) throw new ServeError(reason ?? '--help was asked for')
  if (reason === undefined) {
    process.stdout.write(usageText(script))
    process.exit(0)
  }
  log.write(reason)
  process.stderr.write(`\n${usageText(script)}`)
  process.exit(usageStatus)
}
