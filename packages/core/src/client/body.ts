/** A request's body in the two forms the connection can send: bytes that are there, or a stream that comes. */
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import type { RequestBody } from './options.ts'

/** Bytes, a stream of bytes, or no body at all. */
export type Source = Buffer | Readable | undefined

/** Turns any accepted body into one of the two forms. @throws {TypeError} for anything else */
export function toSource(body: RequestBody | undefined): Source {
  if (body === undefined) return undefined
  if (typeof body === 'string') return Buffer.from(body, 'utf8')
  if (body instanceof Uint8Array) return asBuffer(body)
  if (body instanceof Readable) return body
  if (body instanceof ReadableStream) return Readable.fromWeb(body)
  if (typeof body === 'object' && Symbol.asyncIterator in body) {
    return Readable.from(body, { objectMode: false })
  }
  throw new TypeError('A body is a string, bytes, a stream or an async iterable of them')
}

/** Sends a stream's pieces one after another, and stops reading while the other side does not take them. */
export class BodyPump {
  readonly #source: Readable
  readonly #destroy: boolean
  readonly #write: (piece: Buffer) => boolean
  readonly #done: (error?: unknown) => void
  #stopped = false
  #blocked = false

  /**
   * @param write sends a piece; false: wait for {@link BodyPump.resume}
   * @param done called once: at the end, or with the source's error
   * @param destroy whether to destroy the source when it is not read to its end
   */
  constructor(
    source: Readable,
    write: (piece: Buffer) => boolean,
    done: (error?: unknown) => void,
    destroy: boolean,
  ) {
    this.#source = source
    this.#write = write
    this.#done = done
    this.#destroy = destroy
  }

  /** Begins to read. */
  start(): void {
    if (this.#source.readableEnded) return this.#finish()
    if (this.#source.destroyed)
      return this.#finish(this.#source.errored ?? new Error('The body was destroyed'))
    this.#source.on('end', this.#onEnd)
    this.#source.on('error', this.#onError)
    this.#source.on('close', this.#onClose)
    this.#source.on('data', this.#onData)
  }

  /** True while the pump waits for its source, which may take its time. */
  get waitingForSource(): boolean {
    return !this.#stopped && !this.#blocked
  }

  /** The other side takes more. */
  resume(): void {
    if (this.#stopped || !this.#blocked) return
    this.#blocked = false
    this.#source.resume()
  }

  /** No more is wanted. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#source.off('end', this.#onEnd)
    this.#source.off('data', this.#onData)
    this.#source.off('close', this.#onClose)
    // The error listener stays: what happens to the source from now on is nobody's business here, and must not throw.
    if (this.#destroy) this.#source.destroy()
  }

  readonly #onData = (piece: string | Uint8Array): void => {
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'utf8') : asBuffer(piece)
    if (bytes.length > 0 && !this.#write(bytes) && !this.#stopped) {
      this.#blocked = true
      this.#source.pause()
    }
  }

  readonly #onEnd = (): void => this.#finish()
  readonly #onError = (error: Error): void => this.#finish(error)
  readonly #onClose = (): void => this.#finish(new Error('The body was closed before its end'))

  #finish(error?: unknown): void {
    if (this.#stopped) return
    this.stop()
    this.#done(error)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
