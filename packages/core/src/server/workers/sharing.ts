// Shares the listening sockets of the primary with its workers, which accept by themselves. The primary keeps a copy that
// it does not accept on, so the sockets stay open whatever becomes of the workers, and who connects meanwhile waits in
// the kernel's queue.
import type { Server } from 'node:net'
import { listeningHandle, replaceHandle, type RawHandle } from './net-private.ts'
import type { Member } from './member.ts'
import { countInterval } from './messages.ts'

/** What is shared, and how. */
export interface Shared {
  /** What listens. */
  readonly servers: readonly Server[]
  /** The sockets were another process's first, which may still have them. */
  readonly inherited: boolean
  /** There is to be one worker only. */
  readonly alone: boolean
  /**
   * Milliseconds after which a worker that is still loading its app accepts where no other can: it answers 503 then.
   */
  readonly patience: number
}

/** The listening sockets of a pool. */
export class Sharing {
  readonly #members: ReadonlySet<Member>
  readonly #shared: Shared
  /** Those of which a copy has come back. */
  readonly #passive = new Set<number>()
  #able: boolean
  #share = 0
  #counting = false

  constructor(members: ReadonlySet<Member>, shared: Shared) {
    this.#members = members
    this.#shared = shared
    const { servers } = shared
    this.#able = servers.length > 0 && servers.every((server) => listeningHandle(server))
  }

  /** Whether this process accepts no more on any of its sockets. */
  get passive(): boolean {
    const { servers } = this.#shared
    return servers.length > 0 && this.#passive.size === servers.length
  }

  /** Whether the last worker may shorten the queue of those who wait. Nobody else's socket: not ours to do. */
  get narrow(): boolean {
    return !this.#shared.inherited && this.#shared.servers.every(isTcp)
  }

  /** Lets those accept who should: workers that are ready; where there are none, those that answer 503 to everything. */
  arrange(): void {
    if (!this.#able) return
    const now = performance.now()
    const serving = [...this.#members].filter((member) => member.serving)
    const ready = serving.some(({ state }) => state === 'ready')
    for (const member of serving) {
      const { state, startedAt, accepting } = member
      const fit = ready
        ? state === 'ready'
        : state === 'failed' || now - startedAt > this.#shared.patience
      if (fit === accepting) continue
      member.accepting = fit
      if (fit) this.#give(member)
      else member.tell({ fastcgi: 'shut' })
    }
  }

  #give(member: Member): void {
    const share = this.#shared.alone ? undefined : this.#share
    for (const [socket, server] of this.#shared.servers.entries()) {
      const copy = !this.#passive.has(socket)
      const handle = (server as { _handle?: RawHandle | null })._handle
      const message = { fastcgi: 'listen', socket, tcp: isTcp(server), copy, share } as const
      if (handle) member.tell(message, handle)
    }
  }

  /** A worker accepts, or cannot. With the first copy that comes back this process stops to. */
  listening(socket: number, well: boolean, copy: RawHandle | undefined): void {
    // Another Node than this one, or one that has changed: connections are handed over.
    if (!well) this.#able = false
    if (!copy) return
    const server = this.#shared.servers[socket]
    if (!server?.listening || this.#passive.has(socket)) {
      copy.close()
      return
    }
    this.#passive.add(socket)
    replaceHandle(server, copy)
  }

  /** A worker has said how many connections it has. Others are told what the average is, soon and not too often. */
  count(): void {
    if (this.#counting || !this.#able) return
    this.#counting = true
    setTimeout(() => {
      this.#counting = false
      const accepting = [...this.#members].filter((member) => member.serving && member.accepting)
      const sum = accepting.reduce((total, { open, handed }) => total + open + handed.length, 0)
      const share = accepting.length === 0 ? 0 : sum / accepting.length
      if (Math.abs(share - this.#share) < Math.max(0.5, this.#share / 20)) return
      this.#share = share
      for (const member of accepting) member.tell({ fastcgi: 'share', share })
    }, countInterval).unref()
  }
}

function isTcp(server: Server): boolean {
  const address = server.address()
  return typeof address === 'object' && address !== null
}
