// What exchanges have to say, as records on the wire: gathered for a tick, so that a small response goes with its end
// in one write, and all responses to one read together.
import type { Duplex } from 'node:stream'
import type { ErrorPage } from '../../cgi/response-head.ts'
import type { Exchange } from '../../http/exchange.ts'
import type { WriteCallback } from '../../http/stand-in-socket.ts'
import { MAX_ALIGNED_CONTENT, ProtocolStatus, RecordType } from '../../protocol/constants.ts'
import {
  endRecords,
  endRecordsText,
  streamRecords,
  streamRecordText,
} from '../../protocol/record-writer.ts'
import { throwLater, type TransportContext } from './context.ts'
import type { Reading } from './reading.ts'

/** Content below this is copied into one buffer: cheaper than a writev of its parts. */
const COPY_LIMIT = 16 * 1024
/** Bytes a peer may leave unread before a writer of STDERR is made to wait. */
const STDERR_BACKLOG = 256 * 1024
/** Bytes of a response's head that go through any server as it is configured out of the box: nginx has 4096 with record headers. */
const SMALLEST_HEAD_LIMIT = 4096 - 16
/** The same where the server is not nginx. */
const OTHER_HEAD_LIMIT = 8192 - 16
const END_OF_HEAD = '\r\n\r\n'

/** What a connection does about a response that has gone. */
export interface SendingOwner {
  /** Its END_REQUEST is written. */
  end(exchange: Exchange): void
}

/** The writing side of one connection. */
export class Sending {
  readonly #socket: Duplex
  readonly #context: TransportContext
  readonly #reading: Reading
  readonly #owner: SendingOwner
  /** What goes at the end of the tick: most often one exchange alone. */
  #first: Exchange | undefined
  #others: Exchange[] | undefined
  #stopped = false

  constructor(socket: Duplex, context: TransportContext, reading: Reading, owner: SendingOwner) {
    this.#socket = socket
    this.#context = context
    this.#reading = reading
    this.#owner = owner
  }

  /** The connection is gone: nothing can be sent. */
  stop(): void {
    this.#stopped = true
  }

