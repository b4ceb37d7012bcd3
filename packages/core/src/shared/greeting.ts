// What is said first on a connection to the private socket. Node knows no SO_PEERCRED, so whoever connects proves itself
// by a key that only our user can read; whoever accepts says by one byte what becomes of the connection.
//
//     fcgi-shared/2 KIND KEY PID\n       then, for a request, the web server's bytes
//     A                                  taken: what follows is answered here, and nowhere else
//     F                                  the host cannot be started, or no worker of it
//     (closed without a byte)            not taken: nothing of it was served, ask again
//
// To a relay the host then says who it is and where requests go, and passes its output on from there:
//
//     PID FILE\n                         FILE: of a socket in the same folder, that of the host itself or of its workers

/**
 * `relay`: stays open while the relay lives, and brings the host's output. `request`: a connection of the web server.
 * `host`: to the starter, the host listens now. `status`: the host says how it is, in a line of JSON ({@link HostStatus}).
 * `stop`: the same, and then it ends, which closes the connection.
 */
export type GreetingKind = (typeof kinds)[number]

const kinds = ['relay', 'request', 'host', 'status', 'stop'] as const

/** What a host says of itself. */
export interface HostStatus {
  readonly pid: number
  /** Real path of the script; null where there is none. */
  readonly script: string | null
  /** Seconds since its start. */
  readonly uptime: number
  /** Relays that are connected. */
  readonly relays: number
  /** Requests that run now. */
  readonly running: number
  /** Requests since its start. */
  readonly requests: number
  /** With workers: those there are. Their figures, and the sums above, are a second old at most. */
  readonly workers?: readonly HostWorker[]
}

/** A worker of a host. */
export interface HostWorker {
  readonly pid: number
  /** `starting`, `ready`, `failed` (the app did not load) or `leaving`. */
  readonly state: string
  /** Seconds since its start. */
  readonly uptime: number
  readonly running: number
  readonly requests: number
}

/** Changes when two versions would not understand each other; part of the socket's name. */
export const version = 'fcgi-shared/2'
export const taken = 0x41
export const failed = 0x46

/** No greeting is longer. */
export const maxGreeting = 160

/** The first line of a connection. */
export function greeting(kind: GreetingKind, key: string): string {
  return `${version} ${kind} ${key} ${process.pid}\n`
}

/** What a first line said. */
export interface Greeting {
  readonly kind: GreetingKind
  readonly key: string
  readonly pid: number
}

/** Reads a first line, without its end; undefined when it is none. */
export function readGreeting(line: string): Greeting | undefined {
  const [name, kind, key = '', pid] = line.split(' ')
  if (name !== version) return undefined
  const known = kinds.find((each) => each === kind)
  return known && { kind: known, key, pid: Number(pid) }
}

/** Compares keys in a time that tells nothing. */
export function sameKey(expected: string, given: string): boolean {
  // A relay compares none, and is spared what node:crypto weighs.
  const { timingSafeEqual } = process.getBuiltinModule('node:crypto')
  const [left, right] = [Buffer.from(expected), Buffer.from(given)]
  return left.length > 0 && left.length === right.length && timingSafeEqual(left, right)
}
