/**
 * One connection to an application, and at most one request on it at a time. Requests are not multiplexed: FastCGI has
 * no flow control a request, so a response nobody reads would stop the others.
 */
import { connect as connectSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ClientConnection, type ClientRequest } from '../protocol/client-connection.ts'
import { ClientError, ClientErrorCode } from './errors.ts'
import { Exchange, type Line, type PreparedRequest } from './exchange.ts'
import { CLOSE_GRACE, describeTarget, type Target } from './options.ts'
import type { ClientResponse } from './response.ts'

/** Something with the methods of a net.Socket that other streams lack. */
interface MaybeSocket {
  connecting?: boolean
  ref?: () => unknown
  unref?: () => unknown
}

/** Whoever keeps connections hears of them. */
export interface LinkOwner {
  /** The request on it has ended, and another may follow. */
  free(link: Link): void
  /** It cannot be used any more. Called once. */
  gone(link: Link): void
}

/** Connects, and makes a {@link Link} of the stream. @throws as {@link openStream} */
export async function openLink(
  target: Target,
  timeout: number,
  signal: AbortSignal | undefined,
  owner?: LinkOwner,
): Promise<Link> {
  return new Link(await openStream(target, timeout, signal), owner)
}

/**
 * Connects.
 *
 * @param timeout milliseconds; 0: none
 * @throws {ClientError} FCGI_CONNECT, FCGI_CONNECT_TIMEOUT
 * @throws the signal's reason
 */
