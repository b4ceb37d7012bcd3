// One connection from a web server: drives a net.Socket through the protocol's state machine and its requests through
// exchanges, and has the last word on the wire. `reading.ts` and `sending.ts` are its two directions, `silence.ts` its
// patience.
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { HeadError, readRequestHead, type RequestHead } from '../../cgi/request-head.ts'
import { errorPage } from '../../cgi/response-head.ts'
import type { Outlet } from '../../http/exchange-context.ts'
import { Exchange } from '../../http/exchange.ts'
import { Connection, type ConnectionEvent } from '../../protocol/connection.ts'
import { ProtocolStatus, Role } from '../../protocol/constants.ts'
import { ProtocolError } from '../../protocol/errors.ts'
import { endRecords, unknownType } from '../../protocol/record-writer.ts'
import { throwLater, type Request, type TransportContext } from './context.ts'
import { joinPieces } from './join-pieces.ts'
import { read } from './read-buffer.ts'
import { Reading } from './reading.ts'
import { Sending } from './sending.ts'
import { Silence } from './silence.ts'
import { failureStatus, isHead, parserError, unreadableHead, withoutBody } from './unreadable.ts'

/** A closing connection whose peer still sends is read, and what comes dropped, for this long: a reset would take the response with it. */
const LINGER = 2_000
/** Milliseconds a connection without requests is kept when the server drains. */
const DRAIN_IDLE = 1_000
/** From so many events in a read on it is worth a pass to join the pieces of bodies: records of a few bytes. */
const CROWD = 64
/** Above so many bytes of bodies in a read more of the kind is expected. */
const BULK = 4 * 1024

/** One connection. */
export class Transport implements Outlet {
  readonly socket: Duplex
  readonly #context: TransportContext
  readonly #connection: Connection<Exchange>
  readonly #reading: Reading
  readonly #sending: Sending
  /** Only while the peer is waited for: most connections rest most of the time. */
  #silence: Silence | undefined
  readonly writableHighWaterMark: number
  readonly readableHighWaterMark: number
  #lent = false
  /** Bytes of bodies in the last read. */
  #bodySize = 0
  /** Requests whose END_REQUEST is owed; the requests in the table that have an exchange. */
  #running = 0
  #closing = false
  #draining = false
  #drainingSince = 0
  /** A response was cut: no request may end well on this connection from here on that begins later. */
  #doomed = false
  #doomedSince = 0
  /** Nothing has come yet. */
  #fresh = true
  #heldParams = 0
  #idleSince: number
  #closingSince = 0
  #gone = false

