// One connection from a web server: drives a net.Socket through the protocol's state machine and its requests through
// exchanges. Backpressure, time limits and the last word on the wire live here.
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  HeadError,
  readRequestHead,
  type HeadOptions,
  type RequestHead,
} from '../cgi/request-head.ts'
import { errorPage, type ErrorPage } from '../cgi/response-head.ts'
import { Exchange, type ExchangeContext, type Outlet } from '../http/exchange.ts'
import type { WriteCallback } from '../http/stand-in-socket.ts'
import {
  Connection,
  type ConnectionEvent,
  type ConnectionLimits,
  type ConnectionRequest,
} from '../protocol/connection.ts'
import { MAX_ALIGNED_CONTENT, ProtocolStatus, RecordType, Role } from '../protocol/constants.ts'
import { ProtocolError } from '../protocol/errors.ts'
import {
  endRecords,
  endRecordsText,
  streamRecords,
  streamRecordText,
} from '../protocol/record-writer.ts'
import { joinPieces } from './join-pieces.ts'
import type { ResolvedOptions } from './options.ts'
import { read } from './read-buffer.ts'

/** What all connections of a server share. */
export interface TransportContext {
  readonly options: ResolvedOptions
  readonly limits: ConnectionLimits
  readonly head: HeadOptions
  readonly exchange: ExchangeContext
  /** Requests running on all connections. */
  running: number
  /**
   * Milliseconds, as the server's own ticks count them: when the next tick comes. Neither a step of the system's clock
   * nor a handler that blocks the process counts as silence of a peer.
   */
  clock: number
  readonly counts: ServerCounts
  /** The peer broke the protocol. */
  faulted(error: Error, socket: Duplex): void
  /** The params of a request are not what a well-set-up server sends. */
  warned(code: string, message: string): void
  /** The connection is gone. */
  closed(transport: Transport): void
}

/** What has happened on a server since it was made. */
export interface ServerCounts {
  connections: number
  requests: number
  aborted: number
  failed: number
  refused: number
}

/** Content below this is copied into one buffer: cheaper than a writev of its parts. */
const COPY_LIMIT = 16 * 1024
/** A closing connection whose peer still sends is read, and what comes dropped, for this long: a reset would take the response with it. */
const LINGER = 2_000
/**
 * While the reader of a body is stalled, so much more is read to see whether other requests wait behind it. HAProxy has
 * up to 512 KiB of the body in its own buffers, and the sockets hold two times 208 KiB: 1 MiB was enough, 512 KiB not.
 */
const PEEK = 2 * 1024 * 1024
/** Milliseconds a connection without requests is kept when the server drains. */
const DRAIN_IDLE = 1_000
/** So many full body budgets a connection may hold before it is paused, whoever of its requests does not read. */
const BUDGETS_PER_CONNECTION = 16
/** From so many events in a read on it is worth a pass to join the pieces of bodies: records of a few bytes. */
const CROWD = 64

/** Bytes a peer may leave unread before a writer of STDERR is made to wait. */
const STDERR_BACKLOG = 256 * 1024

/**
 * Where so many bytes wait for a peer, each further answer that is complete counts as unread: a peer that asks and does
 * not read is no longer asked for more (node:http stops at one high-water mark). Less would count the answers to a peer
 * that reads, and that a slow moment of its network holds up.
 */
const ANSWERS_BACKLOG = 256 * 1024

/** Bytes of a response's head that go through any server as it is configured out of the box: nginx has 4096 with record headers. */
const SMALLEST_HEAD_LIMIT = 4096 - 16
/** The same where the server is not nginx. */
const OTHER_HEAD_LIMIT = 8192 - 16
const END_OF_HEAD = '\r\n\r\n'

/** Above so many bytes of bodies in a read more of the kind is expected. */
const BULK = 4 * 1024

type Request = ConnectionRequest<Exchange>

