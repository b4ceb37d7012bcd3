// The `socket` that a request and its response share. Under FastCGI a connection belongs to the web server and may
// carry many requests, so addresses, timeouts, 'close' and destroy() are per request: this object is what one request
// sees of its connection. It is not a stream: it costs a tenth of one, and all that Node's http asks of it is here.
import { EventEmitter } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import type { RequestHead } from '../cgi/request-head.ts'
import { readTls } from '../cgi/tls.ts'

/** A callback of a write: an error when the bytes did not go out. */
export type WriteCallback = (error?: Error | null) => void

/** What the stand-in asks of the exchange it belongs to. */
export interface StandInOwner {
  readonly head: RequestHead
  readonly server: Server
  /** Bytes of this request that the connection has not taken yet. */
  readonly unsent: number
  /** The same, without what the connection can be expected to take in this tick. */
  readonly unsentOnceFlushed: number
  readonly writableHighWaterMark: number
  readonly readableHighWaterMark: number
  readonly params: Record<string, string>
  readonly response: ServerResponse
  /** Takes what the response writes; false when the writer should wait for 'drain', undefined when it goes nowhere. */
  write(
    chunk: string | Uint8Array,
    encoding: BufferEncoding | undefined,
    done: WriteCallback | undefined,
  ): boolean | undefined
  /** The writer has let go: what was written may be sent. */
  flush(): void
  /** The reader wants more of the body. */
  resume(): void
  /** The reader wants no more of the body for now. */
  pause(): void
  /** The app has destroyed the socket. */
  destroyed(error: Error | undefined): void
  /** `setTimeout` ran out. */
  timedOut(): void
}

const writableState = { corked: 0 }

/** An EventEmitter whose table of listeners is made when the first one comes, as Node itself does where there is none. */
const LateEmitter = function () {} as unknown as typeof EventEmitter
;(LateEmitter as { prototype: EventEmitter }).prototype = EventEmitter.prototype

/**
 * Stands in for the `net.Socket` (or `tls.TLSSocket`) of a request served over FastCGI: `req.socket`, `res.socket`.
 *
 * Supported: addresses, `encrypted`, `authorized`, `getPeerCertificate()`, `setTimeout()`, `destroy()`, 'close',
 * 'timeout', 'error', and what Node's own http calls. `write()` and `end()` work while a response is attached; reading
 * from it gives nothing, since the body belongs to the request.
 */
export class StandInSocket extends LateEmitter {
  readonly #owner: StandInOwner
  #timer: NodeJS.Timeout | undefined
  #timerDelay = 0
  #corked = 0
  /** Milliseconds of `setTimeout()`; 0 when none is set. */
  timeout = 0
  /** True once the request's part of the connection is gone. */
  destroyed = false
  readable = true
  writable = true
  bytesRead = 0
  bytesWritten = 0
  errored: Error | null = null
  /** Node's http keeps the response here while it is attached. */
  _httpMessage: unknown = null
  /** Node's http looks at it before it resumes a body. */
  _paused = false
  _hadError = false
  /** `ServerResponse.end()` writes `corked` here, and calls `uncork` at once: one serves all. */
  readonly _writableState: { corked: number } = writableState

  constructor(owner: StandInOwner) {
    super()
    this.#owner = owner
  }

  /** The server whose 'request' event the request came by. */
  get server(): Server {
    return this.#owner.server
  }

  /** REMOTE_ADDR: the client as the web server knows it. */
  get remoteAddress(): string | undefined {
    return this.#owner.head.remoteAddress
  }

  get remotePort(): number | undefined {
    return this.#owner.head.remotePort
  }

  get remoteFamily(): string | undefined {
    return family(this.remoteAddress)
  }

  /** SERVER_ADDR. */
  get localAddress(): string | undefined {
    return this.#owner.head.localAddress
  }

  /** SERVER_PORT. */
  get localPort(): number | undefined {
    return this.#owner.head.localPort
  }

  get localFamily(): string | undefined {
    return family(this.localAddress)
  }

