// When a connection is read, and when not: bodies that nobody reads and answers that the peer does not take stop it.
// FastCGI has no flow control of a single request (design: budget, pause, then the stalled one is ended).
import type { Duplex } from 'node:stream'
import type { Exchange } from '../../http/exchange.ts'
import type { WriteCallback } from '../../http/stand-in-socket.ts'
import type { Connection } from '../../protocol/connection.ts'
import type { Request, TransportContext } from './context.ts'

/**
 * While the reader of a body is stalled, so much more is read to see whether other requests wait behind it: what web
 * server and sockets hold of the body. HAProxy has up to 512 KiB in its own buffers; a unix socket two times 208 KiB;
 * a TCP connection of Linux up to 4 MiB at the sender and 6 MiB at the reader (tcp_wmem, tcp_rmem; 8.1 MiB seen).
 * It is as much on all connections together, until it is read by the handlers it is for, or they are ended.
 */
const PEEK = 11 * 1024 * 1024
/** So many full body budgets a connection may hold before it is paused, whoever of its requests does not read. */
const BUDGETS_PER_CONNECTION = 16
/**
 * Where so many bytes wait for a peer, each further answer that is complete counts as unread: a peer that asks and does
 * not read is no longer asked for more (node:http stops at one high-water mark). Less would count the answers to a peer
 * that reads, and that a slow moment of its network holds up.
 */
const ANSWERS_BACKLOG = 256 * 1024

/** The reading side of one connection. */
export class Reading {
  readonly #socket: Duplex
  readonly #connection: Connection<Exchange>
  readonly #context: TransportContext
  #paused = false
  #pausedSince = 0
  /** Bytes looked through since the pause; 0 where that has not begun. */
  #peeked = 0
  /** Bytes that were, and whose body they are: they count until it is read. */
  #peekHeld = 0
  #peekOf: Exchange | undefined
  /** Requests came while another ran: the peer multiplexes. */
  #multiplexed = false
  /** One came since bytes were last counted, if only to be answered at once. */
  #seen = false
  /** Bytes of answers that are complete and that the peer has not taken. */
  #unread = 0
  /** It has been said that they are too many: once for a connection. */
  #said = false
  #stopped = false

