// How this process was started, and so where its requests come from: the same `.fcgi` file is a CGI script, listens on a
// socket, is started by systemd or by a web server, or is tried by hand. The first that fits is taken.
import type { InheritedSocket } from './descriptor.ts'
import { parseListenAddress, type ListenAddress } from './listen-address.ts'

/** An inherited listening socket under systemd's protocol. */
export interface ActivatedSocket {
  readonly fd: number
  /** FileDescriptorName= of the socket unit; `unknown` without one. */
  readonly name: string
}

/** Where requests come from. */
export type Mode =
  /** One request, from the environment and descriptor 0 (RFC 3875). */
  | { readonly type: 'cgi' }
  /** A socket of our own; `origin` names the setting that said so. */
  | { readonly type: 'listen'; readonly address: ListenAddress; readonly origin: string }
  /** Sockets systemd opened (sd_listen_fds(3)). */
  | { readonly type: 'systemd'; readonly sockets: readonly ActivatedSocket[] }
  /** Descriptor 0 is a listening socket: a web server or spawner started us (FastCGI §2.2). */
  | { readonly type: 'spawned'; readonly path: string | undefined }
  /**
   * A worker of a pool: the primary hands connections over; `name` is the socket's. `folder`: that of the private sockets,
   * where the primary is the host of relays.
   */
  | { readonly type: 'worker'; readonly name: string; readonly folder?: string | undefined }
  /** The process that relays pass their connections to (option `shared`), on a private socket at `place`. */
  | { readonly type: 'host'; readonly place: string }
  /** HTTP on 127.0.0.1, for development; without a port nobody has named one. */
  | { readonly type: 'gateway'; readonly port: number | undefined }
  /** `--help`, or nothing fits: `reason` says what was looked for. */
  | { readonly type: 'usage'; readonly reason: string | undefined }

/** What the decision is made from. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Arguments after the script. */
  readonly arguments: readonly string[]
  readonly pid: number
  /** Option `listen`. */
  readonly listen: string | number | undefined
  /** Option `gateway`: true, or the port. */
  readonly gateway: boolean | number | undefined
  /** Looks at descriptor 0; asked once at most. */
  readonly descriptor0: () => InheritedSocket
  /** Descriptors 0 and 1 are both terminals. */
  readonly interactive: boolean
}

/** Where the gateway listens when nothing says otherwise. */
export const defaultGatewayPort = 8080

const firstActivated = 3
// More than any unit has; a number beyond it is a mistake, not sockets.
const maxActivated = 256

/**
 * Finds the mode.
 *
 * Under CGI the arguments are the *client's* (RFC 3875 §4.4: `GET /app.fcgi?--listen+0.0.0.0:9000`), so they are not
 * looked at before CGI is ruled out, and neither are the variables that choose another mode.
 *
 * @throws ListenAddressError when the address that is to be used cannot be
 */
export function findMode(surroundings: Surroundings): Mode {
  const { env } = surroundings
  const descriptor0 = surroundings.descriptor0()
  if (
    env.GATEWAY_INTERFACE !== undefined &&
    env.REQUEST_METHOD !== undefined &&
    descriptor0.kind !== 'listening'
  ) {
    return { type: 'cgi' }
  }
  const args = readArguments(surroundings.arguments)
  if (args.help) return { type: 'usage', reason: undefined }
  const own = ownAddress(surroundings, args)
  if (own) return own
  const sockets = activatedSockets(surroundings)
  if (sockets.length > 0) return { type: 'systemd', sockets }
  if (descriptor0.kind === 'listening') return { type: 'spawned', path: descriptor0.path }
  return gatewayOrUsage(surroundings, args)
}

interface Arguments {
  readonly help: boolean
  readonly listen: string | undefined
  readonly gateway: string | boolean
}

