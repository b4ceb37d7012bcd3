// The application's side of one connection, without any I/O: bytes in, events out. It keeps the
// table of active requests (§3.3) and gives the answers that the protocol itself demands (§4, §5.1,
// §5.4, §5.5).

import { ByteCollector } from './byte-collector.ts'
import { HEADER_LENGTH, KEEP_CONNECTION, ProtocolStatus, RecordType, Role } from './constants.ts'
import { ProtocolError, type ProtocolErrorCode } from './errors.ts'
import type { ConnectionEvent, ConnectionRequest } from './events.ts'
import { PairReader } from './pairs.ts'
import { ActiveRequest, RequestTable } from './request-table.ts'
import { RecordReader, Step } from './record-reader.ts'
import { endRequest, getValuesResult, unknownType } from './record-writer.ts'

export type { ConnectionEvent, ConnectionRequest } from './events.ts'

/**
 * Bounds and answers of a {@link Connection}. Every number is finite: a peer can make nothing grow
 * without end.
 */
export interface ConnectionLimits {
  /**
   * Bytes of PARAMS a request may have; above it the request is `refused`, and nothing of them is
   * kept.
   */
  readonly maxParamsBytes: number
  /**
   * Requests running at once on the connection; one more is `refused` when its PARAMS is complete.
   */
  readonly maxRequestsPerConnection: number
  /** Requests begun whose PARAMS is not complete; one more is a ProtocolError. */
  readonly maxPendingPerConnection: number
  /** False: a BEGIN_REQUEST while another request is active is answered by CANT_MPX_CONN (§5.5). */
  readonly multiplex: boolean
  /** The roles that are served; any other request is answered by UNKNOWN_ROLE (§5.5). */
  readonly roles: {
    readonly responder: boolean
    readonly authorizer: boolean
    readonly filter: boolean
  }
  /** The answers to GET_VALUES (§4.1), as decimal text. */
  readonly values: {
    readonly FCGI_MAX_CONNS: string
    readonly FCGI_MAX_REQS: string
    readonly FCGI_MPXS_CONNS: string
  }
}

/**
 * One connection from a web server. Hand every chunk to `receive()` and act on the events in their
 * order; call `end()` when a request's END_REQUEST has been written. Nothing of a chunk is kept
 * after `receive()` returned, except by the views in its events; memory in here is bounded by
 * `maxPendingPerConnection * maxParamsBytes` (twice that while a block grows).
 */
export class Connection<C> {
  readonly #limits: ConnectionLimits
  readonly #reader = new RecordReader()
  readonly #table = new RequestTable<C>()
  /** The request whose PARAMS so far are a view of the chunk in hand; at most one. */
  #borrower: ActiveRequest<C> | undefined = undefined
  #closed = false
  /** A discrete record that the chunks cut. */
  readonly #partial = new ByteCollector()

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** Requests in the table: begun and not ended, whatever their state. */
  get active(): number {
    return this.#table.size
  }

  /** Requests begun whose PARAMS is not complete. */
  get pending(): number {
    return this.#table.pending
  }

