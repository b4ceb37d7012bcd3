// The active requests of the application's side of a connection (§3.3): an id is active from
// BEGIN_REQUEST until the application has sent END_REQUEST. Counts them by stage, and knows when
// the connection is to be closed (§5.1).

import { ByteCollector } from './byte-collector.ts'
import type { ConnectionRequest } from './events.ts'

/** A request in the table; see {@link ConnectionRequest} for what the caller sees of it. */
export class ActiveRequest<C> implements ConnectionRequest<C> {
  readonly id: number
  readonly role: number
  readonly keepConnection: boolean
  context: C | undefined = undefined
  paramsComplete = false
  stdinComplete = false
  dataComplete = false
  aborted = false
  ended = false
  /** A limit forbids to run it; it waits for the caller's answer. */
  refused = false
  /** More PARAMS than the limit came: what was kept is gone, the rest is dropped. */
  paramsTooLarge = false
  /** PARAMS so far. */
  readonly params: ByteCollector = new ByteCollector()

  constructor(id: number, role: number, keepConnection: boolean) {
    this.id = id
    this.role = role
    this.keepConnection = keepConnection
  }
}

/**
 * The table. A request is pending until its PARAMS has ended, then running or refused, and gone
 * after `remove()`.
 */
export class RequestTable<C> {
  /**
   * The oldest request: the only one on most connections. Kept beside the map, it spares them the
   * map itself (200 bytes an idle connection) and its upkeep (0.1 µs a request).
   */
  #first: ActiveRequest<C> | undefined = undefined
  /** The requests that began while there was a first one. */
  #others: Map<number, ActiveRequest<C>> | undefined = undefined
  /**
   * The request that was found last: records of one request come in a row, and need no look-up
   * then.
   */
  #latest: ActiveRequest<C> | undefined = undefined
  #pending = 0
  #running = 0
  #closeAsked = false

  /** Requests in the table, whatever their stage. */
  get size(): number {
    return (this.#first === undefined ? 0 : 1) + (this.#others?.size ?? 0)
  }

  /** Requests whose PARAMS has not ended. */
  get pending(): number {
    return this.#pending
  }

  /** Requests whose PARAMS has ended and that were not refused. */
  get running(): number {
    return this.#running
  }

  /** True when a request that came to its end has asked for the close, and no other is active. */
  get closeDue(): boolean {
    return this.#closeAsked && this.size === 0
  }

  /** The requests in the order they began. */
  values(): Iterable<ActiveRequest<C>> {
    const others = this.#others?.values() ?? []
    return this.#first === undefined ? others : [this.#first, ...others]
  }

  find(id: number): ActiveRequest<C> | undefined {
    const latest = this.#latest
    if (latest !== undefined && latest.id === id) return latest
    const first = this.#first
    const request = first !== undefined && first.id === id ? first : this.#others?.get(id)
    if (request !== undefined) this.#latest = request
    return request
  }

  add(request: ActiveRequest<C>): void {
    // Behind requests that are left in the map a new one is not the oldest.
    if (this.size === 0) this.#first = request
    else (this.#others ??= new Map()).set(request.id, request)
    this.#latest = request
    this.#pending++
  }

  /** PARAMS has ended. */
  paramsEnded(request: ActiveRequest<C>, refused: boolean): void {
    request.paramsComplete = true
    request.refused = refused
    this.#pending--
    if (!refused) this.#running++
  }

  /** Frees the id; does nothing for a request that is not, or no more, in the table. */
  remove(request: ConnectionRequest<C>): void {
    let active = this.#first
    if (active === request) {
      this.#first = undefined
    } else {
      active = this.#others?.get(request.id)
      if (active === undefined || active !== request) return
      this.#others?.delete(active.id)
    }
    if (this.#latest === active) this.#latest = undefined
    active.ended = true
    active.params.clear()
    if (!active.paramsComplete) this.#pending--
    else if (!active.refused) this.#running--
    this.askForClose(active.keepConnection)
  }

  /**
   * A request came to its end, in the table or refused before it: without KEEP_CONN the connection
   * is to be closed.
   */
  askForClose(keepConnection: boolean): void {
    if (!keepConnection) this.#closeAsked = true
  }
}