export async function openStream(
  target: Target,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<Duplex> {
  signal?.throwIfAborted()
  let stream: Duplex
  try {
    stream = target.connect === undefined ? connectTo(target) : await target.connect()
  } catch (cause) {
    throw connectError(target, cause)
  }
  if ((stream as MaybeSocket).connecting === true) await connected(stream, target, timeout, signal)
  return stream
}

function connectTo(target: Target): Duplex {
  return target.socketPath === undefined
    ? connectSocket({ host: target.host ?? '127.0.0.1', port: target.port ?? 0, noDelay: true })
    : connectSocket({ path: target.socketPath })
}

function connected(
  stream: Duplex,
  target: Target,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      stream.off('connect', onConnect)
      stream.off('close', onClose)
      if (error === undefined) {
        stream.off('error', onError)
        return resolve()
      }
      // The error listener stays: a late error of a stream given up must not be thrown.
      stream.destroy()
      reject(error)
    }
    const onConnect = (): void => settle()
    const onError = (error: Error): void => settle(connectError(target, error))
    const onClose = (): void => settle(connectError(target, new Error('closed')))
    const onAbort = (): void => settle(signal?.reason)
    const timer =
      timeout === 0
        ? undefined
        : setTimeout(() => {
            const message = `No connection to ${describeTarget(target)} within ${timeout} ms`
            settle(new ClientError(ClientErrorCode.ConnectTimeout, message, { unanswered: true }))
          }, timeout)
    stream.once('connect', onConnect)
    stream.on('error', onError)
    stream.once('close', onClose)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

function connectError(target: Target, cause: unknown): ClientError {
  if (cause instanceof ClientError) return cause
  const why = cause instanceof Error ? cause.message : String(cause)
  return new ClientError(
    ClientErrorCode.Connect,
    `Cannot connect to ${describeTarget(target)}: ${why}`,
    {
      cause,
      unanswered: true,
    },
  )
}

/** A connection. */
export class Link {
  /** Requests begun on it so far. */
  requests = 0
  readonly #stream: Duplex
  readonly #owner: LinkOwner | undefined
  readonly #protocol = new ClientConnection<Exchange>()
  #exchange: Exchange | undefined
  #request: ClientRequest<Exchange> | undefined
  #trace: PreparedRequest['trace']
  #keep = false
  #broken: unknown
  #gone = false

  constructor(stream: Duplex, owner?: LinkOwner) {
    this.#stream = stream
    this.#owner = owner
    stream.on('data', this.#onData)
    stream.on('drain', () => this.#exchange?.drained())
    stream.on('error', (error) => {
      this.#broken = error
    })
    stream.on('end', this.#onClose)
    stream.on('close', this.#onClose)
    if (stream.destroyed || stream.readableEnded) this.#onClose()
  }

  /** False once it is closed or closing. */
  get usable(): boolean {
    return !this.#gone
  }

  /**
   * Sends a request. There must be none running.
   *
   * @param keep whether the connection is to stay open after it (FCGI_KEEP_CONN)
   */
  run(prepared: PreparedRequest, keep: boolean): Promise<ClientResponse> {
    this.#keep = keep
    this.#trace = prepared.trace
    this.requests++
    const exchange = new Exchange(prepared, this.#line)
    this.#exchange = exchange
    if (this.#gone) {
      exchange.closed(this.#broken)
      return exchange.response
    }
    ;(this.#stream as MaybeSocket).ref?.()
    this.#stream.cork()
    const { request, bytes } = this.#protocol.begin({
      role: prepared.role,
      keepConnection: keep,
      params: prepared.params,
      context: exchange,
    })
    this.#request = request
    this.#write([bytes])
    exchange.start()
    // In the next turn, so that a body that is there goes in the same write.
    process.nextTick(() => this.#stream.uncork())
    return exchange.response
  }

  /** Lets the process end while this connection is idle. */
  unref(): void {
    ;(this.#stream as MaybeSocket).unref?.()
  }

  /** Closes the connection; a request on it is aborted. */
  close(): void {
    if (this.#exchange === undefined) this.#shut()
    else
      this.#exchange.fail(new ClientError(ClientErrorCode.PoolClosed, 'The connection was closed'))
  }

  readonly #line: Line = {
    send: (stream, piece) => {
      const request = this.#request
      if (this.#gone || request === undefined) return true
      return this.#write(
        stream === 'stdin'
          ? this.#protocol.stdin(request, piece)
          : this.#protocol.data(request, piece),
      )
    },
    sendEnd: (stream) => {
      const request = this.#request
      if (this.#gone || request === undefined) return
      this.#write([
        stream === 'stdin' ? this.#protocol.stdinEnd(request) : this.#protocol.dataEnd(request),
      ])
    },
    pause: () => {
      this.#stream.pause()
    },
    resume: () => {
      this.#stream.resume()
    },
    abandon: () => {
      const request = this.#request
      this.#exchange = undefined
      this.#request = undefined
      if (request !== undefined && !this.#gone) this.#write([this.#protocol.abort(request)])
      this.#shut()
    },
  }

  #write(pieces: readonly Uint8Array[]): boolean {
    let more = true
    for (const piece of pieces) {
      if (piece.length === 0) continue
      this.#trace?.('sent', piece)
      more = this.#stream.write(piece)
    }
    return more
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#trace?.('received', chunk)
    // Between two requests nothing may come: whatever it is, it would be taken for an answer to the next.
    if (this.#exchange === undefined) return this.#shut()
    for (const event of this.#protocol.receive(chunk)) {
      if (event.type === 'stdout') event.request.context.stdout(event.data)
      else if (event.type === 'stderr') event.request.context.stderr(event.data)
      else if (event.type === 'end')
        this.#onEnd(event.request, event.appStatus, event.protocolStatus)
      else if (event.type === 'error') {
        const exchange = this.#exchange
        if (exchange === undefined) this.#shut()
        else exchange.broken(event.error)
      }
    }
  }

  #onEnd(request: ClientRequest<Exchange>, appStatus: number, protocolStatus: number): void {
    if (request !== this.#request) return
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#request = undefined
    exchange?.end(appStatus, protocolStatus)
    // A reader that paused has what it needs in its own buffer; the connection must hear of its end.
    this.#stream.resume()
    if (!this.#keep) this.#shut()
    else if (!this.#gone) this.#owner?.free(this)
  }

  readonly #onClose = (): void => {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#request = undefined
    exchange?.closed(this.#broken)
    this.#shut()
  }

  #shut(): void {
    if (this.#gone) return
    this.#gone = true
    this.#stream.uncork()
    this.#stream.end()
    this.#stream.resume()
    // In-memory streams do not close by themselves, and a peer may keep its half open for ever.
    const timer = setTimeout(() => this.#stream.destroy(), CLOSE_GRACE)
    timer.unref()
    this.#stream.once('close', () => clearTimeout(timer))
    this.#owner?.gone(this)
  }
}