  constructor(socket: Duplex, context: TransportContext) {
    this.socket = socket
    this.#context = context
    const connection = new Connection<Exchange>(context.limits)
    this.#connection = connection
    this.#reading = new Reading(socket, connection, context)
    this.#sending = new Sending(socket, context, this.#reading, this)
    this.writableHighWaterMark = socket.writableHighWaterMark
    this.readableHighWaterMark = socket.readableHighWaterMark
    this.#idleSince = context.clock
    read(
      socket,
      (chunk, length, lent) => this.#receive(chunk, length, lent),
      () => this.#bulk,
    )
    socket.on('end', () => this.#peerEnded())
    // EPIPE and ECONNRESET are how most web servers end a connection.
    socket.on('error', () => this.destroy())
    socket.on('close', () => this.#closed())
  }

  /** True when no request is running or arriving on the connection. */
  get idle(): boolean {
    return this.#connection.active === 0
  }

  /** A body is arriving, in large pieces. */
  get #bulk(): boolean {
    return this.#bodySize > BULK
  }

  /** @param lent the chunk is overwritten after this: what is kept of it is copied */
  #receive(chunk: Buffer, length: number, lent: boolean): void {
    if (this.#closing) return
    this.#lent = lent
    this.#bodySize = 0
    let events = this.#connection.receive(chunk, length)
    if (events.length > CROWD) events = joinPieces(events)
    for (let i = 0; i < events.length; i++) {
      const event = events[i] as ConnectionEvent<Exchange>
      try {
        this.#handle(event)
      } catch (error) {
        // A listener of the app threw ('data', 'end'); the other requests of this read go on.
        throwLater(error)
      }
      if (this.#closing) break
    }
    this.#reading.received(length)
    this.#fresh = false
    if (this.#heldParams > 0 || this.#connection.pending > 0)
      this.#hold(this.#gone ? 0 : this.#connection.heldParams)
  }

  /** Bytes of PARAMS kept for requests that are still arriving, as of the last read. */
  get heldParams(): number {
    return this.#heldParams
  }

  #hold(bytes: number): void {
    const context = this.#context
    const more = bytes - this.#heldParams
    this.#heldParams = bytes
    context.heldParams += more
    if (more > 0 && context.heldParams > context.options.maxHeldParams) context.tooMuchHeld()
  }

  #handle(event: ConnectionEvent<Exchange>): void {
    switch (event.type) {
      case 'request':
        this.#request(event.request, event.params)
        break
      case 'stdin': {
        const exchange = event.request.context
        if (exchange === undefined) break
        if (!exchange.started) {
          exchange.settleBody(true)
          exchange.start()
        }
        this.#bodySize += event.data.length
        exchange.body(this.#keep(event.data))
        if (exchange.blocked || this.#reading.paused) this.#reading.update()
        break
      }
      case 'stdin-end': {
        const exchange = event.request.context
        if (exchange === undefined) break
        if (!exchange.started) {
          exchange.settleBody(false)
          exchange.start()
        }
        exchange.bodyEnd()
        // Nothing more of it can come: what is unread of it holds nobody up.
        if (this.#reading.paused) this.#reading.update()
        // A response that was complete before the body's end.
        if (exchange.response.writableEnded) this.#sending.schedule(exchange)
        break
      }
      case 'data':
        this.#bodySize += event.data.length
        event.request.context?.fileData(this.#keep(event.data))
        if (event.request.context?.blocked) this.#reading.update()
        break
      case 'data-end':
        event.request.context?.fileData(null)
        break
      case 'abort':
        if (event.begun) this.#aborted(event.request)
        break
      case 'refused':
        this.#refused(event.request, event.reason, event.params)
        break
      case 'reply':
        this.#sending.reply(event.bytes)
        if (event.close) this.#close()
        break
      case 'error':
        this.#fault(event.error)
        break
    }
  }

  #keep(data: Buffer): Buffer {
    return this.#lent ? Buffer.from(data) : data
  }

  #request(request: Request, params: Buffer): void {
    const context = this.#context
    context.counts.requests++
    this.#reading.begun()
    const closing = this.#doomed || (this.#draining && this.#drainsTooLong())
    if (closing || context.running >= context.options.maxRequests) {
      context.counts.refused++
      context.warned(
        'FCGI_OVERLOADED',
        `a request was answered 503: ${closing ? 'its connection is closing' : `${context.running} requests are running (option maxRequests)`}`,
      )
      this.#page(request, 503, 'The application is busy. Try again in a moment.', isHead(params))
      return
    }
    let head: RequestHead
    try {
      head = readRequestHead(params, context.head)
    } catch (error) {
      context.counts.refused++
      if (!(error instanceof HeadError)) {
        // A fault of ours, and one that a request can bring about: it must cost that request and no more.
        context.warned('FCGI_INTERNAL', `a request was answered 500: ${(error as Error).stack}`)
        this.#page(request, 500, '', isHead(params))
        return
      }
      if (error.protocol) {
        this.#fault(new ProtocolError('FCGI_BAD_PAIR', error.message, request.id))
        return
      }
      context.warned(error.code, `a request was answered ${error.status}: ${error.message}`)
      if (this.#refusedByApp(request, params, error)) return
      this.#page(request, error.status, error.message, isHead(params))
      return
    }
    if (head.warning) context.warned(head.warning.code, head.warning.message)
    const exchange = new Exchange(this, context.exchange, head, request.role, request.id)
    exchange.ticket = request
    request.context = exchange
    this.#running++
    context.running++
    if (request.role === Role.Authorizer) withoutBody(head)
    if (head.body !== 'undecided') exchange.start()
  }

  /** In the second half of the time to drain a peer that always has requests running would never get its close. */
  #drainsTooLong(): boolean {
    const { clock, options } = this.#context
    return clock - this.#drainingSince >= options.drainTimeout / 2
  }

  /** An app with a 'clientError' listener may answer what we refuse, as it may what node:http's parser refuses. */
  #refusedByApp(request: Request, params: Buffer, error: HeadError): boolean {
    const context = this.#context
    if (context.exchange.server.listenerCount('clientError') === 0) return false
    const head = unreadableHead(params)
    const exchange = new Exchange(this, context.exchange, head, request.role, request.id)
    exchange.ticket = request
    this.#running++
    context.running++
    if (exchange.refuse(parserError(error))) return true
    this.#running--
    context.running--
    return false
  }

  #aborted(request: Request): void {
    const exchange = request.context
    // Ended while the events of this read were handled.
    if (exchange === undefined || request.ended) return
    this.#context.counts.aborted++
    try {
      exchange.abort()
    } finally {
      // A listener of the app may throw: the web server gets its END_REQUEST all the same.
      this.#sending.reply(
        endRecords(request.id, 0, ProtocolStatus.RequestComplete, exchange.stderrOpen),
      )
      this.end(exchange)
    }
  }

