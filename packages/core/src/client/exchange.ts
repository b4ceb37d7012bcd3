/**
 * One request from its first record to END_REQUEST: sends the body as the connection takes it, hands the response out as
 * its reader takes it, and decides what an end, a close or a silence means at each stage.
 */
import { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { ProtocolStatus, Role } from '../protocol/constants.ts'
import { BodyPump, type Source } from './body.ts'
import { ClientError, ClientErrorCode } from './errors.ts'
import { MAX_STDERR_KEPT } from './options.ts'
import type { Param } from './params.ts'
import { type ResponseHead, ResponseHeadReader } from './response-head.ts'
import { ClientResponse, type RequestOutcome } from './response.ts'

/** A request ready to be sent. */
export interface PreparedRequest {
  readonly method: string
  readonly role: number
  readonly params: readonly Param[]
  readonly body: Source
  readonly data: Source
  readonly destroyBody: boolean
  /** Milliseconds; 0: none. */
  readonly timeout: number
  readonly maxHeaderBytes: number
  readonly signal: AbortSignal | undefined
  readonly onStderr: ((text: string) => void) | undefined
  readonly trace: ((direction: 'sent' | 'received', bytes: Uint8Array) => void) | undefined
}

/** What an exchange needs of the connection it runs on. */
export interface Line {
  /** Sends a piece of STDIN or DATA; false: wait for {@link Exchange.drained}. */
  send(stream: 'stdin' | 'data', piece: Buffer): boolean
  /** Ends STDIN or DATA. */
  sendEnd(stream: 'stdin' | 'data'): void
  /** Stops and goes on reading. */
  pause(): void
  resume(): void
  /** Gives the request up: ABORT_REQUEST, then the connection is closed. */
  abandon(): void
}

/** The state of one request. */
export class Exchange {
  /** Settles with the head, or with the reason why there is none. */
  readonly response: Promise<ClientResponse>
  readonly #request: PreparedRequest
  readonly #line: Line
  readonly #reader: ResponseHeadReader
  readonly #outcome: RequestOutcome = {
    stderr: '',
    appStatus: undefined,
    protocolStatus: undefined,
  }
  readonly #stderrDecoder = new StringDecoder('utf8')
  #resolve!: (response: ClientResponse) => void
  #reject!: (reason: unknown) => void
  #body: Readable | undefined
  /** Bytes of the body still wanted: Infinity without Content-Length, 0 where a response has none. */
  #wanted = Number.POSITIVE_INFINITY
  #bodyless = false
  #pump: BodyPump | undefined
  #timer: NodeJS.Timeout | undefined
  #paused = false
  #heard = false
  #done = false

  constructor(request: PreparedRequest, line: Line) {
    this.#request = request
    this.#line = line
    this.#reader = new ResponseHeadReader(request.maxHeaderBytes)
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Begins to send STDIN and DATA; BEGIN_REQUEST and PARAMS are on their way. */
  start(): void {
    const { signal, timeout, role, body } = this.#request
    if (signal?.aborted === true) return this.#onSignal()
    if (timeout > 0) this.#timer = setTimeout(this.#onSilence, timeout)
    signal?.addEventListener('abort', this.#onSignal, { once: true })
    // An Authorizer gets no STDIN, not even its end (§6.3).
    if (role === Role.Authorizer && body === undefined) return
    this.#sendStream('stdin', body, () => {
      if (this.#request.data !== undefined) this.#sendStream('data', this.#request.data, () => {})
    })
  }

  /** The connection takes more. */
  drained(): void {
    this.#timer?.refresh()
    this.#pump?.resume()
  }

  /** A piece of STDOUT. */
  stdout(data: Buffer): void {
    if (this.#done) return
    this.#touch()
    if (this.#body !== undefined) return this.#pushBody(data)
    try {
      const read = this.#reader.push(data)
      if (read !== undefined) this.#begin(read.head, read.rest)
    } catch (error) {
      this.fail(error as ClientError)
    }
  }

  /** A piece of STDERR. */
  stderr(data: Buffer): void {
    if (this.#done) return
    this.#touch()
    const text = this.#stderrDecoder.write(data)
    const room = MAX_STDERR_KEPT - this.#outcome.stderr.length
    if (room > 0) this.#outcome.stderr += text.slice(0, room)
    this.#request.onStderr?.(text)
  }

  /** END_REQUEST. */
  end(appStatus: number, protocolStatus: number): void {
    if (this.#done) return
    this.#heard = true
    this.#outcome.appStatus = appStatus
    this.#outcome.protocolStatus = protocolStatus
    const body = this.#body
    if (body === undefined) return this.#finish(this.#noHead(protocolStatus))
    if (this.#wanted !== Number.POSITIVE_INFINITY && this.#wanted > 0 && !this.#bodyless) {
      const missing = `The request ended ${this.#wanted} bytes before the Content-Length of its response`
      return this.#finish(this.#error(ClientErrorCode.Cut, missing))
    }
    this.#finish()
    body.push(null)
  }

  /** The connection has closed; `cause` when it broke. */
  closed(cause?: unknown): void {
    if (this.#done) return
    this.#finish(
      this.#body === undefined
        ? this.#error(
            ClientErrorCode.Closed,
            'The application closed the connection before it had answered',
            cause,
          )
        : this.#error(
            ClientErrorCode.Cut,
            'The application closed the connection in the middle of its response',
            cause,
          ),
    )
  }

  /** Gives the request up with a reason of our own. */
  fail(error: unknown): void {
    if (this.#done) return
    this.#finish(error)
    this.#line.abandon()
  }

  /** The bytes that came were no records. */
  broken(cause: Error): void {
    this.#heard = true
    this.fail(
      this.#error(ClientErrorCode.Protocol, `What came is not FastCGI: ${cause.message}`, cause),
    )
  }

  #sendStream(stream: 'stdin' | 'data', source: Source, next: () => void): void {
    if (source === undefined || Buffer.isBuffer(source)) {
      if (source !== undefined && source.length > 0) this.#line.send(stream, source)
      this.#line.sendEnd(stream)
      return next()
    }
    const pump = new BodyPump(
      source,
      (piece) => {
        this.#timer?.refresh()
        return this.#line.send(stream, piece)
      },
      (error) => {
        this.#pump = undefined
        if (error !== undefined) {
          return this.fail(
            this.#error(ClientErrorCode.Body, "The stream of the request's body failed", error),
          )
        }
        this.#line.sendEnd(stream)
        next()
      },
      this.#request.destroyBody,
    )
    this.#pump = pump
    pump.start()
  }

  #begin(head: ResponseHead, rest: Buffer): void {
    this.#bodyless = this.#request.method === 'HEAD' || head.status === 204 || head.status === 304
    const length = head.headers['content-length']
    if (this.#bodyless) this.#wanted = 0
    else if (typeof length === 'string') this.#wanted = Number(length)
    const body = new Readable({
      read: () => {
        if (!this.#paused) return
        this.#paused = false
        this.#timer?.refresh()
        this.#line.resume()
      },
      destroy: (error, callback) => {
        // Destroyed by its reader: nobody wants the rest.
        this.fail(error ?? new Error('The body was destroyed'))
        callback(error)
      },
    })
    // Whoever reads it hears of its failure; whoever does not must not be ended by it.
    body.on('error', () => {})
    this.#body = body
    this.#resolve(new ClientResponse(head, body, this.#outcome))
    if (rest.length > 0) this.#pushBody(rest)
  }

  #pushBody(data: Buffer): void {
    // More than Content-Length is dropped, as nginx, lighttpd and h2o do.
    const piece = data.length > this.#wanted ? data.subarray(0, this.#wanted) : data
    if (piece.length === 0) return
    this.#wanted -= piece.length
    if (!this.#body!.push(piece)) {
      this.#paused = true
      this.#line.pause()
    }
  }

  #noHead(protocolStatus: number): ClientError {
    if (protocolStatus === ProtocolStatus.CantMultiplex) {
      return this.#error(
        ClientErrorCode.CantMultiplex,
        'The application takes one request a connection (CANT_MPX_CONN)',
      )
    }
    if (protocolStatus === ProtocolStatus.Overloaded) {
      return this.#error(ClientErrorCode.Overloaded, 'The application is overloaded (OVERLOADED)')
    }
    if (protocolStatus === ProtocolStatus.UnknownRole) {
      return this.#error(
        ClientErrorCode.UnknownRole,
        `The application does not know the role ${this.#request.role}`,
      )
    }
    return this.#reader.empty
      ? this.#error(
          ClientErrorCode.EmptyResponse,
          'The application ended the request without an answer',
        )
      : this.#error(
          ClientErrorCode.BadResponse,
          'The response ended before the blank line that ends its header block',
        )
  }

  #error(code: ClientErrorCode, message: string, cause?: unknown): ClientError {
    return new ClientError(code, message, {
      cause,
      stderr: this.#outcome.stderr,
      unanswered: !this.#heard,
    })
  }

  #touch(): void {
    this.#heard = true
    this.#timer?.refresh()
  }

  readonly #onSilence = (): void => {
    if (this.#paused || this.#pump?.waitingForSource === true) {
      this.#timer?.refresh()
      return
    }
    this.fail(
      this.#error(
        ClientErrorCode.Timeout,
        `The application was silent for ${this.#request.timeout} ms`,
      ),
    )
  }

  readonly #onSignal = (): void => this.fail(this.#request.signal?.reason)

  #finish(error?: unknown): void {
    this.#done = true
    clearTimeout(this.#timer)
    this.#request.signal?.removeEventListener('abort', this.#onSignal)
    this.#pump?.stop()
    this.#pump = undefined
    if (error === undefined) return
    this.#reject(error)
    const body = this.#body
    if (body === undefined) return
    const reason =
      error instanceof Error ? error : new Error('The request was aborted', { cause: error })
    // Head and failure may come in one chunk: first let the reader get hold of the body, or it would miss the event.
    setImmediate(() => body.destroy(reason))
  }
}
