// Peers that do not go on: a request that does not come to the end of its PARAMS, a response that nobody takes.
import type { Duplex } from 'node:stream'
import type { Exchange } from '../../http/exchange.ts'
import type { Connection } from '../../protocol/connection.ts'
import type { TransportContext } from './context.ts'

/** Measures, once a second, how long the peer of one connection has kept us waiting. */
export class Silence {
  readonly #socket: Duplex
  readonly #connection: Connection<Exchange>
  readonly #context: TransportContext
  /** What was last seen unfinished, and since when: a request without its PARAMS, or part of a record. */
  #unfinished: object | undefined
  #unfinishedSince: number
  #lastProgress: number
  #lastWritten = 0

  constructor(socket: Duplex, connection: Connection<Exchange>, context: TransportContext) {
    this.#socket = socket
    this.#connection = connection
    this.#context = context
    this.#unfinishedSince = context.clock
    this.#lastProgress = context.clock
  }

  /**
   * The oldest request in arrival has been arriving for longer than option `paramsTimeout`: said, and true.
   *
   * @param fresh nothing has come on the connection yet
   */
  arrivesTooSlowly(now: number, fresh: boolean): boolean {
    const { paramsTimeout } = this.#context.options
    if (this.#unfinishedFor(now, fresh) < paramsTimeout) return false
    this.#context.warned(
      'FCGI_PARAMS_TIMEOUT',
      `a connection was closed: no complete request within ${paramsTimeout} ms (option paramsTimeout)`,
    )
    return true
  }

  #unfinishedFor(now: number, fresh: boolean): number {
    const connection = this.#connection
    let unfinished: object | undefined
    if (connection.pending > 0) {
      for (const request of connection.requests()) {
        if (!request.paramsComplete) {
          unfinished = request
          break
        }
      }
    } else if (fresh || (connection.active === 0 && connection.midRecord)) {
      unfinished = connection
    }
    if (unfinished !== this.#unfinished) {
      this.#unfinished = unfinished
      this.#unfinishedSince = now
    }
    return unfinished === undefined ? 0 : now - this.#unfinishedSince
  }

  /** Bytes wait, and none has been taken for longer than option `stalledPeerTimeout`: said, and true. */
  takesNothing(now: number): boolean {
    const { stalledPeerTimeout } = this.#context.options
    const socket = this.#socket
    const written = (socket as { bytesWritten?: number }).bytesWritten ?? 0
    // Of one long write only the handle knows how much has gone.
    const handle = (socket as { _handle?: { writeQueueSize?: number } | null })._handle
    const sent = written - socket.writableLength - (handle?.writeQueueSize ?? 0)
    if (sent !== this.#lastWritten || socket.writableLength === 0) {
      this.#lastWritten = sent
      this.#lastProgress = now
      return false
    }
    if (stalledPeerTimeout === 0 || now - this.#lastProgress < stalledPeerTimeout) return false
    this.#context.warned(
      'FCGI_STALLED_PEER',
      `a connection was closed: the web server took no byte for ${stalledPeerTimeout} ms (option stalledPeerTimeout)`,
    )
    return true
  }
}
