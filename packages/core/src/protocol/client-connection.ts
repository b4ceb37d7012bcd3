// The web server's side of one connection, without any I/O: requests into bytes, bytes into events.
// For health checks, tests and the gateway; it asks of an application what the specification asks,
// and bears what it allows.

import { ByteCollector } from './byte-collector.ts'
import { KEEP_CONNECTION, RecordType } from './constants.ts'
import { ProtocolError, type ProtocolErrorCode } from './errors.ts'
import type { ClientEvent, ClientRequest } from './events.ts'
import { decodePairs } from './pairs.ts'
import { RecordReader, Step } from './record-reader.ts'
import {
  abortRequest,
  beginRequest,
  paramsRecords,
  streamEnd,
  streamRecords,
} from './record-writer.ts'

export type { ClientEvent, ClientRequest } from './events.ts'

/** What to ask of the application. */
export interface BeginOptions<C> {
  /** One of {@link Role}; not checked, so that an application's answer to others can be seen. */
  readonly role: number
  /** False: the application closes the connection after this request (§5.1). */
  readonly keepConnection: boolean
  /** The CGI variables, in order; see {@link encodePairs} for how text becomes bytes. */
  readonly params: Iterable<readonly [string, string | Uint8Array]>
  /** Belongs to the caller. */
  readonly context: C
}

class BegunRequest<C> implements ClientRequest<C> {
  readonly id: number
  readonly role: number
  context: C
  stdoutComplete = false
  ended = false
  stdinClosed = false
  dataClosed = false

  constructor(id: number, role: number, context: C) {
    this.id = id
    this.role = role
    this.context = context
  }
}

const NO_BYTES: Buffer = Buffer.alloc(0)

/**
 * One connection to an application. Several requests may be begun before the first is ended only if
 * the application multiplexes: ask it for FCGI_MPXS_CONNS, or begin one at a time. Nothing of a
 * chunk is kept after `receive()` returned, except by the views in its events.
 */
export class ClientConnection<C> {
  readonly #reader = new RecordReader()
  readonly #requests = new Map<number, BegunRequest<C>>()
  /** No id below this one is free. */
  #lowestId = 1
  #closed = false
  /** A discrete record that the chunks cut. */
  readonly #partial = new ByteCollector()

  /** Requests begun and not ended. */
  get active(): number {
    return this.#requests.size
  }

  /** True after an `error` event. */
  get closed(): boolean {
    return this.#closed
  }

  /** True when the bytes received so far end in the middle of a record. */
  get midRecord(): boolean {
    return !this.#closed && !this.#reader.atBoundary
  }

  /** The requests begun and not ended, in the order they began. */
  requests(): Iterable<ClientRequest<C>> {
    return this.#requests.values()
  }

  /**
   * Begins a request under the lowest free id: `bytes` are BEGIN_REQUEST and the whole of PARAMS
   * (§5.1, §5.2).
   *
   * @throws RangeError if all 65535 ids are taken.
   */
  begin(options: BeginOptions<C>): { readonly request: ClientRequest<C>; readonly bytes: Buffer } {
    while (this.#requests.has(this.#lowestId)) this.#lowestId++
    const id = this.#lowestId
    const head = beginRequest(id, options.role, options.keepConnection ? KEEP_CONNECTION : 0)
    const bytes = Buffer.concat([head, ...paramsRecords(id, options.params)])
    const request = new BegunRequest(id, options.role, options.context)
    this.#requests.set(id, request)
    return { request, bytes }
  }

  /**
   * Records with a part of the body (§5.3); [] when there is nothing to send, because the part is
   * empty or the request has ended already, as an application may do before it has read the body
   * (§6.2).
   *
   * @throws TypeError after `stdinEnd()`.
   */
  stdin(request: ClientRequest<C>, data: Uint8Array): Uint8Array[] {
    const begun = this.#begun(request)
    if (begun === undefined) return []
    if (begun.stdinClosed) throw new TypeError(`STDIN of request ${request.id} has ended`)
    return streamRecords(RecordType.Stdin, request.id, data)
  }

  /** The end of the body; empty bytes if the request has ended, or STDIN already had. */
  stdinEnd(request: ClientRequest<C>): Buffer {
    const begun = this.#begun(request)
    if (begun === undefined || begun.stdinClosed) return NO_BYTES
    begun.stdinClosed = true
    return streamEnd(RecordType.Stdin, request.id)
  }

  /**
   * Records with a part of the file for a Filter (§6.4); like {@link ClientConnection.stdin}.
   *
   * @throws TypeError before `stdinEnd()`, or after `dataEnd()`.
   */
  data(request: ClientRequest<C>, data: Uint8Array): Uint8Array[] {
    const begun = this.#begun(request)
    if (begun === undefined) return []
    if (!begun.stdinClosed) throw new TypeError(`STDIN of request ${request.id} has not ended`)
    if (begun.dataClosed) throw new TypeError(`DATA of request ${request.id} has ended`)
    return streamRecords(RecordType.Data, request.id, data)
  }

  /**
   * The end of the file; empty bytes if the request has ended, or DATA already had.
   *
   * @throws TypeError before `stdinEnd()`.
   */
  dataEnd(request: ClientRequest<C>): Buffer {
    const begun = this.#begun(request)
    if (begun === undefined || begun.dataClosed) return NO_BYTES
    if (!begun.stdinClosed) throw new TypeError(`STDIN of request ${request.id} has not ended`)
    begun.dataClosed = true
    return streamEnd(RecordType.Data, request.id)
  }

  /**
   * ABORT_REQUEST (§5.4); empty bytes if the request has ended. The id stays taken until the
   * application answers by END_REQUEST, and what it sends until then is still handed on.
   */
  abort(request: ClientRequest<C>): Buffer {
    return this.#begun(request) === undefined ? NO_BYTES : abortRequest(request.id)
  }

  /**
   * Takes bytes as they came, cut anywhere, and tells what they mean. Never throws for what the
   * application sent; after an `error` event it ignores everything. Records for an id that is not
   * active, and types that only a web server sends, are ignored.
   */
  receive(chunk: Buffer): ClientEvent<C>[] {
    const events: ClientEvent<C>[] = []
    const reader = this.#reader
    reader.feed(chunk)
    while (!this.#closed) {
      const step = reader.next()
      if (step === Step.NeedMore) break
      if (step === Step.BadVersion) {
        this.#fail(events, 'FCGI_BAD_VERSION', `record of version ${reader.version}, not 1`)
        break
      }
      switch (reader.type) {
        case RecordType.Stdout:
          this.#stdout(events, chunk)
          break
        case RecordType.Stderr:
          this.#stderr(events, chunk)
          break
        case RecordType.EndRequest:
          this.#endRequest(events, chunk)
          break
        case RecordType.GetValuesResult:
          this.#values(events, chunk)
          break
        case RecordType.UnknownType:
          this.#unknownType(events, chunk)
          break
        default:
      }
    }
    this.#partial.own()
    reader.release()
    return events
  }

  #begun(request: ClientRequest<C>): BegunRequest<C> | undefined {
    const begun = this.#requests.get(request.id)
    return begun === request ? begun : undefined
  }

