// Gives connections, accepted and not read from, to workers: to the one with the fewest, and to none that does not take
// what it was given. Those are connections that came before a worker could accept, those that a worker has given back,
// and all of them where workers cannot accept by themselves (net-private.ts). A connection belongs to the primary until a worker has said that it has it, so a worker that dies
// costs only those it had.
import { Socket } from 'node:net'
import type { Connection, Member } from './member.ts'

/** Connections on their way to one worker; more wait for whoever is free first. */
const maxHanded = 8
/** Milliseconds: a worker that has not taken a connection by then is busy, and others are asked first. */
const slow = 50
/** Connections that wait for a worker, each a descriptor: as many as a single process serves. */
const maxWaiting = 4096

/** The connections between the socket and the workers. */
export class Handover {
  readonly #members: ReadonlySet<Member>
  readonly #refused: () => void
  readonly #patience: number
  #waiting: Connection[] = []
  #turn = 0

  /**
   * @param patience milliseconds after which a worker that is still loading its app gets connections where no other
   *   can take them: it answers 503 then
   * @param refused more wait than can
   */
  constructor(members: ReadonlySet<Member>, patience: number, refused: () => void) {
    this.#members = members
    this.#patience = patience
    this.#refused = refused
  }

  /** Connections that wait for a worker. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** A connection has been accepted. */
  add(connection: Connection): void {
    if (this.#waiting.length >= maxWaiting) {
      discard(connection)
      this.#refused()
      return
    }
    if (connection instanceof Socket) {
      connection.on('error', () => connection.destroy())
      // Node would make the server and the workers count the socket's life together.
      ;(connection as { server?: unknown }).server = null
    }
    this.#waiting.push(connection)
    this.pump()
  }

  /** Gives what waits to workers that can take it. */
  pump(): void {
    while (this.#waiting.length > 0) {
      const member = this.#choose(maxHanded)
      if (!member) return
      this.#hand(this.#waiting.shift() as Connection, member)
    }
  }

  /** A worker has the connection that was sent to it first. */
  taken(member: Member): void {
    const [first] = member.handed.splice(0, 1)
    if (first) discard(first.connection)
    this.pump()
  }

  /** A worker has gone: what it has not taken goes to others, before all that wait. */
  lost(member: Member): void {
    const back = member.handed.splice(0).map(({ connection }) => connection)
    this.#waiting = [...back, ...this.#waiting]
    this.pump()
  }

  /** What waits is closed in a way of the caller's. */
  release(close: (socket: Socket) => void): void {
    for (const connection of this.#waiting.splice(0)) {
      if (connection instanceof Socket) close(connection)
      else connection.close()
    }
  }

  /** The last act: whatever waits goes to a worker now, however busy, or is closed where there is none. */
  finish(): void {
    for (const connection of this.#waiting.splice(0)) {
      const member = this.#choose(Infinity)
      if (member) this.#hand(connection, member)
      else discard(connection)
    }
  }

  #hand(connection: Connection, member: Member): void {
    if (connection instanceof Socket && connection.destroyed) return
    member.handed.push({ connection, at: performance.now() })
    member.tell({ fastcgi: 'connection' }, connection)
  }

  /** The worker with the fewest connections; in turn where several have as few. Busy ones only where all are. */
  #choose(limit: number): Member | undefined {
    const now = performance.now()
    const fit = this.#able(now).filter(({ handed }) => handed.length < limit)
    const quick = fit.filter(({ handed: [first] }) => first === undefined || now - first.at < slow)
    const candidates = quick.length > 0 ? quick : fit
    if (candidates.length === 0) return undefined
    this.#turn += 1
    let best: Member | undefined
    for (let i = 0; i < candidates.length; i += 1) {
      const member = candidates[(this.#turn + i) % candidates.length] as Member
      if (!best || load(member) < load(best)) best = member
    }
    return best
  }

  /** Workers that answer; where there are none, those that answer 503 to everything. */
  #able(now: number): Member[] {
    const all = [...this.#members].filter((member) => member.serving && member.worker.isConnected())
    const ready = all.filter(({ state }) => state === 'ready')
    if (ready.length > 0) return ready
    return all.filter(
      ({ state, startedAt }) => state === 'failed' || now - startedAt > this.#patience,
    )
  }
}

function load(member: Member): number {
  return member.open + member.handed.length
}

/** Closes this process's copy. */
function discard(connection: Connection): void {
  if (connection instanceof Socket) connection.destroy()
  else connection.close()
}
