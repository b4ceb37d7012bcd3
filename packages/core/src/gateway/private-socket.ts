/**
 * How the gateway reaches an application in its own process: over a real unix socket, so that nothing is otherwise than
 * behind a web server, in a folder nobody else may enter.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The part of a FastCGI server that is needed here. */
export interface AcceptingServer {
  /** Takes a connection that the server did not accept itself. */
  acceptConnection(socket: Socket): void
}

/** The way to a server of this process. */
export interface PrivateSocket {
  readonly socketPath: string
  /** Accepts nothing more, and removes the socket and its folder. The end of the process removes them too. */
  close(): void
}

/**
 * Opens a socket in a folder of mode 0700 and hands its connections to `server`, which need not listen: its lists of
 * who may connect are about others.
 *
 * @throws whatever keeps the socket from being made
 */
export async function openPrivateSocket(server: AcceptingServer): Promise<PrivateSocket> {
  const folder = mkdtempSync(join(tmpdir(), 'fastcgi-gateway-'))
  const socketPath = join(folder, 'app.sock')
  const listener = createServer((socket) => server.acceptConnection(socket))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  process.on('exit', remove)
  const close = (): void => {
    listener.close()
    process.off('exit', remove)
    remove()
  }
  try {
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen(socketPath, resolve)
    })
  } catch (error) {
    close()
    throw error
  }
  return { socketPath, close }
}