  #fail(events: ClientEvent<C>[], code: ProtocolErrorCode, message: string, id?: number): void {
    this.#closed = true
    events.push({ type: 'error', error: new ProtocolError(code, message, id) })
  }

  #find(events: ClientEvent<C>[], name: string): BegunRequest<C> | undefined {
    const id = this.#reader.requestId
    if (id === 0) this.#fail(events, 'FCGI_NULL_REQUEST_ID', `${name} with request id 0`, 0)
    return this.#requests.get(id)
  }

  /** §5.3, §6.1. */
  #stdout(events: ClientEvent<C>[], chunk: Buffer): void {
    const request = this.#find(events, 'STDOUT')
    if (request === undefined || request.stdoutComplete) return
    const reader = this.#reader
    if (reader.contentLength === 0) {
      request.stdoutComplete = true
      events.push({ type: 'stdout-end', request })
    } else {
      events.push({ type: 'stdout', request, data: chunk.subarray(reader.start, reader.end) })
    }
  }

  /** §5.3, §6.1. Its end says nothing that matters, as END_REQUEST follows. */
  #stderr(events: ClientEvent<C>[], chunk: Buffer): void {
    const request = this.#find(events, 'STDERR')
    const reader = this.#reader
    if (request === undefined || reader.contentLength === 0) return
    events.push({ type: 'stderr', request, data: chunk.subarray(reader.start, reader.end) })
  }

  /** §5.5. */
  #endRequest(events: ClientEvent<C>[], chunk: Buffer): void {
    const request = this.#find(events, 'END_REQUEST')
    if (request === undefined) return
    const body = this.#eightBytes(events, 'END_REQUEST', chunk)
    if (body === undefined) return
    request.ended = true
    this.#requests.delete(request.id)
    this.#lowestId = Math.min(this.#lowestId, request.id)
    const appStatus = body.readUInt32BE(0)
    events.push({ type: 'end', request, appStatus, protocolStatus: body[4]! })
  }

  /** §4.1. The content is 65535 bytes at most by nature. */
  #values(events: ClientEvent<C>[], chunk: Buffer): void {
    const reader = this.#reader
    if (reader.requestId !== 0) return
    if (reader.end > reader.start) this.#partial.append(chunk, reader.start, reader.end)
    if (!reader.last) return
    try {
      events.push({ type: 'values', values: new Map(decodePairs(this.#partial.take())) })
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#fail(events, error.code, error.message, 0)
    }
  }

  /** §4.2. */
  #unknownType(events: ClientEvent<C>[], chunk: Buffer): void {
    if (this.#reader.requestId !== 0) return
    const body = this.#eightBytes(events, 'UNKNOWN_TYPE', chunk)
    if (body !== undefined) events.push({ type: 'unknown-type', unknownType: body[0]! })
  }

  /**
   * The content of a record of eight bytes, once it is complete. Undefined: not yet, or it has
   * another length.
   */
  #eightBytes(events: ClientEvent<C>[], name: string, chunk: Buffer): Buffer | undefined {
    const { contentLength, requestId, start, end, last } = this.#reader
    if (contentLength !== 8) {
      const message = `${name} with ${contentLength} bytes of content, not 8`
      this.#fail(events, 'FCGI_BAD_LENGTH', message, requestId)
      return undefined
    }
    this.#partial.append(chunk, start, end)
    return last ? this.#partial.take() : undefined
  }
}
