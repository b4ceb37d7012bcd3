// The host's side: listens on the private socket, lets in whoever knows the key, and leaves when no relay has been there
// for a while.
import { lstatSync, utimesSync } from 'node:fs'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { checkFolder, keyFile, readKey } from './folder.ts'
import { Generations } from './generations.ts'
import {
  maxGreeting,
  readGreeting,
  sameKey,
  taken,
  type Greeting,
  type HostStatus,
} from './greeting.ts'
import { HostOutput } from './host-output.ts'
import { greet } from './link.ts'

/** What a {@link Host} works with. */
export interface HostParts {
  /** From the variable: where to listen. */
  readonly place: string
  /** Real path of the script, by which the host is asked for. */
  readonly script: string | undefined
  /** Milliseconds without a relay after which the host leaves. */
  readonly idleTimeout: number
  /** Takes a web server's connection. */
  readonly serve: (socket: Duplex) => void
  /** Requests that run, and all there were. */
  readonly counts: () => { readonly running: number; readonly requests: number }
  /** Ends the process, gracefully. */
  readonly leave: (reason: string) => void
  readonly log: (message: string) => void
}

/** A server that is handed connections. */
export interface HostServer {
  acceptConnection(socket: Duplex): void
  readonly statistics: { readonly running: number; readonly requests: number }
}

/**
 * Makes a server the host.
 *
 * @returns the way in; its file stays, as the mark of its number
 * @throws Error when another process is the host already, or there can be no socket
 */
export async function openHost(
  server: HostServer,
  parts: Omit<HostParts, 'serve' | 'counts'>,
): Promise<{ readonly name: string; close(): void; intact(): boolean }> {
  const { place } = parts
  const host = new Host({
    ...parts,
    serve: (socket) => server.acceptConnection(socket),
    counts: () => server.statistics,
  })
  if (!(await host.open())) throw new Error(`another process serves for all already: ${place}`)
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

/** Milliseconds the first relay has to connect before the app is loaded all the same. */
const firstRelayTimeout = 2000
/** Milliseconds: whoever cleans up /tmp takes files nobody has touched for some days. */
const touchInterval = 3_600_000
/** Milliseconds for the greeting; a relay sends it with the connection. */
const greetingTimeout = 10_000

/** The one process that runs the app. */
export class Host {
  readonly #parts: HostParts
  readonly #generations: Generations
  readonly #number: bigint
  readonly #output: HostOutput = new HostOutput()
  readonly #server: NetServer
  #key: string
  #inode: bigint | undefined
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
    this.#key = readKey(found.generations.folder)
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#greeted(socket))
    this.#server.on('error', () => {})
  }

  /**
   * Listens, and tells the relay that has started this process.
   *
   * @returns false when another process is the host
   */
  async open(): Promise<boolean> {
    if (!(await this.#generations.take(this.#server, this.#number))) return false
    this.#inode = this.#lookUp()
    this.#output.capture()
    this.#checkIdle()
    // No answer is expected: the starter closes, or has died, and then those who waited for it find us all the same.
    void greet(this.#generations.path(this.#number - 1n), 'host', this.#key).catch(() => {})
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
    if (this.#lookUp() !== this.#inode) return false
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
      const { folder } = this.#generations
      for (const path of [this.#generations.path(this.#number), join(folder, keyFile)]) {
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

  #lookUp(): bigint | undefined {
    const path = this.#generations.path(this.#number)
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino
  }

  #greeted(socket: Socket): void {
    let got: Buffer = Buffer.alloc(0)
    const timer = setTimeout(() => socket.destroy(), greetingTimeout).unref()
    const end = (): void => {
      clearTimeout(timer)
      socket.destroy()
    }
    const read = (chunk: Buffer): void => {
      got = got.length === 0 ? chunk : Buffer.concat([got, chunk])
      const line = got.subarray(0, maxGreeting).indexOf(0x0a)
      if (line === -1 && got.length < maxGreeting) return
      clearTimeout(timer)
      for (const [event, listener] of listeners) socket.removeListener(event, listener)
      const said = line === -1 ? undefined : readGreeting(got.toString('latin1', 0, line))
      if (!said || !this.#knows(said) || !this.#server.listening) {
        socket.on('error', () => {})
        socket.destroy()
        return
      }
      this.#take(socket, said, got.subarray(line + 1))
    }
    const listeners = [
      ['data', read],
      ['error', end],
      ['end', end],
    ] as const
    socket.on('data', read).on('error', end).on('end', end)
  }

  /** The key may have been made anew by whoever found it deleted. */
  #knows({ key }: Greeting): boolean {
    if (sameKey(this.#key, key)) return true
    try {
      this.#key = readKey(this.#generations.folder)
    } catch (error) {
      this.#parts.log(`the key of the private socket: ${(error as Error).message}`)
      return false
    }
    return sameKey(this.#key, key)
  }

  #take(socket: Socket, { kind }: Greeting, rest: Buffer): void {
    // From here on the connection is answered by this process and no other.
    socket.write(Buffer.of(taken))
    if (kind === 'request') {
      socket.pause()
      if (rest.length > 0) socket.unshift(rest)
      this.#parts.serve(socket)
      return
    }
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
    socket.write(`${process.pid}\n`)
    this.#output.add(socket)
    this.#attached()
    clearTimeout(this.#idle)
    socket.once('close', () => this.#checkIdle())
  }

  #status(): HostStatus {
    const { script = null, counts } = this.#parts
    const { running, requests } = counts()
    const uptime = Math.round(process.uptime())
    return { pid: process.pid, script, uptime, relays: this.#output.count, running, requests }
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
