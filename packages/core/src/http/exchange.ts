// One request from begin to end: the request head becomes a real http.IncomingMessage, what a real ServerResponse
// writes becomes content for STDOUT, and both learn of each other's end as under node:http. Knows CGI, not FastCGI:
// bytes leave through an Outlet.
import { AsyncResource } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { readIdentity } from '../cgi/identity.ts'
import { bodyArrived, readParams, type RequestHead } from '../cgi/request-head.ts'
import { emitRequest, filterRole } from './emit-request.ts'
import type { ExchangeContext, Outlet } from './exchange-context.ts'
import { FastcgiRequest, type FastcgiRequestOwner } from './fastcgi-request.ts'
import {
  assign,
  detach,
  drained,
  dump,
  emitClose,
  endEmpty,
  internals,
  probed,
  requestInternals,
} from './node-private.ts'
import { separateHead, useCgiHead } from './outgoing.ts'
import { StandInSocket, type StandInOwner, type WriteCallback } from './stand-in-socket.ts'
import { TextHead } from './text-head.ts'

const requestStart = channel('http.server.request.start')
const responseFinish = channel('http.server.response.finish')

/** One request and its response. */
export class Exchange implements StandInOwner, FastcgiRequestOwner {
  readonly #outlet: Outlet
  readonly #context: ExchangeContext
  readonly head: RequestHead
  readonly role: number
  readonly requestId: number
  /** The real request and response; made by `start`. */
  request!: IncomingMessage
  response!: ServerResponse
  readonly socket: StandInSocket
  #params: Record<string, string> | undefined
  #identity: ReturnType<typeof readIdentity> | undefined
  #controller: AbortController | undefined
  #data: Readable | undefined
  #textHead: TextHead | undefined
  /** A response that the app writes to the socket itself; it is complete when the socket is ended. */
  #byHand = false
  #handEnded = false
  #received = 0
  #started = false

  /** Content waiting for the outlet: latin1 text while it can be, chunks from the first byte array on. */
  text = ''
  chunks: Uint8Array[] | undefined
  #done: WriteCallbacks
  #waiting = 0
  #inFlight = 0
  #outputBegun = false
  #needDrain = false

  /** The outlet's own record of this exchange. */
  ticket: object | undefined
  /** The outlet has it on its list. */
  scheduled = false
  /** The outlet has said its last word about it. */
  ended = false
  /** The response was cut, and its end is withheld. */
  cut = false
  /** When the outlet first saw the response complete while its body was still being read, and how much had come. */
  answeredAt = 0
  answeredBytes = 0
  /** Something was written to the web server's error log. */
  stderrOpen = false
  /** Something of the response has been handed to the outlet: it can no longer be replaced by an error page. */
  headSent = false
  /** Nothing more is to come of this exchange: completed, failed, or aborted. */
  over = false
  /** The body's reader has asked for a pause. */
  blocked = false
  /** The body has arrived whole, or nothing more of it is wanted. */
  bodyComplete = false

  constructor(
    outlet: Outlet,
    context: ExchangeContext,
    head: RequestHead,
    role: number,
    requestId: number,
  ) {
    this.#outlet = outlet
    this.#context = context
    this.head = head
    this.role = role
    this.requestId = requestId
    this.socket = new StandInSocket(this)
  }

  get server(): Server {
    return this.#context.server
  }

