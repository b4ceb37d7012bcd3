// `req.fastcgi`: what the web server said about a request beyond HTTP. An own property of the request, so that it
// survives frameworks that replace prototypes; everything in it is made when it is first looked at.
import { Writable, type Readable } from 'node:stream'
import type { ServerResponse } from 'node:http'

/** What `req.fastcgi` asks of the exchange it belongs to. */
export interface FastcgiRequestOwner {
  readonly requestId: number
  readonly role: number
  readonly params: Record<string, string>
  readonly mount: string
  readonly identity: {
    readonly remoteUser?: string | undefined
    readonly authType?: string | undefined
  }
  readonly signal: AbortSignal
  readonly data: Readable | undefined
  readonly response: ServerResponse
  writeStderr(text: Uint8Array, done: () => void): void
}

/** The role a web server asks for (FastCGI specification §6). */
export type RoleName = 'responder' | 'authorizer' | 'filter'

const roleNames: readonly RoleName[] = ['responder', 'responder', 'authorizer', 'filter']

/** What the web server said about a request beyond HTTP: `req.fastcgi`, `ctx.fastcgi`, `request.fastcgi`. */
export class FastcgiRequest {
  readonly #owner: FastcgiRequestOwner
  #stderr: Writable | undefined

  constructor(owner: FastcgiRequestOwner) {
    this.#owner = owner
  }

  /**
   * Every CGI variable the web server sent, by name, in an object without prototype. Values are text, a byte a
   * character (latin1) as in Node's headers; of a variable sent twice the last counts. Names that begin with `HTTP_`
   * come from the client. RFC 3875 §4.1.
   */
  get params(): Record<string, string> {
    return this.#owner.params
  }

  /** The role this request was sent for. */
  get role(): RoleName {
    return roleNames[this.#owner.role] ?? 'responder'
  }

  /** The FastCGI request id, 1 to 65535: unique on its connection while the request runs. */
  get requestId(): number {
    return this.#owner.requestId
  }

  /** The path the app is mounted at, as the web server's configuration has it: `''` at the root, `'/app'` below it. */
  get mount(): string {
    return this.#owner.mount
  }

  /**
   * The user the web server authenticated (REMOTE_USER). Undefined when there is none, and where the server is nginx,
   * HAProxy or unknown, since those pass the name of a Basic header without having checked it (option
   * `trustRemoteUser`); and while Apache asks an authorizer whether that user's password is right.
   */
  get remoteUser(): string | undefined {
    return this.#owner.identity.remoteUser
  }

  /** How the user was authenticated (AUTH_TYPE): `'Basic'`, `'Negotiate'`, …; undefined when `remoteUser` is. */
  get authType(): string | undefined {
    return this.#owner.identity.authType
  }

  /** A stream to the web server's error log (FCGI_STDERR, FastCGI specification §5.3). */
  get stderr(): Writable {
    return (this.#stderr ??= new Writable({
      decodeStrings: true,
      write: (chunk: Buffer, _encoding, done) => {
        this.#owner.writeStderr(chunk, done)
      },
    }))
  }

  /** Aborts when the client or the web server has gone before the response was complete. */
  get signal(): AbortSignal {
    return this.#owner.signal
  }

  /** Filter role: the file to be filtered (FCGI_DATA, FastCGI specification §6.4); undefined in other roles. */
  get data(): Readable | undefined {
    return this.#owner.data
  }

  /**
   * Authorizer role: lets the request through, and hands variables to the web server's environment for it
   * (`Variable-NAME` headers, FastCGI specification §6.3).
   *
   * @param variables names and values; a name is a header token
   * @throws TypeError in another role, or for a name or value that cannot stand in a header
   */
  allow(variables: Readonly<Record<string, string>> = {}): void {
    this.#onlyAuthorizer('allow')
    const { response } = this.#owner
    response.statusCode = 200
    for (const [name, value] of Object.entries(variables))
      response.setHeader(`Variable-${name}`, value)
    response.end()
  }

  /**
   * Authorizer role: refuses the request.
   *
   * @param status HTTP status the client gets, default 403; 200 is refused, since it would allow
   * @param body text of the answer
   * @throws TypeError in another role; RangeError for a status below 300
   */
  deny(status = 403, body = ''): void {
    this.#onlyAuthorizer('deny')
    if (!(status >= 300 && status <= 599)) {
      throw new RangeError(`deny() takes a status from 300 to 599, not ${status}.`)
    }
    const { response } = this.#owner
    response.statusCode = status
    response.end(body)
  }

  #onlyAuthorizer(method: string): void {
    if (this.role !== 'authorizer') {
      throw new TypeError(
        `req.fastcgi.${method}() belongs to the authorizer role; this request is a ${this.role}.`,
      )
    }
  }
}

declare module 'node:http' {
  interface IncomingMessage {
    /** What the web server said beyond HTTP; there on every request that came over FastCGI. */
    fastcgi: FastcgiRequest
  }
}