  /** Bytes of PARAMS kept for the requests whose PARAMS is not complete. */
  get heldParams(): number {
    if (this.#table.pending === 0) return 0
    let bytes = 0
    for (const request of this.#table.values()) bytes += request.params.length
    return bytes
  }

  /**
   * True after the last event of the connection: an error, or a request ended that asked for the
   * close.
   */
  get closed(): boolean {
    return this.#closed
  }

  /** True when the bytes received so far end in the middle of a record: more must be on its way. */
  get midRecord(): boolean {
    return !this.#closed && !this.#reader.atBoundary
  }

  /** The requests in the table, in the order they began. */
  requests(): Iterable<ConnectionRequest<C>> {
    return this.#table.values()
  }

  /**
   * Takes bytes as they came, cut anywhere, and tells what they mean. Never throws for what a peer
   * sent; after an `error` event, a `reply` with `close`, or an `end()` that returned true it
   * ignores everything.
   *
   * @param length how many bytes of `chunk` came, where it is a buffer that is used again; spares a view of them
   */
  receive(chunk: Buffer, length: number = chunk.length): ConnectionEvent<C>[] {
    const events: ConnectionEvent<C>[] = []
    const reader = this.#reader
    reader.feed(chunk, length)
    while (!this.#closed) {
      const step = reader.next()
      if (step === Step.NeedMore) break
      if (step === Step.BadVersion) {
        this.#fail(events, 'FCGI_BAD_VERSION', `record of version ${reader.version}, not 1`)
        break
      }
      switch (reader.type) {
        case RecordType.Params:
          this.#params(events, chunk)
          break
        case RecordType.Stdin:
          this.#stdin(events, chunk)
          break
        case RecordType.BeginRequest:
          this.#beginRequest(events, chunk)
          break
        case RecordType.AbortRequest:
          this.#abortRequest(events)
          break
        case RecordType.Data:
          this.#data(events, chunk)
          break
        case RecordType.GetValues:
          this.#getValues(events, chunk)
          break
        case RecordType.GetValuesResult:
        case RecordType.UnknownType:
          break // Answers, to nothing we asked: answering them could go on for ever.
        default:
          // Only management records have an answer (§4.2); of any other a type we do not know is
          // skipped.
          if (reader.last && reader.requestId === 0) {
            events.push({ type: 'reply', bytes: unknownType(reader.type), close: false })
          }
      }
    }
    if (this.#borrower !== undefined) {
      this.#borrower.params.own()
      this.#borrower = undefined
    }
    this.#partial.own()
    reader.release()
    return events
  }

  /**
   * Says that END_REQUEST of the request has been written, or never will be. The id is free from
   * now on, and late records of it are ignored (§3.3). Returns true when the connection must now be
   * closed: nothing is active and a request that came to its end had asked for it (§5.1). Calling
   * it again changes nothing.
   */
  end(request: ConnectionRequest<C>): boolean {
    this.#table.remove(request)
    return this.#closeIfDue()
  }

  #closeIfDue(): boolean {
    if (!this.#table.closeDue) return false
    this.#closed = true
    return true
  }

  #fail(events: ConnectionEvent<C>[], code: ProtocolErrorCode, message: string, id?: number): void {
    this.#closed = true
    events.push({ type: 'error', error: new ProtocolError(code, message, id) })
  }

  /**
   * The request of the record in hand. Undefined: the record is to be ignored, or the connection
   * has failed.
   */
  #find(events: ConnectionEvent<C>[], name: string): ActiveRequest<C> | undefined {
    const id = this.#reader.requestId
    if (id === 0) this.#fail(events, 'FCGI_NULL_REQUEST_ID', `${name} with request id 0`, 0)
    return this.#table.find(id)
  }