/** One connection. */
export class Transport implements Outlet {
  readonly socket: Duplex
  readonly #context: TransportContext
  readonly #connection: Connection<Exchange>
  readonly writableHighWaterMark: number
  readonly readableHighWaterMark: number
  #dirty: Exchange[] = []
  #lent = false
  /** Bytes of bodies in the last read. */
  #bodySize = 0
  #flushing = false
  /** Requests whose END_REQUEST is owed; the requests in the table that have an exchange. */
  #running = 0
  #paused = false
  #pausedSince = 0
  #peeked = 0
  /** Bytes of answers that are complete and that the peer has not taken. */
  #unread = 0
  #closing = false
  #draining = false
  #drainingSince = 0
  /** A response was cut: no request may end well on this connection from here on that begins later. */
  #doomed = false
  #doomedSince = 0
  /** Nothing has come yet. */
  #fresh = true
  /** What `tick` last saw unfinished, and since when: a request without its PARAMS, or part of a record. */
  #unfinished: object | undefined
  #unfinishedSince: number
  #idleSince: number
  #closingSince = 0
  #lastProgress: number
  #lastWritten = 0
  #gone = false

  constructor(socket: Duplex, context: TransportContext) {
    this.socket = socket
    this.#context = context
    this.#connection = new Connection<Exchange>(context.limits)
    this.writableHighWaterMark = socket.writableHighWaterMark
    this.readableHighWaterMark = socket.readableHighWaterMark
    this.#unfinishedSince = context.clock
    this.#idleSince = context.clock
    this.#lastProgress = context.clock
    read(
      socket,
      (chunk, lent) => this.#receive(chunk, lent),
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
  #receive(chunk: Buffer, lent: boolean): void {
    if (this.#closing) return
    this.#lent = lent
    this.#bodySize = 0
    let events = this.#connection.receive(chunk)
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
    if (this.#paused && this.#peeked > 0) this.#peek(chunk.length)
    this.#fresh = false
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
        if (exchange.blocked || this.#paused) this.#updateFlow()
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
        if (this.#paused) this.#updateFlow()
        // A response that was complete before the body's end.
        if (exchange.response.writableEnded) this.schedule(exchange)
        break
      }
      case 'data':
        this.#bodySize += event.data.length
        event.request.context?.fileData(this.#keep(event.data))
        if (event.request.context?.blocked) this.#updateFlow()
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
        this.#reply(event.bytes)
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
      this.#reply(endRecords(request.id, 0, ProtocolStatus.RequestComplete, exchange.stderrOpen))
      this.#end(exchange)
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
    this.#writePage(request.id, errorPage(status, '', detail), headOnly, false)
    if (this.#connection.end(request)) this.#close()
    else if (this.#draining || this.#doomed) this.#closeIfIdle()
  }

  #writePage(id: number, { head, body }: ErrorPage, headOnly: boolean, stderrOpen: boolean): void {
    const content = Buffer.from(headOnly ? head : head + body, 'latin1')
    const out = streamRecords(RecordType.Stdout, id, content)
    out.push(endRecords(id, 0, ProtocolStatus.RequestComplete, stderrOpen))
    this.socket.write(Buffer.concat(out), this.#untilRead(content.length, ignore))
  }

  #reply(bytes: Buffer): void {
    this.#unread += bytes.length
    this.socket.write(bytes, () => {
      this.#unread -= bytes.length
      this.#updateFlow()
    })
    this.#updateFlow()
  }

  /** What to call when the last part of an answer is out: counts it as unread until then, where others wait already. */
  #untilRead(bytes: number, done: WriteCallback): WriteCallback {
    if (this.socket.writableLength < ANSWERS_BACKLOG) return done
    this.#unread += bytes
    this.#updateFlow()
    return (error) => {
      this.#unread -= bytes
      this.#updateFlow()
      done(error)
    }
  }

  #fault(error: ProtocolError): void {
    this.destroy()
    this.#context.faulted(error, this.socket)
  }

  // What exchanges ask for.

  schedule(exchange: Exchange): void {
    if (exchange.scheduled) return
    exchange.scheduled = true
    this.#dirty.push(exchange)
    if (this.#flushing) return
    this.#flushing = true
    // After the tick in which the app wrote: only then is known whether the response is complete, and it goes in one
    // write with its end. All responses of one read go together.
    process.nextTick(flush, this)
  }

  flush(): void {
    const dirty = this.#dirty
    this.#dirty = []
    this.#flushing = false
    if (this.#gone) return
    if (dirty.length === 1) {
      const taken = this.#send(dirty[0] as Exchange)
      if (taken !== undefined && this.#allOut) taken()
      return
    }
    const all: WriteCallback[] = []
    this.socket.cork()
    for (const exchange of dirty) {
      try {
        const taken = this.#send(exchange)
        if (taken !== undefined) all.push(taken)
      } catch (error) {
        throwLater(error)
      }
    }
    this.socket.uncork()
    if (!this.#allOut) return
    for (const taken of all) {
      try {
        taken()
      } catch (error) {
        throwLater(error)
      }
    }
  }

  /**
   * Everything written went to the kernel at once, as is usual. The app is then told in this tick, not in one after:
   * as under node:http 'finish' comes before the 'close' of a request whose body ended just before.
   */
  get #allOut(): boolean {
    const { socket } = this
    return socket.writableLength === 0 && (socket.errored ?? null) === null
  }

  /**
   * @param last nothing more is waited for: the app has let go of the request
   * @returns what is called when the bytes are out; calling it again does nothing
   */
  #send(exchange: Exchange, last = false): WriteCallback | undefined {
    exchange.scheduled = false
    if (exchange.ended || (exchange.over && !exchange.complete)) return undefined
    const id = exchange.requestId
    const ends = exchange.complete && (last || !exchange.reading)
    const { text, chunks, waiting, unsent } = exchange
    if (waiting > SMALLEST_HEAD_LIMIT && !exchange.headSent) this.#measureHead(exchange)
    const taken = exchange.taken()
    const done = ends ? this.#untilRead(unsent, taken) : taken
    if (chunks === undefined && waiting <= MAX_ALIGNED_CONTENT) {
      let out = waiting > 0 ? streamRecordText(RecordType.Stdout, id, text) : ''
      if (ends && !exchange.stderrOpen) out += endRecordsText(id)
      if (ends && exchange.stderrOpen) {
        if (out !== '') this.socket.write(out, 'latin1')
        this.socket.write(endRecords(id, 0, 0, true), done)
      } else if (out !== '') this.socket.write(out, 'latin1', done)
      else process.nextTick(taken)
    } else {
      const content = chunks ?? [Buffer.from(text, 'latin1')]
      const out: Uint8Array[] = []
      for (const chunk of content) {
        for (const part of streamRecords(RecordType.Stdout, id, chunk)) out.push(part)
      }
      if (ends) out.push(endRecords(id, 0, 0, exchange.stderrOpen))
      this.#writeAll(out, done, waiting)
    }
    if (ends) this.#end(exchange)
    return taken
  }

  /** A web server answers 502 or 500 in place of a response whose head its buffer does not hold. */
  #measureHead(exchange: Exchange): void {
    const first = exchange.chunks?.[0] ?? exchange.text
    const end = typeof first === 'string' ? first.indexOf(END_OF_HEAD) : indexOf(first, END_OF_HEAD)
    const length = (end === -1 ? first.length : end) + END_OF_HEAD.length
    if (length <= SMALLEST_HEAD_LIMIT) return
    const nginx = /^nginx/i.test(exchange.params['SERVER_SOFTWARE'] ?? '')
    const limit = nginx
      ? `nginx's fastcgi_buffer_size is 4096 by default, and answers 502`
      : `Apache's mod_proxy_fcgi takes 8192, and answers 500`
    if (nginx || length > OTHER_HEAD_LIMIT)
      this.#context.warned('CGI_LARGE_HEAD', `the head of a response has ${length} bytes: ${limit}`)
  }

  #writeAll(parts: Uint8Array[], done: (error?: Error | null) => void, size: number): void {
    if (size <= COPY_LIMIT) {
      this.socket.write(Buffer.concat(parts), done)
      return
    }
    this.socket.cork()
    const last = parts.length - 1
    for (let i = 0; i < last; i++) this.socket.write(parts[i])
    this.socket.write(parts[last], done)
    this.socket.uncork()
  }

  /** END_REQUEST is written, or never will be. */
  #end(exchange: Exchange): void {
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
    else if (this.#paused) this.#updateFlow()
  }

  bodyFlow(): void {
    this.#updateFlow()
  }

  stderr(exchange: Exchange, text: Uint8Array, done: () => void): void {
    const refused = this.#context.options.stderr === 'refuse'
    if (text.length === 0 || this.#gone || refused || exchange.ended || exchange.cut) {
      done()
      return
    }
    exchange.stderrOpen = true
    const parts = streamRecords(RecordType.Stderr, exchange.requestId, text)
    // At once, as long as the peer reads: what waits in the stream would come behind the END_REQUEST and be lost.
    if (this.socket.writableLength < STDERR_BACKLOG) {
      this.#writeAll(parts, ignore, text.length)
      done()
    } else
      this.#writeAll(
        parts,
        this.#untilRead(text.length, () => done()),
        text.length,
      )
  }

  failed(exchange: Exchange, error: Error | undefined): void {
    if (exchange.ended || this.#gone) return
    this.#context.counts.failed++
    // All of it was written before the app let go: node:http would have sent it.
    if (exchange.complete) {
      this.#send(exchange, true)
      return
    }
    if (!exchange.headSent) {
      const page = errorPage(failureStatus(error), '', 'The application gave no answer.')
      const headOnly = exchange.head.method === 'HEAD'
      this.#writePage(exchange.requestId, page, headOnly, exchange.stderrOpen)
      this.#end(exchange)
      return
    }
    // The server in front must see that the response is cut: an END_REQUEST would make it look complete.
    if (this.#running === 1 && this.#connection.pending === 0) {
      this.#end(exchange)
      this.#close()
    } else {
      if (!this.#doomed) this.#doomedSince = this.#context.clock
      this.#doomed = true
      exchange.cut = true
      this.#context.running--
      this.#running--
    }
  }

  // Reading, and when not.

  #updateFlow(): void {
    if (this.#gone || this.#closing) return
    const wanted = this.#mustPause()
    if (wanted === this.#paused) return
    this.#paused = wanted
    this.#peeked = 0
    if (wanted) {
      this.#pausedSince = this.#context.clock
      this.socket.pause()
    } else {
      this.socket.resume()
    }
  }

  /** Alone on its connection a request pauses it at once; with others on it, when it has filled its budget. */
  #mustPause(): boolean {
    if (this.#unread > this.#context.options.maxUnreadReplies) return true
    const alone = this.#connection.active <= 1
    const { bodyBudget } = this.#context.options
    let held = 0
    for (const request of this.#connection.requests()) {
      const exchange = request.context
      if (exchange === undefined || !exchange.blocked || exchange.over) continue
      if (alone) return true
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

  /** Reads on for a little while the reader is stalled: others' requests may wait behind the body. */
  #peek(bytes: number): void {
    this.#peeked += bytes
    if (this.#connection.active > 1 || this.#connection.pending > 0) this.#endStalled()
    else if (this.#peeked > PEEK) this.socket.pause()
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
    this.#updateFlow()
  }

  /** Once a second, by the server: what has waited too long? `now` is the clock's time of this tick. */
  tick(now: number): void {
    if (this.#gone) return
    const { options } = this.#context
    if (this.#closing) {
      // A slow peer may take the last response for as long as it takes bytes at all.
      if (this.socket.writableLength > 0) {
        this.#closingSince = now
        this.#watchPeer(now)
      } else if (now - this.#closingSince >= LINGER) {
        this.destroy()
      }
      return
    }
    this.#endAnswered(now)
    if (this.#unfinishedFor(now) >= options.paramsTimeout) {
      this.#context.warned(
        'FCGI_PARAMS_TIMEOUT',
        `a connection was closed: no complete request within ${options.paramsTimeout} ms (option paramsTimeout)`,
      )
      this.destroy()
      return
    }
    if (!this.idle) this.#idleSince = now
    if (this.#paused) this.#updateFlow()
    if (this.#paused && this.#unread <= options.maxUnreadReplies) {
      const stalledFor = now - this.#pausedSince
      const others = this.#connection.active > 1
      if (
        stalledFor >= options.idleReaderTimeout ||
        (others && stalledFor >= options.stalledReaderTimeout)
      ) {
        this.#endStalled()
      } else if (!others && stalledFor >= options.stalledReaderTimeout && this.#peeked === 0) {
        const request = this.#stalled()?.ticket as Request | undefined
        // Only a connection that is kept can carry others.
        if (request?.keepConnection && options.multiplex) {
          this.#peeked = 1
          this.socket.resume()
        }
      }
    }
    this.#watchPeer(now)
    if (this.#doomed && now - this.#doomedSince >= options.drainTimeout) this.destroy()
    if (this.#draining && this.idle && now - this.#idleSince >= DRAIN_IDLE) this.#closeIfIdle()
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
        !this.#paused &&
        now - exchange.answeredAt >= this.#context.options.stalledReaderTimeout
      ) {
        ;(silent ??= []).push(request)
      }
    }
    if (silent !== undefined) for (const request of silent) this.#aborted(request)
  }

  /** Milliseconds that the oldest request in arrival has been arriving. */
  #unfinishedFor(now: number): number {
    let unfinished: object | undefined
    if (this.#connection.pending > 0) {
      for (const request of this.#connection.requests()) {
        if (!request.paramsComplete) {
          unfinished = request
          break
        }
      }
    } else if (this.#fresh || (this.idle && this.#connection.midRecord)) {
      unfinished = this.#connection
    }
    if (unfinished !== this.#unfinished) {
      this.#unfinished = unfinished
      this.#unfinishedSince = now
    }
    return unfinished === undefined ? 0 : now - this.#unfinishedSince
  }

  #watchPeer(now: number): void {
    const { stalledPeerTimeout } = this.#context.options
    const written = (this.socket as { bytesWritten?: number }).bytesWritten ?? 0
    // Of one long write only the handle knows how much has gone.
    const handle = (this.socket as { _handle?: { writeQueueSize?: number } | null })._handle
    const sent = written - this.socket.writableLength - (handle?.writeQueueSize ?? 0)
    if (sent !== this.#lastWritten || this.socket.writableLength === 0) {
      this.#lastWritten = sent
      this.#lastProgress = now
    } else if (stalledPeerTimeout > 0 && now - this.#lastProgress >= stalledPeerTimeout) {
      this.#context.warned(
        'FCGI_STALLED_PEER',
        `a connection was closed: the web server took no byte for ${stalledPeerTimeout} ms (option stalledPeerTimeout)`,
      )
      this.destroy()
    }
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
    if (this.#paused) {
      this.#paused = false
      this.socket.resume()
    }
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

function flush(transport: Transport): void {
  transport.flush()
}

function ignore(): void {}

function indexOf(bytes: Uint8Array, text: string): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(text)
}

/** An error of the app's, thrown where it costs nothing of ours: an uncaught exception, as under node:http. */
function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}

/** What a handler gave as the reason of its failure can only be a failure: an authorizer's must never read as 200. */
function failureStatus(error: Error | undefined): number {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode
  return typeof status === 'number' && status >= 400 && status <= 599 ? Math.trunc(status) : 500
}

const headMethod = Buffer.from('\x0e\x04REQUEST_METHODHEAD', 'latin1')

/** Whether undecoded params are those of a HEAD request, whose answer has no body. */
function isHead(params: Buffer): boolean {
  return params.includes(headMethod)
}

/** An authorizer sees the head of a request alone (FastCGI §6.3), whatever is said of its body. */
function withoutBody(head: RequestHead): void {
  head.body = 'none'
  head.contentLength = -1
  delete head.headers['content-length']
  delete head.headers['transfer-encoding']
}

/** What stands for the head of a request whose params could not be read. */
function unreadableHead(params: Buffer): RequestHead {
  return {
    method: '',
    url: '',
    originalUrl: '',
    mount: '',
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    headers: {},
    rawHeaders: [],
    body: 'none',
    contentLength: -1,
    remoteAddress: undefined,
    remotePort: undefined,
    localAddress: undefined,
    localPort: undefined,
    encrypted: false,
    text: params.latin1Slice(),
    warning: undefined,
  }
}

/** The error under the code that Node's parser has for it: listeners choose their answer by that. */
function parserError(error: HeadError): Error {
  let code = 'HPE_INVALID_HEADER_TOKEN'
  if (error.status === 431) code = 'HPE_HEADER_OVERFLOW'
  else if (error.message.startsWith('REQUEST_METHOD')) code = 'HPE_INVALID_METHOD'
  return Object.assign(new Error(`Parse Error: ${error.message}`), { code })
}