/** `--listen ADDRESS`, `--listen=ADDRESS`, `--gateway`, `--gateway=PORT`, `--help`. Others belong to the app. */
function readArguments(given: readonly string[]): Arguments {
  const args: { help: boolean; listen: string | undefined; gateway: string | boolean } = {
    help: false,
    listen: undefined,
    gateway: false,
  }
  for (let index = 0; index < given.length; index += 1) {
    const argument = given[index] ?? ''
    if (argument === '--') break
    if (argument === '--help' || argument === '-h') args.help = true
    else if (argument === '--listen') args.listen = given[(index += 1)] ?? ''
    else if (argument.startsWith('--listen=')) args.listen = argument.slice('--listen='.length)
    else if (argument === '--gateway') args.gateway = true
    else if (argument.startsWith('--gateway=')) args.gateway = argument.slice('--gateway='.length)
  }
  return args
}

function ownAddress({ env, listen }: Surroundings, args: Arguments): Mode | undefined {
  const settings: [string, string | number | undefined][] = [
    ['option listen', listen],
    ['--listen', args.listen],
    // An empty variable is how a unit or shell takes a setting back.
    ['FASTCGI_LISTEN', env.FASTCGI_LISTEN === '' ? undefined : env.FASTCGI_LISTEN],
  ]
  for (const [origin, value] of settings) {
    if (value !== undefined) return { type: 'listen', address: parseListenAddress(value), origin }
  }
  return undefined
}

function activatedSockets({ env, pid }: Surroundings): ActivatedSocket[] {
  if (env.LISTEN_PID !== String(pid)) return []
  const count = Number(env.LISTEN_FDS)
  if (!Number.isInteger(count) || count < 1 || count > maxActivated) return []
  const names = (env.LISTEN_FDNAMES ?? '').split(':')
  const sockets = Array.from({ length: count }, (_, index) => ({
    fd: firstActivated + index,
    name: names[index] || 'unknown',
  }))
  // A unit may open sockets for other purposes as well; the name says which ones are meant for FastCGI.
  const meant = sockets.filter(({ name }) => name === 'fastcgi')
  return meant.length > 0 ? meant : sockets
}

function gatewayOrUsage(surroundings: Surroundings, args: Arguments): Mode {
  const { env, gateway, interactive } = surroundings
  const variable = env.FASTCGI_GATEWAY
  const asked: (string | number | boolean)[] = [
    args.gateway,
    gateway ?? false,
    variable === undefined || variable === '' || variable === '0'
      ? false
      : variable === '1' || variable,
  ]
  const request = asked.find((value) => value !== false)
  if (request === undefined && gateway === false) return usage(surroundings)
  if (request === undefined && !interactive) return usage(surroundings)
  if (request === undefined && env.NODE_ENV === 'production') {
    return {
      type: 'usage',
      reason: 'NODE_ENV is production, so the development gateway runs only with --gateway.',
    }
  }
  const port =
    typeof request === 'string' || typeof request === 'number' ? request : (env.PORT ?? '')
  if (port === '') return { type: 'gateway', port: undefined }
  const number = Number(port)
  if (!/^\d+$/.test(String(port)) || number > 65535) {
    return { type: 'usage', reason: `The gateway cannot listen on port ${JSON.stringify(port)}.` }
  }
  return { type: 'gateway', port: number }
}

function usage({ env, pid }: Surroundings): Mode {
  const looked =
    'No listening socket on descriptor 0, no address to listen on, no CGI variables, no terminal.'
  const reason =
    env.LISTEN_PID !== undefined && env.LISTEN_PID !== String(pid)
      ? `${looked} LISTEN_PID is ${env.LISTEN_PID} but this is process ${pid}: something stands between systemd and node (start node itself, or by exec).`
      : looked
  return { type: 'usage', reason }
}

/** Variables that have done their work once the mode is found; child processes must not act on them again. */
const used = [
  'LISTEN_PID',
  'LISTEN_PIDFDID',
  'LISTEN_FDS',
  'LISTEN_FDNAMES',
  'FASTCGI_LISTEN',
  'FASTCGI_GATEWAY',
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
] as const

/** Takes the variables above out of an environment. */
export function cleanEnvironment(env: Record<string, string | undefined>): void {
  for (const name of used) delete env[name]
}
