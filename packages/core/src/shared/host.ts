// The host's side: listens on the private socket, lets in whoever knows the key, and leaves when no relay has been there
// for a while. With workers it takes no requests itself: those go to a second socket, whose connections the pool hands on.
import { lstatSync, utimesSync } from 'node:fs'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Status } from '../server/observe/status.ts'
import { Doorkeeper, refuse, serveTaken } from './doorkeeper.ts'
import { checkFolder, keyFile } from './folder.ts'
import { Generations, removeQuietly, requestsEnding } from './generations.ts'
import { taken, type Greeting, type HostStatus } from './greeting.ts'
import { HostOutput } from './host-output.ts'
import { greet } from './link.ts'

type Counts = Pick<HostStatus, 'running' | 'requests' | 'workers'>

/** What a {@link Host} works with. */
export interface HostParts {
  /** From the variable: where to listen. */
  readonly place: string
  /** Where requests go. */
  readonly requests: string
  /** Real path of the script, by which the host is asked for. */
  readonly script: string | undefined
  /** Milliseconds without a relay after which the host leaves. */
  readonly idleTimeout: number
  /** Takes a web server's connection; undefined where they go to workers. */
  readonly serve: ((socket: Duplex) => void) | undefined
  /** Requests that run, and all there were; the workers, where there are any. */
  readonly counts: () => Counts
  /** Ends the process, gracefully. */
  readonly leave: (reason: string) => void
  readonly log: (message: string) => void
}

