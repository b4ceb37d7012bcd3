// The socket that tells the status: FastCGI as the app's own, so that a web server can show it and `fastcgi status` read
// it, but one that no request of the public reaches.
import { openDoor } from '../doors.ts'
import { isLoopback, parseListenAddress } from '../listen-address.ts'
import type { Log } from '../log.ts'
import { createServer } from '../server.ts'
import { statusAnswer } from './observation.ts'
import type { StatusOptions } from './options.ts'
import type { Status } from './status.ts'

/** Only the user of the process. */
const ownerOnly = 0o600

/** An open status socket. */
export interface StatusSocket {
  close(): void
}

/**
 * Opens the status socket. An app is not to fail because it cannot be watched: what goes wrong is said in the log.
 *
 * @returns undefined when it could not be opened
 */
export async function openStatusSocket(
  options: StatusOptions,
  status: () => Promise<Status> | Status,
  log: Log,
): Promise<StatusSocket | undefined> {
  try {
    const address = parseListenAddress(options.listen)
    if (address.type === 'tcp' && !isLoopback(address.host)) {
      throw new RangeError('the status socket listens on this machine only')
    }
    const server = createServer(statusAnswer(status))
    const door = await openDoor(server, address, {
      mode: options.mode ?? ownerOnly,
      owner: options.owner,
      group: options.group,
      log: (message) => log.write(message),
      guarded: true,
    })
    // Watching must not keep a process alive that is through.
    server.unref()
    return {
      close: () => {
        door.close()
        server.close()
        server.closeAllConnections()
      },
    }
  } catch (error) {
    log.write(`there is no status socket: ${(error as Error).message}`)
    return undefined
  }
}
