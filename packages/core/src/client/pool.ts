/**
 * Kept connections to one application: at most so many, each with one request at a time; the others wait their turn.
 */
import { ClientError, ClientErrorCode } from './errors.ts'
import type { PreparedRequest } from './exchange.ts'
import { type Link, type LinkOwner, openLink } from './link.ts'
import {
  checkTarget,
  DEFAULT_CONNECT_TIMEOUT,
  DEFAULT_TIMEOUT,
  type PoolOptions,
  type RequestInit,
  type Target,
  wholeNumber,
} from './options.ts'
import { prepareRequest } from './prepare.ts'
import type { ClientResponse } from './response.ts'

/** RFC 9110 §9.2.2: sent twice, they mean the same as sent once. */
const IDEMPOTENT = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
  'QUERY',
  'PROPFIND',
  'REPORT',
  'SEARCH',
])

/** Someone who waits for a connection: gets a kept one, or leave to open one (undefined). */
interface Waiter {
  grant(link: Link | undefined): void
  refuse(error: unknown): void
}

interface Idle {
  readonly link: Link
  readonly timer: NodeJS.Timeout
}

/**
 * A pool of connections to one application.
 *
 * A request that failed on a kept connection before a byte of an answer came is sent once more, on a new connection,
 * when its method is idempotent and its body is bytes or absent: the application may have closed the connection at the
 * very moment. Nothing else is ever repeated.
 */
export class Pool {
  readonly #target: Target
  readonly #maxConnections: number
  readonly #maxIdle: number
  readonly #idleTimeout: number
  readonly #maxRequests: number
  readonly #maxWaiting: number
  readonly #waitTimeout: number
  readonly #timeout: number
  readonly #connectTimeout: number
  readonly #links = new Set<Link>()
  readonly #idle: Idle[] = []
  readonly #waiters = new Set<Waiter>()
  #opening = 0
  #closed = false
  #whenEmpty: (() => void)[] = []