/** A server that is handed connections, or hands on those of its socket. */
export interface HostServer {
  acceptConnection(socket: Duplex): void
  readonly statistics: { readonly running: number; readonly requests: number }
  listen(path: string, listening: () => void): unknown
  close(): unknown
  once(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
}

/**
 * Makes a server the host.
 *
 * @param pool how the workers are to which the server hands its connections on; undefined where it serves them itself
 * @returns the way in; its file stays, as the mark of its number
 * @throws Error when another process is the host already, or there can be no socket
 */
export async function openHost(
  server: HostServer,
  parts: Omit<HostParts, 'serve' | 'counts' | 'requests'>,
  pool?: () => Status,
): Promise<{ readonly name: string; close(): void; intact(): boolean }> {
  const { place } = parts
  const host = new Host({
    ...parts,
    requests: pool ? requestsSocket(place) : place,
    serve: pool ? undefined : (socket) => server.acceptConnection(socket),
    counts: () => (pool ? countsOf(pool()) : countsOfOne(server)),
  })
  if (pool) await listenForRequests(server, requestsSocket(place))
  if (!(await host.open())) {
    if (pool) server.close()
    throw new Error(`another process serves for all already: ${place}`)
  }
  Object.defineProperty(server, 'address', { configurable: true, value: () => place })
  return {
    name: place,
    close: () => host.close(),
    intact: () => {
      if (host.intact()) return true
      // Others will have started another host; here are relays that would keep to this one.
      parts.leave('the private socket has been deleted: finishing what runs, then ending')
      return false
    },
  }
}

/** Beside the host's own, in whose name it is: no other process makes one of this name. */
function requestsSocket(place: string): string {
  return `${place}${requestsEnding}`
}

function listenForRequests(server: HostServer, path: string): Promise<void> {
  removeQuietly(path)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

function countsOfOne({ statistics: { running, requests } }: HostServer): Counts {
  return { running, requests }
}

function countsOf({ requests, workers }: Status): Counts {
  return {
    running: requests.active,
    requests: requests.accepted,
    workers: workers.map(({ pid, state, uptime, active, requests: all }) => {
      return { pid, state, uptime, running: active, requests: all }
    }),
  }
}

/** Milliseconds the first relay has to connect before the app is loaded all the same. */
const firstRelayTimeout = 2000
/** Milliseconds: whoever cleans up /tmp takes files nobody has touched for some days. */
const touchInterval = 3_600_000

/** The one process that runs the app. */
export class Host {
  readonly #parts: HostParts
  readonly #generations: Generations
  readonly #number: bigint
  readonly #output: HostOutput = new HostOutput()
  readonly #server: NetServer
  readonly #keeper: Doorkeeper
  #inodes = ''
  #touchedAt: number = performance.now()
  #idle: NodeJS.Timeout | undefined
  #attached: () => void = () => {}

  /** @throws Error when the place cannot be one */
  constructor(parts: HostParts) {
    const found = Generations.parse(parts.place)
    if (!found) throw new Error(`FASTCGI_SHARED_HOST cannot be ${JSON.stringify(parts.place)}`)
    checkFolder(found.generations.folder)
    this.#parts = parts
    this.#generations = found.generations
    this.#number = found.number
    this.#keeper = new Doorkeeper(
      found.generations.folder,
      (socket, said, rest) => this.#admitted(socket, said, rest),
      parts.log,
    )
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#keeper.receive(socket))
    this.#server.on('error', () => {})
  }

  /**
   * Listens, and tells the relay that has started this process.
   *
   * @returns false when another process is the host
   */
  async open(): Promise<boolean> {
    if (!(await this.#generations.take(this.#server, this.#number))) return false
    this.#inodes = this.#lookUp()
    this.#output.capture()
    this.#checkIdle()
    // No answer is expected: the starter closes, or has died, and then those who waited for it find us all the same.
    void greet(this.#generations.path(this.#number - 1n), 'host', this.#keeper.key).catch(() => {})
    // An app that ends the process while it is loaded shall do so in front of somebody who can answer 503.
    await this.#firstRelay()
    return true
  }

  /** Stops listening. The file stays as the mark of its number; a dead socket refuses connections. */
  close(): void {
    clearTimeout(this.#idle)
    this.#server.close()
  }

  /** Whether relays can find this socket. To be asked now and then. */
  intact(): boolean {
    if (this.#lookUp() !== this.#inodes) return false
    const now = performance.now()
    if (now - this.#touchedAt > touchInterval) {
      this.#touchedAt = now
      this.#touch()
    }
    return true
  }

  #touch(): void {
    try {
      const time = new Date()
      for (const path of [...this.#sockets(), join(this.#generations.folder, keyFile)]) {
        utimesSync(path, time, time)
      }
    } catch {
      // Deleted in this moment: the next look finds out.
    }
  }

  #firstRelay(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, firstRelayTimeout)
      this.#attached = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #sockets(): string[] {
    return [...new Set([this.#generations.path(this.#number), this.#parts.requests])]
  }

  #lookUp(): string {
    return this.#sockets()
      .map((path) => lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino)
      .join()
  }

  #admitted(socket: Socket, said: Greeting, rest: Buffer): void {
    if (!this.#server.listening) refuse(socket)
    else if (said.kind === 'request') this.#serve(socket, rest)
    else this.#take(socket, said)
  }

  #serve(socket: Socket, rest: Buffer): void {
    const { serve } = this.#parts
    if (serve) serveTaken(socket, rest, serve)
    else refuse(socket)
  }

  #take(socket: Socket, { kind }: Greeting): void {
    socket.write(Buffer.of(taken))
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.destroy())
    socket.resume()
    if (kind === 'host') return
    if (kind === 'status' || kind === 'stop') {
      socket.write(`${JSON.stringify(this.#status())}\n`)
      // The connection is left open: whoever asked sees the end of the process by its end.
      if (kind === 'stop') this.#parts.leave('asked to stop: finishing what runs, then ending')
      return
    }
    socket.write(`${process.pid} ${basename(this.#parts.requests)}\n`)
    this.#output.add(socket)
    this.#attached()
    clearTimeout(this.#idle)
    socket.once('close', () => this.#checkIdle())
  }

  #status(): HostStatus {
    const { script = null, counts } = this.#parts
    const uptime = Math.round(process.uptime())
    return { pid: process.pid, script, uptime, relays: this.#output.count, ...counts() }
  }

  #checkIdle(): void {
    if (this.#output.count > 0 || !this.#server.listening) return
    clearTimeout(this.#idle)
    const { idleTimeout, leave } = this.#parts
    // Keeps the process alive: it is to serve whoever comes.
    this.#idle = setTimeout(() => {
      if (this.#output.count === 0) {
        leave(`no relay for ${idleTimeout / 1000} s: finishing what runs, then ending`)
      }
    }, idleTimeout)
  }
}
