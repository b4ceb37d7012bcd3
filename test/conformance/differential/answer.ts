/** What a client sends and sees of one request, the same for HTTP and FastCGI. */

export type Headers = readonly (readonly [name: string, value: string])[]

export interface Request {
  /** Default GET. */
  readonly method?: string
  /** Default `/`. */
  readonly target?: string
  /** Default 1.1. */
  readonly version?: '1.0' | '1.1'
  /** In this order, behind `Host`. */
  readonly headers?: Headers
  /** Sent together with the head, with its length. */
  readonly body?: string | Buffer
  /** The body follows by `send()`: of this many bytes, or of unknown length. */
  readonly framing?: number | 'chunked'
}

/** `none`: the connection was closed without a response head. */
export type End = 'complete' | 'cut' | 'none'

/** Milliseconds after which a test that waits is given up; generous, since machines are busy. */
export const DEADLINE = 20_000

/** A response as it arrives, and the means to go on with the request. */
export abstract class Answer {
  status = 0
  reason = ''
  /** `name: value`, the name in lower case, in the order in which they came. */
  headers: string[] = []
  /** Statuses of interim responses. */
  interim: number[] = []
  trailers: string[] = []
  end: End | undefined
  bodyLength = 0
  readonly #parts: Buffer[] = []
  #waiting: { test: () => boolean; resolve: () => void }[] = []

  abstract send(chunk: string | Buffer): void
  abstract sendEnd(): void
  /** The client goes away. */
  abstract abort(): void
  /** Stops reading what the server sends. */
  abstract pause(): void
  abstract resume(): void

  get body(): Buffer {
    return Buffer.concat(this.#parts)
  }

  protected head(statusAndReason: string, lines: readonly string[]): void {
    this.status = Number(statusAndReason.slice(0, 3))
    this.reason = statusAndReason.slice(4)
    this.headers = lines.map(lowerName)
    this.changed()
  }

  protected part(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#parts.push(chunk)
    this.bodyLength += chunk.length
    this.changed()
  }

  protected finish(end: End): void {
    if (this.end !== undefined) return
    this.end = end
    this.changed()
  }

  protected changed(): void {
    this.#waiting = this.#waiting.filter(({ test, resolve }) => {
      if (!test()) return true
      resolve()
      return false
    })
  }

  /** Resolves when `test` holds; looked at whenever something arrives. */
  async until(test: () => boolean, what: string): Promise<void> {
    if (test()) return
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      new Promise<void>((resolve) => this.#waiting.push({ test, resolve })),
      new Promise<void>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no ${what} within ${DEADLINE} ms`)), DEADLINE)
      }),
    ])
    clearTimeout(timer)
  }

  /** The response is here whole, or will never be. */
  ended(): Promise<void> {
    return this.until(() => this.end !== undefined, 'end of the response')
  }

  headArrived(): Promise<void> {
    return this.until(() => this.status !== 0, 'response head')
  }

  received(count: number): Promise<void> {
    return this.until(() => this.bodyLength >= count, `${count} bytes of body`)
  }
}

export function lowerName(line: string): string {
  const colon = line.indexOf(':')
  return `${line.slice(0, colon).toLowerCase()}: ${line.slice(colon + 1).trim()}`
}