  get params(): Record<string, string> {
    return (this.#params ??= readParams(Buffer.from(this.head.text, 'latin1')))
  }

  get mount(): string {
    return this.head.mount
  }

  get identity(): ReturnType<typeof readIdentity> {
    return (this.#identity ??= readIdentity(this.params, {
      trustRemoteUser: this.#context.trustRemoteUser,
    }))
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.over && this.socket.destroyed) this.#controller.abort()
    }
    return this.#controller.signal
  }

  get data(): Readable | undefined {
    return this.#data
  }

  get writableHighWaterMark(): number {
    return this.#outlet.writableHighWaterMark
  }

  get readableHighWaterMark(): number {
    return this.#outlet.readableHighWaterMark
  }

  get unsent(): number {
    return this.#waiting + this.#inFlight
  }

  get unsentOnceFlushed(): number {
    // A real socket takes this much in the same call.
    const stays = this.#inFlight > 0 || this.#waiting >= this.writableHighWaterMark
    return stays ? this.unsent : 0
  }

  /** True once `start` has run. */
  get started(): boolean {
    return this.#started
  }

  /** Makes request and response and hands them to the app, in an async context of their own. */
  start(): void {
    this.#started = true
    const { head, socket } = this
    const context = this.#context
    const request = new context.IncomingMessage(socket as never)
    request.method = head.method
    request.url = head.url
    request.httpVersion = head.httpVersion
    request.httpVersionMajor = head.httpVersionMajor
    request.httpVersionMinor = head.httpVersionMinor
    // As the parser leaves it.
    ;(request as { upgrade?: boolean }).upgrade = false
    // First the raw lines, so that headersDistinct finds them; then the object, so that nothing is parsed twice.
    requestInternals(request)._addHeaderLines?.(head.rawHeaders, head.rawHeaders.length)
    request.rawHeaders = head.rawHeaders
    request.headers = head.headers as IncomingMessage['headers']
    request.fastcgi = new FastcgiRequest(this)
    // Where `url` is not all of it; node:http has no such property, and what makes one keeps this.
    if (head.mount !== '') (request as { originalUrl?: string }).originalUrl = head.originalUrl
    this.request = request
    // The second parameter is Node's own, and not in its types.
    const ServerResponse = context.ServerResponse as unknown as ResponseConstructor
    const response = new ServerResponse(
      request,
      responseOptions(this.writableHighWaterMark, this.server),
    )
    this.response = response
    const own = internals(response)
    // An HTTP/2 client's request is answered as an HTTP/1.1 one: Node would take the minor version 0 for HTTP/1.0.
    if (head.httpVersionMajor > 1) {
      own.useChunkedEncodingByDefault = true
      own.shouldKeepAlive = true
    }
    if (probed().hook) useCgiHead(response)
    else this.#textHead = new TextHead()
    if (requestStart.hasSubscribers) {
      requestStart.publish({ request, response, socket, server: this.server })
    }
    assign(response, socket)
    if (this.server.timeout > 0) socket.setTimeout(this.server.timeout)
    ;(response as Owned)[ownExchange] = this
    response.on('finish', onFinish)
    if (context.handlerError !== undefined) response.on('error', onError)
    if (this.role === filterRole) this.#data = dataStream(this)
    // One resource a request: without it AsyncLocalStorage.enterWith() leaks into the next request of the same read.
    new AsyncResource('FASTCGIREQUEST').runInAsyncScope(emitRequest, undefined, this, this.#context)
    // After the handler, as under node:http: it sees `complete` false even when there is no body.
    if (head.body === 'none' || head.contentLength === 0) {
      if (this.over) request.complete = true
      else this.bodyEnd()
    }
  }

  /**
   * For a request that cannot be understood: as under node:http, a 'clientError' listener may answer by what it writes
   * to the socket.
   *
   * @returns true when it has: the exchange is then over
   */
  refuse(error: Error): boolean {
    this.server.emit('clientError', error, this.socket)
    if (this.#byHand) this.socket.destroy()
    else this.over = true
    return this.#byHand
  }

  /** Which kind of body came, where the params left that open. */
  settleBody(arrived: boolean): void {
    if (this.head.body !== 'undecided') return
    if (arrived) bodyArrived(this.head)
    else this.head.body = 'none'
  }

  /** A part of the body. */
  body(chunk: Buffer): void {
    if (this.bodyComplete || this.over) return
    const { contentLength } = this.head
    let part = chunk
    if (contentLength >= 0 && this.#received + part.length > contentLength) {
      // What goes beyond the declared length is not this request's (RFC 3875 §4.2).
      part = part.subarray(0, contentLength - this.#received)
    }
    this.#received += part.length
    this.socket.bytesRead += part.length
    this.socket.touch()
    if (!requestInternals(this.request)._dumped && part.length > 0 && !this.request.push(part)) {
      this.blocked = true
    }
    if (this.#received === contentLength) this.bodyEnd()
  }

  /** The body is over. */
  bodyEnd(): void {
    if (this.bodyComplete || this.over) return
    this.bodyComplete = true
    this.blocked = false
    if (this.#received < this.head.contentLength) {
      this.socket.destroy(
        resetError(`The body ended after ${this.#received} of ${this.head.contentLength} bytes.`),
      )
      return
    }
    if (this.#received === 0) endEmpty(this.request)
    else process.nextTick(endBodyNextTick, this)
  }

  /**
   * The stream of a request that had a body ends. node:http reports that one round of ticks after the body's last part,
   * though both come in one read: a reader that fails on that part sees an unfinished request, and 'finish' and 'close' of
   * a response sent at once come first. So this is called two ticks late.
   */
  endBody(): void {
    this.request.complete = true
    this.request.push(null)
  }

  /** Filter role: a part of the file; null at its end. */
  fileData(chunk: Buffer | null): void {
    if (this.#data && !this.#data.destroyed && !this.#data.push(chunk) && chunk !== null)
      this.blocked = true
  }

  /** The client or the web server has gone, or gave this request up. */
  abort(): void {
    if (this.over) return
    this.over = true
    this.socket.close()
    // node:http's parser misses the rest of the body, and says so on the socket and the server.
    const cut = this.#started && !this.bodyComplete
    if (cut) this.#announceError(eofError())
    this.#announceLoss()
    this.#announceClose(cut)
  }

  /** Bytes of the body that wait for the app to read them. */
  get buffered(): number {
    return (this.request?.readableLength ?? 0) + (this.#data?.readableLength ?? 0)
  }

  /** True when all of the response has been written and may be ended behind what is waiting. */
  get complete(): boolean {
    if (this.#handEnded) return true
    if (!this.#started) return false
    const { response } = this
    return response.writableEnded && (internals(response).outputData?.length ?? 0) === 0
  }

  /** The head has a Content-Length: by it a web server knows a response that is cut. */
  get lengthTold(): boolean {
    return /(?:^|\n)content-length:/i.test(internals(this.response)._header ?? '')
  }

  /** True while the app still reads a body whose response is already complete: its end must be waited for. */
  get reading(): boolean {
    if (this.bodyComplete) return false
    const { request } = this
    if (requestInternals(request)._dumped || request.destroyed) return false
    return request.readableFlowing === true || request.listenerCount('readable') > 0
  }

  /** The response has ended before the body: what is left of it will never come. */
  bodyDropped(): void {
    // A timer of `setTimeout()` would keep all of this alive until it fires.
    this.socket.rest()
    if (this.bodyComplete) return
    this.bodyComplete = true
    this.blocked = false
    if (!this.#started || this.request.destroyed) return
    const own = requestInternals(this.request)
    // node:http lets an unread body run out; here its end can only be said. A body read in part stays unfinished: to
    // end it would pass a part for the whole.
    if (own._consuming && !own._dumped) return
    process.nextTick(endBodyNextTick, this)
  }

  // What the stand-in socket asks for.

  write(
    chunk: string | Uint8Array,
    encoding: BufferEncoding | undefined,
    done: WriteCallback | undefined,
  ): boolean | undefined {
    let content: string | Uint8Array = chunk
    if (typeof chunk === 'string' && (!this.#outputBegun || encoding === 'ascii')) {
      // Interim responses (1xx): nothing behind us could carry them. Node writes them as ASCII, and behind the head as well.
      if (chunk.startsWith('HTTP/1.')) {
        if (chunk.startsWith('HTTP/1.1 1')) {
          if (done) process.nextTick(done)
          return undefined
        }
        if (!this.#outputBegun && !(this.#started && this.response.headersSent)) {
          // The app writes a response to the socket by hand.
          this.#byHand = true
          this.#textHead ??= new TextHead()
        }
      }
    }
    if (this.#textHead) content = this.#textHead.rewrite(chunk, encoding)
    if (content.length > 0) {
      this.#outputBegun = true
      if (typeof content === 'string') this.#addText(content, encoding)
      else this.#addBytes(content)
    }
    if (done) this.#addDone(done)
    if (this.unsent < this.writableHighWaterMark) return true
    this.#needDrain = true
    return false
  }

  #addText(text: string, encoding: BufferEncoding | undefined): void {
    // Text that is the same in latin1 stays text: one string for head and body is the cheapest thing to send.
    const latin1 =
      encoding === 'latin1' ||
      encoding === 'binary' ||
      ((encoding === undefined || encoding === 'utf8' || encoding === 'utf-8') &&
        Buffer.byteLength(text) === text.length)
    if (latin1 && this.chunks === undefined) {
      this.text += text
      this.#waiting += text.length
    } else {
      const head = this.#waiting === 0 && !this.headSent ? separateHead(this.response, text) : ''
      if (head !== '') this.#addBytes(Buffer.from(head, 'latin1'))
      this.#addBytes(Buffer.from(text.slice(head.length), encoding))
    }
  }

  #addBytes(bytes: Uint8Array): void {
    if (this.chunks === undefined) {
      this.chunks = []
      if (this.text !== '') {
        this.chunks.push(Buffer.from(this.text, 'latin1'))
        this.text = ''
      }
    }
    this.chunks.push(bytes)
    this.#waiting += bytes.length
  }

  #addDone(done: WriteCallback): void {
    if (this.#done === undefined) this.#done = done
    else if (typeof this.#done === 'function') this.#done = [this.#done, done]
    else this.#done.push(done)
  }

  flush(): void {
    if (!this.over) this.#outlet.schedule(this)
  }

  /** The number of bytes that wait to be taken. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * The outlet takes what waits: `text` or `chunks` are its own from here on.
   *
   * @returns whom to tell when the bytes are out: for {@link sent}
   */
  take(): WriteCallbacks {
    const done = this.#done
    const bytes = this.#waiting
    this.text = ''
    this.chunks = undefined
    this.#done = undefined
    this.#waiting = 0
    this.#inFlight += bytes
    this.socket.bytesWritten += bytes
    if (bytes > 0) this.headSent = true
    return done
  }

  /** So many bytes that were taken are out, or with an error could not go. */
  sent(bytes: number, done: WriteCallbacks, error?: Error | null): void {
    this.#inFlight -= bytes
    if (typeof done === 'function') done(error)
    else if (done !== undefined) for (const callback of done) callback(error)
    // The connection broke behind our last word: from Node 24 on such a response neither finishes nor closes by itself.
    if (error && !this.over) this.abort()
    if (this.#needDrain && !error && this.unsent === 0 && !this.over) {
      this.#needDrain = false
      this.socket.emit('drain')
      drained(this.response)
    }
  }

  resume(): void {
    if (this.blocked) {
      this.blocked = false
      this.#outlet.bodyFlow(this)
    }
  }

  pause(): void {
    if (!this.blocked && !this.bodyComplete) {
      this.blocked = true
      this.#outlet.bodyFlow(this)
    }
  }

  destroyed(error: Error | undefined): void {
    if (this.over) return
    // What the response has let go of is on its way under node:http.
    if (this.scheduled) this.#outlet.release(this)
    this.over = true
    this.#handEnded = this.#byHand
    this.#outlet.failed(this, error)
    if (error) process.nextTick(() => this.#announceError(error))
    // A real socket closes at the end of this turn of the event loop: what the app still does in it is not disturbed.
    setImmediate(() => {
      this.#announceLoss()
      this.#announceClose(error !== undefined)
    })
  }

  #announceClose(withError: boolean): void {
    const { response, socket } = this
    // First, as the listener that `assignSocket` would have added has listened for longer than any app.
    if (socket._httpMessage === response) emitClose(response)
    socket.emit('close', withError)
  }

  #announceError(error: Error): void {
    this.socket._hadError = true
    // First, as node:http has listened for longer than any app. Of a request that was refused the listeners have heard.
    if (this.#started) this.server.emit('clientError', error, this.socket)
    if (this.socket.listenerCount('error') > 0) this.socket.emit('error', error)
  }

  timedOut(): void {
    if (this.over) return
    const { socket, request, response, server } = this
    const requestHeard = !request.complete && request.emit('timeout', socket)
    const responseHeard = response.emit('timeout', socket)
    const serverHeard = server.emit('timeout', socket)
    if (!requestHeard && !responseHeard && !serverHeard) socket.destroy()
    // Last, as node:http has listened for longer than any app: a listener here does not save the request.
    socket.emit('timeout')
  }

  writeStderr(text: Uint8Array, done: () => void): void {
    if (this.over) done()
    else this.#outlet.stderr(this, text, done)
  }

  #announceLoss(): void {
    const done = this.#done
    this.text = ''
    this.chunks = undefined
    this.#done = undefined
    this.#waiting = 0
    if (done !== undefined) {
      const error = resetError('aborted')
      for (const callback of typeof done === 'function' ? [done] : done)
        process.nextTick(callback, error)
    }
    this.#controller?.abort()
    if (!this.#started) return
    this.request.destroy(resetError('aborted'))
    this.#data?.destroy(resetError('aborted'))
  }

  /** An error of the response that the app does not listen for (a write after its end) would end the process. */
  unheard(error: unknown): void {
    if (this.response.listenerCount('error') > 1) return
    this.#context.handlerError?.(error, this.request, this.response)
  }

  /** The response has been written to its end, and has gone. */
  finished(): void {
    const { request, response, socket } = this
    if (responseFinish.hasSubscribers) {
      responseFinish.publish({ request, response, socket, server: this.server })
    }
    if (this.over) return
    this.over = !this.reading
    dump(request)
    detach(response, socket)
    process.nextTick(emitClose, response)
  }
}

/** Whom to tell of a write, if anybody. */
type WriteCallbacks = WriteCallback[] | WriteCallback | undefined

/** Where a response has its exchange: so all share two listeners, in the place of two new functions for each. */
const ownExchange = Symbol('exchange')

type Owned = ServerResponse & { [ownExchange]?: Exchange }

function onFinish(this: Owned): void {
  this[ownExchange]?.finished()
}

function onError(this: Owned, error: unknown): void {
  this[ownExchange]?.unheard(error)
}

/** FCGI_DATA as a stream. As with an IncomingMessage its loss is no uncaught exception where nobody listens for it. */
function dataStream(exchange: Exchange): Readable {
  return new Readable({
    read: () => exchange.resume(),
    destroy(this: Readable, error, done) {
      done(this.listenerCount('error') > 0 ? error : null)
    },
  })
}

function endBodyNextTick(exchange: Exchange): void {
  process.nextTick(endBody, exchange)
}

function endBody(exchange: Exchange): void {
  exchange.endBody()
}

type ResponseConstructor = new (
  request: IncomingMessage,
  options: ResponseOptions,
) => ServerResponse

interface ResponseOptions {
  readonly highWaterMark: number
  readonly rejectNonStandardBodyWrites?: boolean
}

let usualOptions: ResponseOptions = { highWaterMark: 16 * 1024 }

function responseOptions(highWaterMark: number, server: Server): ResponseOptions {
  // An option of http.createServer that Node keeps on the server, untyped.
  if ((server as { rejectNonStandardBodyWrites?: boolean }).rejectNonStandardBodyWrites === true) {
    return { highWaterMark, rejectNonStandardBodyWrites: true }
  }
  // All connections have the same.
  if (usualOptions.highWaterMark !== highWaterMark) usualOptions = { highWaterMark }
  return usualOptions
}

function eofError(): Error {
  return Object.assign(new Error('Parse Error: Invalid EOF state'), {
    code: 'HPE_INVALID_EOF_STATE',
    bytesParsed: 0,
  })
}

function resetError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNRESET' })
}