  #refused(request: Request, reason: 'params-too-large' | 'overloaded', params: Buffer): void {
    const { counts, options } = this.#context
    counts.requests++
    counts.refused++
    if (reason === 'params-too-large') {
      const message = `the request has more than ${options.maxParamsBytes} bytes of params (option maxParamsBytes)`
      this.#context.warned('FCGI_PARAMS_TOO_LARGE', `a request was answered 431: ${message}`)
      this.#page(request, 431, 'The headers of the request are too large.')
    } else {
      const message = `${options.maxRequestsPerConnection} requests are running on its connection (option maxRequestsPerConnection)`
      this.#context.warned('FCGI_OVERLOADED', `a request was answered 503: ${message}`)
      this.#page(request, 503, 'The application is busy. Try again in a moment.', isHead(params))
    }
  }

  /** A whole response of our own. */
  #page(request: Request, status: number, detail: string, headOnly = false): void {
    this.#sending.page(request.id, errorPage(status, '', detail), headOnly, false)
    if (this.#connection.end(request)) this.#close()
    else if (this.#draining || this.#doomed) this.#closeIfIdle()
  }

  #fault(error: ProtocolError): void {
    this.destroy()
    this.#context.faulted(error, this.socket)
  }

  // What exchanges ask for.

  schedule(exchange: Exchange): void {
    this.#sending.schedule(exchange)
  }

  stderr(exchange: Exchange, text: Uint8Array, done: () => void): void {
    this.#sending.stderr(exchange, text, done)
  }

  release(exchange: Exchange): void {
    this.#sending.send(exchange)
  }

  bodyFlow(): void {
    this.#reading.update()
  }

  /** END_REQUEST is written, or never will be. */
  end(exchange: Exchange): void {
    if (exchange.ended) return
    exchange.ended = true
    if (!exchange.cut) {
      this.#running--
      this.#context.running--
    }
    const request = exchange.ticket as Request
    const { midRecord } = this.#connection
    const close = this.#connection.end(request)
    try {
      exchange.bodyDropped()
    } catch (error) {
      throwLater(error)
    }
    const quiet = request.role === Role.Filter ? request.dataComplete : request.stdinComplete
    if (close) this.#close(quiet && !midRecord)
    else if (this.#draining || this.#doomed) this.#closeIfIdle()
    else if (this.#reading.paused) this.#reading.update()
  }

  failed(exchange: Exchange, error: Error | undefined): void {
    if (exchange.ended || this.#gone) return
    this.#context.counts.failed++
    // All of it was written before the app let go: node:http would have sent it.
    if (exchange.complete) {
      this.#sending.send(exchange, true)
      return
    }
    if (!exchange.headSent) {
      const page = errorPage(failureStatus(error), '', 'The application gave no answer.')
      const headOnly = exchange.head.method === 'HEAD'
      this.#sending.page(exchange.requestId, page, headOnly, exchange.stderrOpen)
      this.end(exchange)
      return
    }
    // The server in front must see that the response is cut: an END_REQUEST would make it look complete.
    if (this.#running === 1 && this.#connection.pending === 0) {
      // nginx takes the end of a connection for the end of a response without a length. A record it does not expect, such
      // as this answer to nothing, it takes for an error.
      const isNginx = /^nginx/.test(exchange.params['SERVER_SOFTWARE'] ?? '')
      if (isNginx && !exchange.lengthTold) this.#sending.reply(unknownType(0))
      this.end(exchange)
      this.#close()
    } else {
      if (!this.#doomed) this.#doomedSince = this.#context.clock
      this.#doomed = true
      exchange.cut = true
      this.#context.running--
      this.#running--
    }
  }

  /** Once a second, by the server: what has waited too long? `now` is the clock's time of this tick. */
  tick(now: number): void {
    if (this.#gone) return
    const { options } = this.#context
    if (this.#closing) {
      // A slow peer may take the last response for as long as it takes bytes at all.
      if (this.socket.writableLength > 0) {
        this.#closingSince = now
        if (this.#patience().takesNothing(now)) this.destroy()
      } else if (now - this.#closingSince >= LINGER) {
        this.destroy()
      }
      return
    }
    this.#endAnswered(now)
    if (this.#rests) {
      this.#silence = undefined
    } else if (this.#patience().arrivesTooSlowly(now, this.#fresh)) {
      this.destroy()
      return
    }
    if (!this.idle) this.#idleSince = now
    this.#reading.tick(now)
    if (this.#silence?.takesNothing(now)) this.destroy()
    if (this.#doomed && now - this.#doomedSince >= options.drainTimeout) this.destroy()
    if (this.#draining && this.idle && now - this.#idleSince >= DRAIN_IDLE) this.#closeIfIdle()
  }

  /** Neither side is waiting for the other. */
  get #rests(): boolean {
    return (
      this.idle && !this.#fresh && !this.#connection.midRecord && this.socket.writableLength === 0
    )
  }

  #patience(): Silence {
    return (this.#silence ??= new Silence(this.socket, this.#connection, this.#context))
  }

  /**
   * An app may read on after its response is complete, and END_REQUEST waits for that. But nginx sends nothing more of a
   * body once it has the head of a response: then nobody may wait for the other.
   */
  #endAnswered(now: number): void {
    let silent: Request[] | undefined
    for (const request of this.#connection.requests()) {
      const exchange = request.context
      if (exchange === undefined || !exchange.started || exchange.cut || !exchange.complete)
        continue
      const { bytesRead } = exchange.socket
      if (exchange.answeredAt === 0 || exchange.answeredBytes !== bytesRead) {
        exchange.answeredAt = now
        exchange.answeredBytes = bytesRead
      } else if (
        !this.#reading.paused &&
        now - exchange.answeredAt >= this.#context.options.stalledReaderTimeout
      ) {
        ;(silent ??= []).push(request)
      }
    }
    if (silent !== undefined) for (const request of silent) this.#aborted(request)
  }

  // Ends.

  /** No new requests after those that run: closes behind the last END_REQUEST, or after a second without any. */
  drain(): void {
    const { clock } = this.#context
    if (!this.#draining) this.#drainingSince = clock
    this.#draining = true
    if (this.idle) this.#idleSince = clock
  }

  /**
   * Closes at once if nothing runs or arrives. As under node:http a connection on which nothing has come yet is not
   * idle: its first request may be on the way.
   */
  closeIfIdle(): void {
    if (!this.#fresh) this.#closeIfIdle()
  }

  /** Gives its place to a connection that waits, if it has been idle for a while. */
  makeRoom(now: number): boolean {
    if (this.#closing || this.#fresh || !this.idle) return this.#closing
    if (now - this.#idleSince >= DRAIN_IDLE) this.#closeIfIdle()
    return this.#closing
  }

  #closeIfIdle(): void {
    const cutOnly = this.#doomed && this.#running === 0 && this.#connection.pending === 0
    if (cutOnly || (this.idle && !this.#connection.midRecord)) this.#close()
  }

  /**
   * The peer sends nothing more. What still runs is aborted: a web server that has gone looks the same. What is written
   * it may still take.
   */
  #peerEnded(): void {
    if (this.#running > 0 || this.socket.writableLength === 0) this.destroy()
    else this.#close()
  }

  /**
   * Everything is written. Where the peer may still send, half-closes and reads on for a moment: to close with unread
   * bytes in hand is a reset, and takes the response with it.
   *
   * @param quiet the peer has nothing more to send
   */
  #close(quiet = false): void {
    if (this.#closing) return
    this.#closing = true
    this.#closingSince = this.#context.clock
    this.#reading.readRest()
    const { socket } = this
    if (quiet && 'destroySoon' in socket) {
      ;(socket as Socket).destroySoon()
    } else {
      socket.end()
    }
  }

  /** Cuts the connection: every request on it is aborted. */
  destroy(): void {
    this.socket.destroy()
    this.#closed()
  }

  #closed(): void {
    if (this.#gone) return
    this.#gone = true
    this.#closing = true
    this.#hold(0)
    this.#reading.stop()
    this.#sending.stop()
    for (const request of [...this.#connection.requests()]) {
      const exchange = request.context
      if (exchange === undefined) continue
      if (!exchange.over) this.#context.counts.aborted++
      if (!exchange.cut) this.#context.running--
      exchange.ended = true
      try {
        exchange.abort()
      } catch (error) {
        throwLater(error)
      }
    }
    this.#context.closed(this)
  }
}
