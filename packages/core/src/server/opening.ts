// Opens what a process gets its requests from, in its mode; closes it with the process, and looks whether it is still
// there.
import { addToShutdown, endProcess, type Call } from './call.ts'
import type { CgiCaller } from './cgi.ts'
import { serveCgi } from './cgi-process.ts'
import { openActivated, openDoor, openSpawned, type Door } from './doors.ts'
import { defaultGatewayPort, type Mode } from './modes.ts'
import type { Status } from './observe/status.ts'
import { watchRestartFile } from './restart-file.ts'
import { defaultSharedIdleTimeout } from './serve-options.ts'
import type { Server } from './server.ts'
import type { Stoppable } from './shutdown.ts'
import { ServeError } from './usage.ts'
import { socketAccess } from './socket-access.ts'

/** How often is looked whether the socket's file is still there, in milliseconds. */
const doorInterval = 5000

/**
 * Opens the way in of a process that serves requests itself.
 *
 * @param cgi there in CGI mode
 */
export async function openMode(
  call: Call,
  server: Server,
  mode: Mode,
  cgi: CgiCaller | undefined,
): Promise<void> {
  if (cgi) {
    addToShutdown(call, server)
    void serveCgi(server, cgi).then((status) => endProcess(call, status, undefined))
    return
  }
  if (mode.type === 'gateway') {
    await openGateway(call, server, mode.port ?? defaultGatewayPort)
    return
  }
  // What the files are now counts, not what they are once a request can come.
  watchRestartFile(call, server, mode)
  const door = await openSocket(call, server, mode)
  call.log.write(`listening on ${door.name}`)
}

/**
 * Opens the socket of a mode that has one.
 *
 * @param own what is different at the end of this process
 * @param pool how the workers are, where they serve
 * @throws Error with the system's `code` when it cannot listen
 */
export async function openSocket(
  call: Call,
  server: Server,
  mode: Mode,
  own: Partial<Stoppable> = {},
  pool?: () => Status,
): Promise<Door> {
  let door: Door
  try {
    door = await doorOf(call, server, mode, pool)
  } catch (error) {
    if (call.options.log !== undefined) call.log.write((error as Error).message)
    throw error
  }
  server.once('close', () => door.close())
  addToShutdown(call, server, { release: () => door.close(), ...own })
  watchDoor(call, server, door)
  return door
}

function doorOf(
  call: Call,
  server: Server,
  mode: Mode,
  pool: (() => Status) | undefined,
): Promise<Door> {
  const { allow } = call.options
  switch (mode.type) {
    case 'listen':
      return openDoor(server, mode.address, {
        ...socketAccess(call.options),
        log: (message) => call.log.write(message),
        guarded: allow !== undefined || Boolean(process.env.FCGI_WEB_SERVER_ADDRS?.trim()),
      })
    case 'systemd':
      return openActivated(server, mode.sockets)
    case 'spawned':
      return openSpawned(server, mode.path)
    case 'host':
      return openHost(call, server, mode.place, pool)
    default:
      throw new ServeError(`mode ${mode.type} has no socket`)
  }
}

async function openHost(
  { script, options, shutdown, log }: Call,
  server: Server,
  place: string,
  pool: (() => Status) | undefined,
): Promise<Door> {
  const { openHost: open } = await import('../shared/host.ts')
  const parts = {
    place,
    script,
    idleTimeout: options.sharedIdleTimeout ?? defaultSharedIdleTimeout,
    leave: (reason: string) => void shutdown?.begin(reason, 0),
    log: (message: string) => log.write(message),
  }
  return open(server, parts, pool)
}

/** Nothing of the gateway is loaded in any other mode. */
async function openGateway(call: Call, server: Server, port: number): Promise<void> {
  const { openGateway: open } = await import('./gateway-door.ts')
  const { script, options, log } = call
  const gateway = await open(server, { port, mount: options.mount, script })
  server.once('close', () => void gateway.close())
  log.write(`development gateway on ${gateway.url}`)
  addToShutdown(call, server, {
    drain: (timeout) => Promise.all([gateway.close(timeout), server.drain(timeout)]),
  })
}

function watchDoor({ log }: Call, server: Server, door: Door): void {
  const timer = setInterval(() => {
    if (door.intact()) return
    clearInterval(timer)
    log.write(`warning: ${door.name} has been deleted or replaced: nobody new can connect`)
  }, doorInterval).unref()
  server.once('close', () => clearInterval(timer))
}