  schedule(exchange: Exchange): void {
    if (exchange.scheduled) return
    exchange.scheduled = true
    if (this.#first !== undefined) {
      ;(this.#others ??= []).push(exchange)
      return
    }
    this.#first = exchange
    // After the tick in which the app wrote: only then is known whether the response is complete, and it goes in one
    // write with its end. All responses of one read go together.
    process.nextTick(flush, this)
  }

  flush(): void {
    const first = this.#first as Exchange
    const others = this.#others
    this.#first = undefined
    this.#others = undefined
    if (this.#stopped) return
    if (others === undefined) {
      if (isShortText(first)) {
        this.#sendText(first)
        return
      }
      const taken = this.send(first)
      if (taken !== undefined && this.#allOut) taken()
      return
    }
    const all: WriteCallback[] = []
    this.#socket.cork()
    for (const exchange of [first, ...others]) {
      try {
        const taken = this.send(exchange)
        if (taken !== undefined) all.push(taken)
      } catch (error) {
        throwLater(error)
      }
    }
    this.#socket.uncork()
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
    const socket = this.#socket
    return socket.writableLength === 0 && (socket.errored ?? null) === null
  }

  /**
   * The most common by far: a whole response, or a piece of one, in one record. It is written without a callback, which
   * would cost Node a tick and us a function only to say what can be seen at once: that all is out. Where it is not, an
   * empty write behind it tells. (bench: `pnpm bench --case hello`; with `assign` of http/node-private.ts 5 to 8 % less CPU)
   */
  #sendText(exchange: Exchange): void {
    exchange.scheduled = false
    if (isOver(exchange)) return
    const socket = this.#socket
    const id = exchange.requestId
    const ends = exchange.complete && !exchange.reading
    const { text, waiting, unsent } = exchange
    if (waiting > SMALLEST_HEAD_LIMIT && !exchange.headSent) this.#measureHead(exchange)
    const done = exchange.take()
    let out = streamRecordText(RecordType.Stdout, id, text)
    if (ends) out += endRecordsText(id)
    socket.write(out, 'latin1')
    const allOut = this.#allOut
    if (!allOut) {
      const taken: WriteCallback = (error) => exchange.sent(waiting, done, error)
      socket.write('', ends ? this.#reading.untilRead(unsent, taken) : taken)
    }
    if (ends) this.#owner.end(exchange)
    if (allOut) exchange.sent(waiting, done)
  }

  /**
   * Sends what waits of an exchange, and its end if it is complete.
   *
   * @param last nothing more is waited for: the app has let go of the request
   * @returns what is called when the bytes are out; calling it again does nothing
   */
  send(exchange: Exchange, last = false): WriteCallback | undefined {
    exchange.scheduled = false
    if (isOver(exchange)) return undefined
    const socket = this.#socket
    const id = exchange.requestId
    const ends = exchange.complete && (last || !exchange.reading)
    const { text, chunks, waiting, unsent } = exchange
    if (waiting > SMALLEST_HEAD_LIMIT && !exchange.headSent) this.#measureHead(exchange)
    const told = exchange.take()
    let called = false
    const taken: WriteCallback = (error) => {
      if (called) return
      called = true
      exchange.sent(waiting, told, error)
    }
    const done = ends ? this.#reading.untilRead(unsent, taken) : taken
    if (chunks === undefined && waiting <= MAX_ALIGNED_CONTENT) {
      let out = waiting > 0 ? streamRecordText(RecordType.Stdout, id, text) : ''
      if (ends && !exchange.stderrOpen) out += endRecordsText(id)
      if (ends && exchange.stderrOpen) {
        if (out !== '') socket.write(out, 'latin1')
        socket.write(endRecords(id, 0, 0, true), done)
      } else if (out !== '') socket.write(out, 'latin1', done)
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
    if (ends) this.#owner.end(exchange)
    return taken
  }

  /** A whole response of our own, with its end. */
  page(id: number, { head, body }: ErrorPage, headOnly: boolean, stderrOpen: boolean): void {
    const content = Buffer.from(headOnly ? head : head + body, 'latin1')
    const out = streamRecords(RecordType.Stdout, id, content)
    out.push(endRecords(id, 0, ProtocolStatus.RequestComplete, stderrOpen))
    this.#socket.write(Buffer.concat(out), this.#reading.untilRead(content.length, ignore))
  }

  /** What the protocol itself answers: always counted as unread until it is out. */
  reply(bytes: Buffer): void {
    this.#socket.write(bytes, this.#reading.owe(bytes.length, ignore))
  }

  /** Text for the web server's error log; `done` is called when it is out, or cannot go. */
  stderr(exchange: Exchange, text: Uint8Array, done: () => void): void {
    const refused = this.#context.options.stderr === 'refuse'
    if (text.length === 0 || this.#stopped || refused || exchange.ended || exchange.cut) {
      done()
      return
    }
    exchange.stderrOpen = true
    const parts = streamRecords(RecordType.Stderr, exchange.requestId, text)
    // At once, as long as the peer reads: what waits in the stream would come behind the END_REQUEST and be lost.
    if (this.#socket.writableLength < STDERR_BACKLOG) {
      this.#writeAll(parts, ignore, text.length)
      done()
    } else {
      const out = this.#reading.untilRead(text.length, () => done())
      this.#writeAll(parts, out, text.length)
    }
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

  #writeAll(parts: Uint8Array[], done: WriteCallback, size: number): void {
    const socket = this.#socket
    if (size <= COPY_LIMIT) {
      socket.write(Buffer.concat(parts), done)
      return
    }
    socket.cork()
    const last = parts.length - 1
    for (let i = 0; i < last; i++) socket.write(parts[i])
    socket.write(parts[last], done)
    socket.uncork()
  }
}

/** Nothing more is sent of it. */
function isOver(exchange: Exchange): boolean {
  return exchange.ended || (exchange.over && !exchange.complete)
}

/** What waits is text for one record, and nothing needs more care than that. */
function isShortText({ chunks, waiting, stderrOpen }: Exchange): boolean {
  return chunks === undefined && waiting > 0 && waiting <= MAX_ALIGNED_CONTENT && !stderrOpen
}

function flush(sending: Sending): void {
  sending.flush()
}

function ignore(): void {}

function indexOf(bytes: Uint8Array, text: string): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(text)
}