  address(): { address?: string; port?: number; family?: string } {
    const { localAddress, localPort, localFamily } = this
    if (localAddress === undefined) return {}
    return { address: localAddress, port: localPort, family: localFamily }
  }

  /** True when the client came by HTTPS, as the web server says; undefined as on a net.Socket otherwise. */
  get encrypted(): true | undefined {
    return this.#owner.head.encrypted ? true : undefined
  }

  /** On a net.Socket it is no property at all, so apps and their tests set it to pretend. */
  set encrypted(value: boolean | undefined) {
    replace(this, 'encrypted', value)
  }

  /** True only when the web server verified a client certificate (SSL_CLIENT_VERIFY is `SUCCESS`). */
  get authorized(): boolean | undefined {
    return this.encrypted && readTls(this.#owner.params).authorized
  }

  set authorized(value: boolean | undefined) {
    replace(this, 'authorized', value)
  }

  get authorizationError(): string | undefined {
    return this.encrypted && readTls(this.#owner.params).authorizationError
  }

  /** The client's certificate from SSL_CLIENT_*; an empty object when the web server passed none, as Node does. */
  getPeerCertificate(): object {
    return readTls(this.#owner.params).peerCertificate ?? {}
  }

  /** SSL_PROTOCOL, null when not known. */
  getProtocol(): string | null {
    return this.#owner.params['SSL_PROTOCOL'] || null
  }

  /** SSL_CIPHER, undefined when not known. */
  getCipher(): { name: string; standardName: string; version: string } | undefined {
    const name = this.#owner.params['SSL_CIPHER']
    if (!name) return undefined
    return { name, standardName: name, version: this.getProtocol() ?? '' }
  }

  /** Node's streams look at it: a socket is closed for them as soon as it is destroyed. */
  get closed(): boolean {
    return this.destroyed
  }

  get readyState(): string {
    if (this.destroyed) return 'closed'
    if (this.readable) return this.writable ? 'open' : 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }

  get writableLength(): number {
    // With 0 Node would report a response that is ended now as finished.
    if (this.destroyed) return this.#owner.response.writableEnded ? 0 : 1
    return this.#corked > 0 ? this.#owner.unsent : this.#owner.unsentOnceFlushed
  }

  get bufferSize(): number {
    return this.#owner.unsent
  }

  get writableHighWaterMark(): number {
    return this.#owner.writableHighWaterMark
  }

  get readableHighWaterMark(): number {
    return this.#owner.readableHighWaterMark
  }

  get writableCorked(): number {
    return this.#corked
  }

  get writableNeedDrain(): boolean {
    return this.writable && this.#owner.unsent >= this.#owner.writableHighWaterMark
  }

  get writableEnded(): boolean {
    return !this.writable
  }

  get writableFinished(): boolean {
    return !this.writable && this.#owner.unsent === 0
  }

  // What a socket says of itself, here always the same.

  /** The connection was made by the web server. */
  get connecting(): boolean {
    return false
  }

  get pending(): boolean {
    return false
  }

  get allowHalfOpen(): boolean {
    return true
  }

  get parser(): null {
    return null
  }

  get writableObjectMode(): boolean {
    return false
  }

  get readableObjectMode(): boolean {
    return false
  }

  get readableLength(): number {
    return 0
  }

  get readableFlowing(): boolean {
    return true
  }

  get readableEncoding(): null {
    return null
  }

  get readableEnded(): boolean {
    return false
  }

  get readableAborted(): boolean {
    return this.destroyed
  }

  get readableDidRead(): boolean {
    return false
  }

  write(
    chunk: string | Uint8Array,
    encoding?: BufferEncoding | WriteCallback | null,
    done?: WriteCallback,
  ): boolean {
    if (typeof encoding === 'function') return this.write(chunk, undefined, encoding)
    if (this.destroyed) {
      if (done) process.nextTick(done, goneError())
      return false
    }
    if (this.timeout !== 0) this.#restartTimer()
    const more = this.#owner.write(chunk, encoding ?? undefined, done)
    if (more === undefined) return true
    if (this.#corked === 0) this.#owner.flush()
    return more
  }

  cork(): void {
    this.#corked++
  }

  uncork(): void {
    // ServerResponse.end() sets _writableState.corked to 1 and uncorks: everything goes.
    if (this._writableState.corked === 1) {
      this._writableState.corked = 0
      this.#corked = 0
    } else if (this.#corked > 0) {
      this.#corked--
    }
    if (this.#corked === 0) this.#owner.flush()
  }

  end(
    chunk?: string | Uint8Array | (() => void),
    encoding?: BufferEncoding,
    done?: () => void,
  ): this {
    if (typeof chunk === 'function') return this.end(undefined, undefined, chunk)
    if (chunk !== undefined) this.write(chunk, encoding)
    if (done) this.once('close', done)
    this.destroySoon()
    return this
  }

  /** Ends this request; the web server's connection goes on where it carries others. */
  destroy(error?: Error | null): this {
    if (this.destroyed) return this
    this.close()
    if (error) this.errored = error
    this.#owner.destroyed(error ?? undefined)
    return this
  }

  destroySoon(): void {
    this.destroy()
  }

  /** The request is over: no timeout is to come. */
  rest(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = undefined
  }

  resetAndDestroy(): this {
    return this.destroy()
  }

  /** Marks the socket as gone, without telling anybody: the exchange does that. */
  close(): void {
    this.destroyed = true
    this.readable = false
    this.writable = false
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /**
   * As net.Socket: 'timeout' after so many milliseconds without a byte in either direction of this request. Where
   * nobody listens for it the request is destroyed, as under node:http.
   */
  setTimeout(milliseconds: number, listener?: () => void): this {
    if (this.destroyed) return this
    if (typeof milliseconds !== 'number') {
      throw invalid(
        TypeError,
        'ERR_INVALID_ARG_TYPE',
        `must be of type number, not ${typeof milliseconds}`,
      )
    }
    if (!(milliseconds >= 0 && milliseconds < Infinity)) {
      throw invalid(RangeError, 'ERR_OUT_OF_RANGE', `is out of range: ${milliseconds}`)
    }
    this.timeout = milliseconds
    if (milliseconds === 0) {
      if (this.#timer) clearTimeout(this.#timer)
      this.#timer = undefined
      if (listener) this.removeListener('timeout', listener)
      return this
    }
    if (listener) this.once('timeout', listener)
    this.#restartTimer()
    return this
  }

  /** A byte came or went. */
  touch(): void {
    if (this.timeout !== 0) this.#restartTimer()
  }

  #restartTimer(): void {
    if (this.destroyed) return
    if (this.#timer && this.#timerDelay === this.timeout) {
      this.#timer.refresh()
      return
    }
    if (this.#timer) clearTimeout(this.#timer)
    this.#timerDelay = this.timeout
    this.#timer = setTimeout(() => this.#owner.timedOut(), this.timeout).unref()
  }

  resume(): this {
    this.#owner.resume()
    return this
  }

  pause(): this {
    this.#owner.pause()
    return this
  }

  isPaused(): boolean {
    return false
  }

  read(): null {
    return null
  }

  pipe<T>(destination: T): T {
    return destination
  }

  unpipe(): this {
    return this
  }

  setEncoding(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}

function replace(socket: StandInSocket, name: string, value: unknown): void {
  Object.defineProperty(socket, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: true,
  })
}

function family(address: string | undefined): string | undefined {
  if (address === undefined) return undefined
  return address.includes(':') ? 'IPv6' : 'IPv4'
}

function invalid(
  kind: TypeErrorConstructor | RangeErrorConstructor,
  code: string,
  what: string,
): Error {
  return Object.assign(new kind(`The argument of setTimeout() ${what}`), { code })
}

function goneError(): Error {
  return Object.assign(
    new Error('This request has been ended; nothing more can be written to it.'),
    {
      code: 'ERR_STREAM_DESTROYED',
    },
  )
}