  /** §5.1. */
  #beginRequest(events: ConnectionEvent<C>[], chunk: Buffer): void {
    const reader = this.#reader
    const id = reader.requestId
    if (id === 0) {
      return this.#fail(events, 'FCGI_NULL_REQUEST_ID', 'BEGIN_REQUEST with request id 0', 0)
    }
    if (reader.contentLength !== 8) {
      const message = `BEGIN_REQUEST with ${reader.contentLength} bytes of content, not 8`
      return this.#fail(events, 'FCGI_BAD_LENGTH', message, id)
    }
    let body = chunk
    let at = reader.start
    if (reader.end - reader.start < HEADER_LENGTH) {
      this.#partial.append(chunk, reader.start, reader.end)
      if (!reader.last) return
      body = this.#partial.take()
      at = 0
    }
    const role = (body[at]! << 8) | body[at + 1]!
    const keepConnection = (body[at + 2]! & KEEP_CONNECTION) !== 0
    if (this.#table.find(id) !== undefined) {
      return this.#fail(events, 'FCGI_ID_IN_USE', `BEGIN_REQUEST for id ${id}, which is active`, id)
    }
    if (!this.#serves(role)) {
      return this.#refuse(events, id, keepConnection, ProtocolStatus.UnknownRole)
    }
    if (!this.#limits.multiplex && this.#table.size > 0) {
      return this.#refuse(events, id, keepConnection, ProtocolStatus.CantMultiplex)
    }
    if (this.#table.pending >= this.#limits.maxPendingPerConnection) {
      const message = `more than ${this.#table.pending} requests without complete PARAMS`
      return this.#fail(events, 'FCGI_TOO_MANY_PENDING', message, id)
    }
    this.#table.add(new ActiveRequest<C>(id, role, keepConnection))
  }

  #serves(role: number): boolean {
    const roles = this.#limits.roles
    if (role === Role.Responder) return roles.responder
    if (role === Role.Authorizer) return roles.authorizer
    return role === Role.Filter && roles.filter
  }

  /**
   * END_REQUEST without a word of output (§5.5); what else comes for the id is for an inactive one
   * (§3.3).
   */
  #refuse(
    events: ConnectionEvent<C>[],
    id: number,
    keepConnection: boolean,
    status: ProtocolStatus,
  ): void {
    this.#table.askForClose(keepConnection)
    events.push({ type: 'reply', bytes: endRequest(id, 0, status), close: this.#closeIfDue() })
  }

  /** §5.4. A second abort, or one for a request that is refused anyway, changes nothing. */
  #abortRequest(events: ConnectionEvent<C>[]): void {
    const request = this.#find(events, 'ABORT_REQUEST')
    if (request === undefined || request.aborted || request.refused) return
    request.aborted = true
    const begun = request.paramsComplete
    events.push({ type: 'abort', request, begun })
    if (begun) return
    this.#table.remove(request)
    const bytes = endRequest(request.id, 0, ProtocolStatus.RequestComplete)
    events.push({ type: 'reply', bytes, close: this.#closeIfDue() })
  }

  /** §5.2. Records of it after its end are ignored. */
  #params(events: ConnectionEvent<C>[], chunk: Buffer): void {
    const request = this.#find(events, 'PARAMS')
    if (request === undefined || request.paramsComplete) return
    const reader = this.#reader
    if (reader.contentLength === 0) return this.#paramsEnd(events, request)
    if (request.paramsTooLarge) return
    if (request.params.length + reader.end - reader.start > this.#limits.maxParamsBytes) {
      request.paramsTooLarge = true
      request.params.clear()
      return
    }
    if (request.params.length === 0) {
      if (this.#borrower !== undefined) this.#borrower.params.own()
      this.#borrower = request
    }
    request.params.append(chunk, reader.start, reader.end)
  }

  #paramsEnd(events: ConnectionEvent<C>[], request: ActiveRequest<C>): void {
    const params = request.params.take()
    const overloaded = this.#table.running >= this.#limits.maxRequestsPerConnection
    const refused = request.paramsTooLarge || overloaded
    this.#table.paramsEnded(request, refused)
    if (refused) {
      const reason = request.paramsTooLarge ? 'params-too-large' : 'overloaded'
      events.push({ type: 'refused', request, reason, params })
      return
    }
    events.push({ type: 'request', request, params })
    if (request.role === Role.Authorizer) {
      request.stdinComplete = true
      events.push({ type: 'stdin-end', request })
    }
  }

  /**
   * §5.3, §6.2. Handed on as it arrives: to wait for whole records halves the throughput of
   * uploads.
   */
  #stdin(events: ConnectionEvent<C>[], chunk: Buffer): void {
    const request = this.#find(events, 'STDIN')
    if (request === undefined || request.stdinComplete || request.refused || request.aborted) return
    const reader = this.#reader
    if (!request.paramsComplete) {
      const message = `STDIN of request ${request.id} before the end of its PARAMS`
      return this.#fail(events, 'FCGI_OUT_OF_ORDER', message, request.id)
    }
    if (reader.contentLength === 0) {
      request.stdinComplete = true
      events.push({ type: 'stdin-end', request })
    } else {
      events.push({ type: 'stdin', request, data: chunk.subarray(reader.start, reader.end) })
    }
  }

  /** §5.3, §6.4: the Filter's second stream. For any other role there is no such thing: ignored. */
  #data(events: ConnectionEvent<C>[], chunk: Buffer): void {
    const request = this.#find(events, 'DATA')
    if (request === undefined || request.role !== Role.Filter) return
    if (request.dataComplete || request.refused || request.aborted) return
    const reader = this.#reader
    if (!request.stdinComplete) {
      const message = `DATA of request ${request.id} before the end of its STDIN`
      return this.#fail(events, 'FCGI_OUT_OF_ORDER', message, request.id)
    }
    if (reader.contentLength === 0) {
      request.dataComplete = true
      events.push({ type: 'data-end', request })
    } else {
      events.push({ type: 'data', request, data: chunk.subarray(reader.start, reader.end) })
    }
  }

  /** §4.1. With an id it is no management record, and ignored. */
  #getValues(events: ConnectionEvent<C>[], chunk: Buffer): void {
    const reader = this.#reader
    if (reader.requestId !== 0) return
    if (reader.end > reader.start) this.#partial.append(chunk, reader.start, reader.end)
    if (!reader.last) return
    const bytes = answerValues(this.#partial.take(), this.#limits.values)
    events.push({ type: 'reply', bytes, close: false })
  }
}

/**
 * Each variable that was asked for and is known, once. Behind a broken pair nothing can be read: it
 * ends there.
 */
function answerValues(block: Buffer, values: ConnectionLimits['values']): Buffer {
  const asked = new Set<string>()
  const reader = new PairReader(block)
  try {
    while (reader.next()) {
      const name = block.latin1Slice(reader.nameStart, reader.nameEnd)
      if (Object.hasOwn(values, name)) asked.add(name)
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  const pairs: [string, string][] = []
  for (const name of asked as Set<keyof typeof values>) pairs.push([name, values[name]])
  return getValuesResult(pairs)
}