  constructor(socket: Duplex, connection: Connection<Exchange>, context: TransportContext) {
    this.#socket = socket
    this.#connection = connection
    this.#context = context
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Pauses or resumes, as what has changed demands. */
  update(): void {
    if (this.#stopped) return
    const wanted = this.#mustPause()
    if (wanted === this.#paused) return
    this.#paused = wanted
    this.#peeked = 0
    this.#returnPeek()
    if (wanted) {
      if (this.#unread > this.#context.options.maxUnread) this.#sayUnread()
      this.#pausedSince = this.#context.clock
      this.#socket.pause()
    } else {
      this.#socket.resume()
    }
  }

  #sayUnread(): void {
    if (this.#said) return
    this.#said = true
    this.#context.warned(
      'FCGI_UNREAD_ANSWERS',
      `a connection is not read any more until the web server reads: it has left ${this.#unread} bytes of answers (option maxUnread: ${this.#context.options.maxUnread})`,
    )
  }

  /** The connection is closing: nothing is decided any more. */
  stop(): void {
    this.#stopped = true
    this.#returnPeek()
  }

  /** The same, but what still comes is read, to be dropped. */
  readRest(): void {
    this.#stopped = true
    this.#returnPeek()
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  /**
   * Counts an answer as unread by the peer.
   *
   * @returns what to call when it is out
   */
  owe(bytes: number, done: WriteCallback): WriteCallback {
    this.#unread += bytes
    this.update()
    return (error) => {
      this.#unread -= bytes
      this.update()
      done(error)
    }
  }

  /** What to call when the last part of an answer is out: counts it as unread until then, where others wait already. */
  untilRead(bytes: number, done: WriteCallback): WriteCallback {
    return this.#socket.writableLength < ANSWERS_BACKLOG ? done : this.owe(bytes, done)
  }

  /**
   * A request that nobody can wait behind pauses its connection at once; one that others may follow when it has filled
   * its budget.
   */
  #mustPause(): boolean {
    const { bodyBudget, maxUnread, multiplex } = this.#context.options
    if (this.#unread > maxUnread) return true
    const alone = this.#connection.active <= 1
    let held = 0
    for (const request of this.#connection.requests()) {
      const exchange = request.context
      if (exchange === undefined || !exchange.blocked || exchange.over) continue
      if (alone && !(request.keepConnection && multiplex)) return true
      const { buffered } = exchange
      held += buffered
      if (buffered >= bodyBudget || held >= bodyBudget * BUDGETS_PER_CONNECTION) return true
    }
    return false
  }

  /** The request whose unread body holds the connection. */
  #stalled(): Exchange | undefined {
    let worst: Exchange | undefined
    for (const request of this.#connection.requests()) {
      const exchange = request.context
      if (exchange === undefined || !exchange.blocked || exchange.over) continue
      if (worst === undefined || exchange.buffered > worst.buffered) worst = exchange
    }
    return worst
  }

  /** A request has begun. */
  begun(): void {
    if (this.#connection.active + this.#connection.pending <= 1) return
    this.#multiplexed = true
    this.#seen = true
  }

  /** Bytes have come. While the reader is stalled, others' requests may wait behind the body: a little is read on. */
  received(bytes: number): void {
    const seen = this.#seen || this.#connection.pending > 0
    this.#seen = false
    if (!this.#paused || this.#peeked === 0) return
    this.#peeked += bytes
    this.#peekHeld += bytes
    this.#context.peekHeld += bytes
    if (seen) this.#endStalled()
    else if (this.#peeked > PEEK || this.#context.peekHeld > PEEK) this.#cannotSee()
  }

  /** Nobody to be seen behind so much: of a peer that multiplexes others wait behind more; else there are none. */
  #cannotSee(): void {
    if (this.#multiplexed) this.#endStalled()
    else this.#socket.pause()
  }

  #returnPeek(): void {
    const exchange = this.#peekOf
    if (exchange === undefined) return
    const read = exchange.over || exchange.buffered <= this.#context.options.bodyBudget
    if (!read && !this.#stopped) return
    this.#context.peekHeld -= this.#peekHeld
    this.#peekHeld = 0
    this.#peekOf = undefined
  }

  /** Once a second: has a reader been stalled for too long? */
  tick(now: number): void {
    this.#returnPeek()
    if (!this.#paused) return
    this.update()
    const { options } = this.#context
    if (!this.#paused || this.#unread > options.maxUnread) return
    const stalledFor = now - this.#pausedSince
    const others = this.#connection.active > 1
    if (
      stalledFor >= options.idleReaderTimeout ||
      (others && stalledFor >= options.stalledReaderTimeout)
    ) {
      this.#endStalled()
    } else if (!others && stalledFor >= options.stalledReaderTimeout && this.#peeked <= PEEK) {
      const stalled = this.#stalled()
      const request = stalled?.ticket as Request | undefined
      // Only a connection that is kept can carry others.
      if (!request?.keepConnection || !options.multiplex) return
      if (this.#context.peekHeld >= PEEK) return this.#cannotSee()
      this.#peeked ||= 1
      this.#peekOf ??= stalled
      this.#socket.resume()
    }
  }

  #endStalled(): void {
    const stalled = this.#stalled()
    if (stalled === undefined) return
    const { clock, options } = this.#context
    const seconds = Math.max(1, Math.round((clock - this.#pausedSince) / 1000))
    this.#context.warned(
      'FCGI_STALLED_READER',
      `a request was ended: its handler has not read its body for ${seconds} s (options stalledReaderTimeout ${options.stalledReaderTimeout} ms, idleReaderTimeout ${options.idleReaderTimeout} ms)`,
    )
    stalled.socket.destroy(
      Object.assign(new Error('The body was not read in time.'), {
        code: 'FCGI_STALLED_READER',
        statusCode: 408,
      }),
    )
    this.update()
  }
}
