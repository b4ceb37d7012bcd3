// Names of Node's net that are not documented, in one place, as http/node-private.ts has those of http. Only a pool of
// workers uses them, and does without where one of them is missing: the first process then accepts, and hands
// connections over by the documented way, at several times the cost.
import { getSystemErrorName } from 'node:util'
import net, { type Server, type Socket, type SocketConstructorOpts } from 'node:net'

/**
 * What net.Server and net.Socket keep of libuv's. node:cluster's own primary works with these, and sends them by
 * `process.send` as they are.
 *
 * | name | used for | if it goes |
 * | --- | --- | --- |
 * | `_handle` of a net.Server | a listening socket is shared with workers | the primary hands connections over |
 * | `listen`, `onconnection` | a worker accepts on a shared socket | the same |
 * | `handle` option of net.Socket | what was accepted becomes a socket | the same |
 */
export interface RawHandle {
  listen?: ((backlog: number) => number) | undefined
  onconnection?: ((status: number, client: RawHandle | undefined) => void) | null
  setNoDelay?(wanted: boolean): unknown
  close(): void
}

/**
 * How many connections may wait to be accepted. The kernel has a limit of its own (net.core.somaxconn, 4096). While
 * all workers are busy this is where connections wait.
 */
const backlog = 4096

/** The handle that a server listens on, if it is what we know. */
export function listeningHandle(server: Server): RawHandle | undefined {
  const handle = (server as { _handle?: RawHandle | null })._handle
  return typeof handle?.listen === 'function' && typeof handle.onconnection === 'function'
    ? handle
    : undefined
}

/** From here on a server has this handle, which it does not accept on, in place of its own. */
export function replaceHandle(server: Server, handle: RawHandle): void {
  const own = server as { _handle?: RawHandle | null }
  const before = own._handle
  // Whoever asks it to listen would have it accept.
  handle.listen = undefined
  own._handle = handle
  before?.close()
}

/** Whether this Node makes sockets of handles. */
export function canMakeSockets(): boolean {
  const handle: RawHandle = { close: () => {} }
  try {
    const options = { handle, readable: false, writable: false, manualStart: true }
    const socket = new net.Socket(options as SocketConstructorOpts)
    return (socket as { _handle?: unknown })._handle === handle
  } catch {
    return false
  }
}

/**
 * Accepts on a listening socket that came from another process.
 *
 * @returns false when this Node does not do it that way, or the socket cannot listen
 */
export function acceptOn(
  handle: RawHandle,
  accepted: (client: RawHandle) => void,
  failed: (error: Error) => void,
): boolean {
  handle.onconnection = (status, client) => {
    if (client) accepted(client)
    else failed(acceptError(status))
  }
  return handle.listen?.(backlog) === 0
}

/** As net.Server reports it. */
function acceptError(status: number): Error {
  const code = status < 0 ? getSystemErrorName(status) : 'UNKNOWN'
  return Object.assign(new Error(`accept ${code}`), { code, syscall: 'accept', errno: status })
}

/** The socket of a connection. */
export function socketOf(handle: RawHandle): Socket {
  handle.setNoDelay?.(true)
  const options = { handle, allowHalfOpen: true, readable: true, writable: true }
  return new net.Socket(options as SocketConstructorOpts)
}
