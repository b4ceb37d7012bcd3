// Plain CGI (RFC 3875): the environment and descriptor 0 become the records of one FastCGI request, and what comes back
// goes to descriptor 1, so that a request takes the same way through the server in every mode.
import { readFileSync } from 'node:fs'
import { Duplex, type Readable } from 'node:stream'
import { ClientConnection, type ClientRequest } from '../protocol/client-connection.ts'
import { Role } from '../protocol/constants.ts'

/** What a CGI script has of its caller. */
export interface CgiCaller {
  readonly params: readonly (readonly [name: string, value: string | Uint8Array])[]
  /** The request body; asked for only when there is one. */
  readonly stdin: () => Readable
  /** Writes to descriptor 1; `done` when it is out. */
  readonly stdout: (bytes: Uint8Array, done: (error?: Error | null) => void) => void
  /** Calls back when descriptor 1 cannot be written any more. */
  readonly lost: (listener: () => void) => void
  /** Writes to the web server's error log. */
  readonly stderr: (bytes: Uint8Array) => void
}

/** The web server's end of a connection that carries a CGI script's one request. */
export class CgiConnection extends Duplex {
  /** Resolves with the exit status: the application status, or 1 when the response was cut. */
  readonly finished: Promise<number>
  #finish: (status: number) => void = () => {}
  readonly #caller: CgiCaller
  readonly #connection = new ClientConnection<undefined>()
  readonly #request: ClientRequest<undefined>
  readonly #opening: Buffer
  #body: Readable | undefined
  #left: number
  #begun = false

  constructor(caller: CgiCaller) {
    super()
    this.#caller = caller
    this.finished = new Promise((resolve) => {
      this.#finish = resolve
    })
    const { request, bytes } = this.#connection.begin({
      role: Role.Responder,
      keepConnection: false,
      params: caller.params,
      context: undefined,
    })
    this.#request = request
    this.#opening = bytes
    this.#left = bodyLength(new Map(caller.params))
  }

  override _read(): void {
    if (!this.#begun) {
      this.#begun = true
      this.push(this.#opening)
      if (this.#left === 0) this.push(this.#connection.stdinEnd(this.#request))
      else this.#openBody()
    } else {
      this.#body?.resume()
    }
  }

  #openBody(): void {
    const body = this.#caller.stdin()
    this.#body = body
    body.on('data', (chunk: Buffer) => this.#bodyChunk(chunk))
    body.on('end', () => this.#bodyEnd())
    // A descriptor that cannot be read ends the body early, which the app sees as an aborted upload.
    body.on('error', () => this.#bodyEnd())
  }

  #bodyChunk(chunk: Buffer): void {
    const part = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk
    this.#left -= part.length
    let more = true
    for (const bytes of this.#connection.stdin(this.#request, part)) more = this.push(bytes)
    // A script must not read beyond the length it was told (§4.2): descriptor 0 need not end there.
    if (this.#left === 0) this.#bodyEnd()
    else if (!more) this.#body?.pause()
  }

  #bodyEnd(): void {
    const body = this.#body
    this.#body = undefined
    if (body === undefined) return
    body.removeAllListeners('data')
    body.pause()
    const end = this.#connection.stdinEnd(this.#request)
    if (end.length > 0) this.push(end)
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    const parts: Uint8Array[] = []
    let status: number | undefined
    for (const event of this.#connection.receive(chunk)) {
      if (event.type === 'stdout') parts.push(event.data)
      else if (event.type === 'stderr') this.#caller.stderr(event.data)
      else if (event.type === 'end') status = event.appStatus
    }
    const sent = (error?: Error | null): void => {
      if (!error && status !== undefined) this.#finish(status)
      done(error)
    }
    if (parts.length === 0) sent()
    else
      this.#caller.stdout(
        parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts),
        sent,
      )
  }

  /** The server has closed its side, as it does behind the response; so do we, as a web server would. */
  override _final(done: (error?: Error | null) => void): void {
    const body = this.#body
    this.#body = undefined
    body?.removeAllListeners('data')
    body?.pause()
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Whoever has not finished by now has been cut.
    this.#finish(1)
    this.#body?.destroy()
    done(error)
  }
}

/** How many bytes of descriptor 0 are the body: the declared length; all of them only when the server says `chunked`. */
function bodyLength(params: ReadonlyMap<string, string | Uint8Array>): number {
  const text = (name: string): string => {
    const value = params.get(name) ?? ''
    return typeof value === 'string' ? value : Buffer.from(value).toString('latin1')
  }
  const length = text('CONTENT_LENGTH')
  if (/^\d{1,15}$/.test(length)) return Number(length)
  return length === '' && /chunked/i.test(text('HTTP_TRANSFER_ENCODING')) ? Infinity : 0
}

/**
 * The environment as params, byte for byte where the system shows them: Node decodes it as UTF-8 and so loses what is
 * none, such as `%FC` in a path. Variables set since the start count as they are now.
 */
export function environmentParams(
  env: Readonly<Record<string, string | undefined>>,
  block: Buffer = initialEnvironment(),
): [name: string, value: Uint8Array][] {
  const initial = new Map<string, Buffer>()
  for (let start = 0; start < block.length;) {
    const nul = block.indexOf(0, start)
    const entry = block.subarray(start, nul === -1 ? block.length : nul)
    const equals = entry.indexOf(0x3d)
    if (equals > 0) {
      const name = entry.toString('utf8', 0, equals)
      // getenv(3) finds the first of several.
      if (!initial.has(name)) initial.set(name, entry.subarray(equals + 1))
    }
    start += entry.length + 1
  }
  const params: [string, Uint8Array][] = []
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue
    const bytes = initial.get(name)
    params.push([name, bytes?.toString('utf8') === value ? bytes : Buffer.from(value)])
  }
  return params
}

function initialEnvironment(): Buffer {
  try {
    return readFileSync('/proc/self/environ')
  } catch {
    return Buffer.alloc(0)
  }
}

/**
 * Takes the client's headers out of the environment: HTTP_PROXY would redirect the app's own requests (httpoxy), and
 * in no other mode are they there.
 */
export function removeRequestHeaders(env: Record<string, string | undefined>): void {
  for (const name of Object.keys(env)) if (name.startsWith('HTTP_')) delete env[name]
}

/**
 * Takes descriptor 1 away from the app, for it carries the response: `console` and `process.stdout` lead to descriptor 2
 * from here on, loggers that ask `process.stdout.fd` included.
 *
 * @returns the stream that was `process.stdout`
 */
export function claimStdout(): NodeJS.WriteStream {
  const { stdout, stderr } = process
  Object.defineProperty(process, 'stdout', {
    configurable: true,
    enumerable: true,
    get: () => stderr,
  })
  // `console` keeps the stream once it has written to it.
  Object.defineProperty(console, '_stdout', { configurable: true, writable: true, value: stderr })
  return stdout
}