  /** @throws {TypeError | RangeError} for options that make no pool */
  constructor(options: PoolOptions) {
    this.#target = checkTarget(options)
    this.#maxConnections = wholeNumber('maxConnections', options.maxConnections, 10, 1)
    this.#maxIdle = wholeNumber('maxIdle', options.maxIdle, this.#maxConnections)
    this.#idleTimeout = wholeNumber('idleTimeout', options.idleTimeout, 10_000, 1)
    this.#maxRequests = wholeNumber(
      'maxRequestsPerConnection',
      options.maxRequestsPerConnection,
      10_000,
      1,
    )
    this.#maxWaiting = wholeNumber('maxWaiting', options.maxWaiting, 1_000)
    this.#waitTimeout = wholeNumber('waitTimeout', options.waitTimeout, 30_000)
    this.#timeout = wholeNumber('timeout', options.timeout, DEFAULT_TIMEOUT)
    this.#connectTimeout = wholeNumber(
      'connectTimeout',
      options.connectTimeout,
      DEFAULT_CONNECT_TIMEOUT,
    )
  }

  /** Connections that are open or being opened, the idle ones among them, and the requests that wait. */
  get counts(): { connections: number; idle: number; waiting: number } {
    return {
      connections: this.#links.size + this.#opening,
      idle: this.#idle.length,
      waiting: this.#waiters.size,
    }
  }

  /**
   * Sends a request on a kept connection, or on a new one.
   *
   * @returns once the head has come. The connection is busy until the body has been read or destroyed
   * @throws as {@link request}, and {@link ClientError} FCGI_POOL_FULL, FCGI_POOL_TIMEOUT, FCGI_POOL_CLOSED
   */
  async request(init: RequestInit = {}): Promise<ClientResponse> {
    const prepared = prepareRequest({ timeout: this.#timeout, ...init })
    const connectTimeout = wholeNumber('connectTimeout', init.connectTimeout, this.#connectTimeout)
    for (let first = true; ; first = false) {
      const kept = await this.#acquire(prepared.signal)
      const link = kept ?? (await this.#open(connectTimeout, prepared.signal))
      const keep = this.#maxIdle > 0 && !this.#closed && link.requests + 1 < this.#maxRequests
      try {
        return await link.run(prepared, keep)
      } catch (error) {
        if (!(first && kept !== undefined && mayRepeat(prepared, error))) throw error
        // The other idle ones are as old; the second try must not meet one of them.
        for (const idle of this.#idle.splice(0)) this.#drop(idle)
      }
    }
  }

  /** Takes no more requests, lets those that run or wait finish, and resolves when every connection is closed. */
  async close(): Promise<void> {
    this.#closed = true
    for (const idle of this.#idle.splice(0)) this.#drop(idle)
    await this.#empty()
  }

  /** Takes no more requests, and aborts those that run or wait with FCGI_POOL_CLOSED. */
  async destroy(): Promise<void> {
    this.#closed = true
    for (const waiter of this.#waiters) waiter.refuse(closedError())
    for (const link of this.#links) link.close()
    await this.#empty()
  }

  /** `await using pool = new Pool(…)`: as {@link Pool.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #acquire(signal: AbortSignal | undefined): Promise<Link | undefined> {
    if (this.#closed) return Promise.reject(closedError())
    const idle = this.#idle.pop()
    if (idle !== undefined) {
      clearTimeout(idle.timer)
      return Promise.resolve(idle.link)
    }
    if (this.#links.size + this.#opening < this.#maxConnections) {
      this.#opening++
      return Promise.resolve(undefined)
    }
    if (this.#waiters.size >= this.#maxWaiting) {
      const message = `${this.#maxWaiting} requests wait for a connection already`
      return Promise.reject(
        new ClientError(ClientErrorCode.PoolFull, message, { unanswered: true }),
      )
    }
    return this.#wait(signal)
  }

  #wait(signal: AbortSignal | undefined): Promise<Link | undefined> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        this.#waiters.delete(waiter)
      }
      const waiter: Waiter = {
        grant: (link) => {
          leave()
          resolve(link)
        },
        refuse: (error) => {
          leave()
          reject(error)
          this.#checkEmpty()
        },
      }
      const onAbort = (): void => waiter.refuse(signal?.reason)
      const timer =
        this.#waitTimeout === 0
          ? undefined
          : setTimeout(() => {
              const message = `No connection became free within ${this.#waitTimeout} ms`
              waiter.refuse(
                new ClientError(ClientErrorCode.PoolTimeout, message, { unanswered: true }),
              )
            }, this.#waitTimeout)
      if (signal?.aborted === true) return waiter.refuse(signal.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** Opens the connection that `#acquire` counted. */
  async #open(timeout: number, signal: AbortSignal | undefined): Promise<Link> {
    try {
      const link = await openLink(this.#target, timeout, signal, this.#owner)
      if (link.usable) this.#links.add(link)
      return link
    } catch (error) {
      queueMicrotask(() => this.#place())
      throw error
    } finally {
      this.#opening--
    }
  }

  readonly #owner: LinkOwner = {
    free: (link) => {
      const [waiter] = this.#waiters
      if (waiter !== undefined && link.requests < this.#maxRequests) return waiter.grant(link)
      if (
        this.#closed ||
        this.#idle.length >= this.#maxIdle ||
        link.requests >= this.#maxRequests
      ) {
        return link.close()
      }
      link.unref()
      const idle: Idle = { link, timer: setTimeout(() => this.#expire(idle), this.#idleTimeout) }
      idle.timer.unref()
      this.#idle.push(idle)
    },
    gone: (link) => {
      this.#links.delete(link)
      const index = this.#idle.findIndex((idle) => idle.link === link)
      if (index !== -1) clearTimeout(this.#idle.splice(index, 1)[0]?.timer)
      this.#place()
    },
  }

  /** There may be room for one who waits. */
  #place(): void {
    const [waiter] = this.#waiters
    if (waiter !== undefined && this.#links.size + this.#opening < this.#maxConnections) {
      this.#opening++
      waiter.grant(undefined)
    }
    this.#checkEmpty()
  }

  #expire(idle: Idle): void {
    const index = this.#idle.indexOf(idle)
    if (index !== -1) this.#idle.splice(index, 1)
    this.#drop(idle)
  }

  #drop(idle: Idle): void {
    clearTimeout(idle.timer)
    idle.link.close()
  }

  #empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenEmpty.push(resolve)
      this.#checkEmpty()
    })
  }

  #checkEmpty(): void {
    if (!this.#closed || this.#links.size + this.#opening + this.#waiters.size > 0) return
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}

function closedError(): ClientError {
  return new ClientError(ClientErrorCode.PoolClosed, 'The pool is closed', { unanswered: true })
}

function mayRepeat(request: PreparedRequest, error: unknown): boolean {
  return (
    error instanceof ClientError &&
    error.code === ClientErrorCode.Closed &&
    error.unanswered &&
    IDEMPOTENT.has(request.method) &&
    (request.body === undefined || Buffer.isBuffer(request.body))
  )
}
