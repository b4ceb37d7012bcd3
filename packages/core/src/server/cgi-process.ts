// The process of a CGI script: its descriptors and environment, the one request, the exit status.
import { CgiConnection, claimStdout, environmentParams, removeRequestHeaders } from './cgi.ts'
import type { CgiCaller } from './cgi.ts'
import type { Server } from './server.ts'

/**
 * Takes what belongs to the web server away from the app, before the app is loaded: descriptor 1 from `console`, and
 * the client's headers out of `process.env`.
 */
export function takeCgiCaller(): CgiCaller {
  const params = environmentParams(process.env)
  removeRequestHeaders(process.env)
  const stdout = claimStdout()
  return {
    params,
    stdin: () => process.stdin,
    stdout: (bytes, done) => stdout.write(bytes, done),
    stderr: (bytes) => process.stderr.write(bytes),
    // EPIPE: the client has gone, and the app hears of it as under FastCGI.
    lost: (listener) => stdout.on('error', listener),
  }
}

/**
 * Serves the request this process was started for.
 *
 * @returns the exit status, once the response is out or the web server has gone
 */
export function serveCgi(server: Server, caller: CgiCaller): Promise<number> {
  const connection = new CgiConnection(caller)
  caller.lost(() => connection.destroy())
  server.acceptConnection(connection)
  Object.defineProperty(server, 'address', { configurable: true, value: () => 'cgi' })
  return connection.finished
}
