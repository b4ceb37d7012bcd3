// How a worker of a host takes connections: they come from the primary unread, each begins with a greeting, and it is the
// worker that says that it is taken. Until then its relay asks again, whatever becomes of this process.
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Doorkeeper, refuse, serveTaken } from './doorkeeper.ts'

/** A server that is handed connections. */
export interface WorkerServer {
  acceptConnection(socket: Duplex): void
  readonly openConnections: number
}

/** See the head of the file. */
export class WorkerDoor {
  readonly #server: WorkerServer
  readonly #keeper: Doorkeeper

  /**
   * @param folder that of the private sockets
   * @throws FolderError when the key cannot be trusted
   */
  constructor(server: WorkerServer, folder: string, log: (message: string) => void) {
    this.#server = server
    this.#keeper = new Doorkeeper(
      folder,
      (socket, { kind }, rest) => {
        if (kind !== 'request') refuse(socket)
        else serveTaken(socket, rest, () => this.#server.acceptConnection(socket))
      },
      log,
    )
  }

  /** Connections this process has. */
  get open(): number {
    return this.#server.openConnections + this.#keeper.waiting
  }

  /** A connection has come from the primary. */
  take(socket: Socket): void {
    this.#keeper.receive(socket)
  }
}
