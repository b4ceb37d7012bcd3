// Makes a server listen where the mode says, and knows what to take away again.
import { createServer as createNetServer, type Server as NetServer } from 'node:net'
import { exposureWarning, formatListenAddress, type ListenAddress } from './listen-address.ts'
import type { ActivatedSocket } from './modes.ts'
import { removeOwnSocketFile } from './own-socket-file.ts'
import type { Server } from './server.ts'
import { listenOnSocketFile, type SocketFileOptions } from './unix-socket.ts'

/** What listening has left in the world. */
export interface Door {
  /** For the log. */
  readonly name: string
  /** What listens; several where systemd has opened several sockets. */
  readonly servers?: readonly NetServer[]
  /** Another process has opened the socket, and may still have it. */
  readonly inherited?: boolean
  /** Stops listening where the server itself does not, and removes the socket's file if it is still ours. */
  close(): void
  /** False when somebody has deleted or replaced the socket's file: nobody new can connect. */
  intact(): boolean
}

/** Settings of {@link openDoor}. */
export interface DoorOptions extends SocketFileOptions {
  readonly log: (message: string) => void
  /** An `allow` list or FCGI_WEB_SERVER_ADDRS is in force. */
  readonly guarded: boolean
}

/**
 * Listens on an address.
 *
 * @throws Error that names the address and the reason; `code` is the system's
 */
export async function openDoor(
  server: Server,
  address: ListenAddress,
  options: DoorOptions,
): Promise<Door> {
  const warning = exposureWarning(address, options.guarded)
  if (warning !== undefined) options.log(`warning: ${warning}`)
  const name = formatListenAddress(address)
  switch (address.type) {
    case 'unix':
      return openSocketFile(server, address.path, options)
    case 'abstract':
      await listen(server, { path: address.path }, name)
      return plainDoor(server, name, false)
    case 'tcp': {
      await listen(server, { host: address.host, port: address.port }, name)
      const bound = server.address()
      const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
      return plainDoor(server, formatListenAddress({ ...address, port }), false)
    }
    case 'fd':
      return openDescriptor(server, address.fd, undefined)
  }
}

/**
 * Listens on an inherited socket.
 *
 * @param path what it is bound to, if that is known: `server.address()` says it, which Node's own does not
 */
export async function openDescriptor(
  server: Server,
  fd: number,
  path: string | undefined,
): Promise<Door> {
  await listen(server, { fd }, `fd:${fd}`)
  if (server.address() === null) nameAddress(server, path ?? `fd:${fd}`)
  return plainDoor(server, path === undefined ? `fd:${fd}` : `fd:${fd} (${path})`, true)
}

/**
 * Listens on the socket on descriptor 0, which a web server or spawner has opened.
 *
 * @param path what it is bound to, if that is known
 */
export async function openSpawned(server: Server, path: string | undefined): Promise<Door> {
  const door = await openDescriptor(server, 0, path)
  return { ...door, close: () => removeOwnSocketFile(path) }
}

/** Listens on the sockets systemd has opened; the first one is the server's own. */
export async function openActivated(
  server: Server,
  sockets: readonly ActivatedSocket[],
): Promise<Door> {
  const [first, ...others] = sockets as readonly [ActivatedSocket, ...ActivatedSocket[]]
  const door = await openDescriptor(server, first.fd, undefined)
  const more = others.map(({ fd }) => {
    const { pauseOnConnect = false } = server as { pauseOnConnect?: boolean }
    const extra = createNetServer({ pauseOnConnect }, (socket) => server.emit('connection', socket))
    return { extra, listening: listen(extra, { fd }, `fd:${fd}`) }
  })
  await Promise.all(more.map(({ listening }) => listening))
  return {
    name: sockets
      .map(({ fd, name }) => (name === 'unknown' ? `fd:${fd}` : `fd:${fd} (${name})`))
      .join(', '),
    servers: [server, ...more.map(({ extra }) => extra)],
    inherited: true,
    close: () => {
      door.close()
      for (const { extra } of more) extra.close()
    },
    intact: () => true,
  }
}

async function openSocketFile(
  server: Server,
  path: string,
  options: SocketFileOptions,
): Promise<Door> {
  const file = await listenOnSocketFile(server, path, options)
  nameAddress(server, path)
  // Also when the process ends by an uncaught exception.
  const release = (): void => file.remove()
  process.once('exit', release)
  let closed = false
  const close = (): void => {
    closed = true
    process.removeListener('exit', release)
    file.remove()
  }
  // Taken away by ourselves is not what `intact` is asked for.
  const intact = (): boolean => closed || file.isOurs()
  return { name: path, servers: [server], inherited: false, close, intact }
}

function plainDoor(server: Server, name: string, inherited: boolean): Door {
  return { name, servers: [server], inherited, close: () => {}, intact: () => true }
}

/** What `address()` says: Node knows a temporary name, or nothing. */
function nameAddress(server: Server, path: string): void {
  Object.defineProperty(server, 'address', { configurable: true, value: () => path })
}

interface Listenable {
  listen(options: object): unknown
  once(event: 'listening' | 'error', listener: (error?: Error) => void): unknown
  removeListener(event: 'listening' | 'error', listener: (error?: Error) => void): unknown
}

function listen(
  server: Listenable,
  options: { fd: number } | { path: string } | { host: string; port: number },
  name: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: NodeJS.ErrnoException): void => {
      server.removeListener('listening', settle)
      server.removeListener('error', settle)
      if (error) reject(listenError(name, error))
      else resolve()
    }
    server.once('listening', settle)
    server.once('error', settle)
    server.listen(options)
  })
}

function listenError(name: string, error: NodeJS.ErrnoException): Error {
  const inherited = name.startsWith('fd:') && (error.code === 'EINVAL' || error.code === 'ENOTSOCK')
  const reason = inherited
    ? `no listening socket was inherited under this number (${error.message})`
    : error.message
  return Object.assign(new Error(`cannot listen on ${name}: ${reason}`, { cause: error }), {
    code: error.code,
  })
}
