// The process of a CGI script: takes its descriptors and environment, serves the one request, tells the exit status.
import { CgiConnection, claimStdout, environmentParams, removeRequestHeaders } from './cgi.ts'
import type { Server } from './server.ts'

/**
 * Serves the request this process was started for. Call it before the app is loaded: it takes descriptor 1 away from
 * `console`, and the client's headers out of `process.env`.
 *
 * @returns the exit status, once the response is out; undefined when the web server went away first
 */
export async function serveCgi(server: Server): Promise<number> {
  const params = environmentParams(process.env)
  removeRequestHeaders(process.env)
  const stdout = claimStdout()
  const connection = new CgiConnection({
    params,
    stdin: () => process.stdin,
    stdout: (bytes, done) => stdout.write(bytes, done),
    stderr: (bytes) => process.stderr.write(bytes),
  })
  // EPIPE: the client has gone, and the app hears of it as under FastCGI.
  stdout.on('error', () => connection.destroy())
  server.acceptConnection(connection)
  return connection.finished
}
