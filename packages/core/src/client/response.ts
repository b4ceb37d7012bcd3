/** What a caller gets for a request: the head at once, the body as a stream, the end of the request after it. */
import type { Readable } from 'node:stream'
import { ClientError, ClientErrorCode } from './errors.ts'
import type { ResponseHead } from './response-head.ts'

/** What is known of a request only while it runs or after it; filled by the connection. */
export interface RequestOutcome {
  stderr: string
  appStatus: number | undefined
  protocolStatus: number | undefined
}

/** The answer of an application. */
export class ClientResponse implements ResponseHead {
  /** 100 to 999; 200 when the application named none, 302 when it named none but a Location. */
  readonly status: number
  /** The reason, as sent or the usual one. */
  readonly statusText: string
  /** By lower-case name; a repeated header joined by `, `, `set-cookie` always an array. No prototype. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** Name, value, name, value … as sent, without `Status`. */
  readonly rawHeaders: readonly string[]
  /**
   * The body. Read it or destroy it, else the connection stays busy. It fails with a {@link ClientError} (FCGI_CUT,
   * FCGI_TIMEOUT) when it was not complete; destroying it aborts the request.
   */
  readonly body: Readable
  readonly #outcome: RequestOutcome

  constructor(head: ResponseHead, body: Readable, outcome: RequestOutcome) {
    this.status = head.status
    this.statusText = head.statusText
    this.headers = head.headers
    this.rawHeaders = head.rawHeaders
    this.body = body
    this.#outcome = outcome
  }

  /** What the application wrote to FCGI_STDERR so far: UTF-8 text, the first 64 KiB of it. */
  get stderr(): string {
    return this.#outcome.stderr
  }

  /** What exit() of a CGI program would have given; undefined until the body has ended. */
  get appStatus(): number | undefined {
    return this.#outcome.appStatus
  }

  /** 0 for a completed request; undefined until the body has ended. */
  get protocolStatus(): number | undefined {
    return this.#outcome.protocolStatus
  }

  /** True for a status of 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  /** Reads the body to its end. @throws {ClientError} when it is cut */
  async bytes(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of this.body) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }

  /** The body as UTF-8 text. @throws {ClientError} when it is cut */
  async text(): Promise<string> {
    return (await this.bytes()).toString('utf8')
  }

  /** The body as JSON. @throws {ClientError} FCGI_BAD_RESPONSE when it is not JSON */
  async json(): Promise<unknown> {
    const text = await this.text()
    try {
      return JSON.parse(text) as unknown
    } catch (cause) {
      throw new ClientError(ClientErrorCode.BadResponse, 'The body is not JSON', {
        cause,
        stderr: this.stderr,
      })
    }
  }

  /** Reads the rest of the body and forgets it, so that the connection is free. Never throws. */
  async discard(): Promise<void> {
    if (this.body.destroyed) return
    await new Promise<void>((resolve) => {
      this.body.once('close', resolve)
      this.body.on('error', () => {})
      this.body.resume()
    })
  }
}
