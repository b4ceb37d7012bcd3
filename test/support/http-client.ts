/**
 * An HTTP/1.1 client over a bare socket, for tests: it sends a target byte for byte as given, where
 * node:http and fetch would normalise or refuse it, and it hands on a body as it arrives.
 */
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'

/** Milliseconds a request may take before it fails; generous, since test machines are busy. */
const DEADLINE = 60_000

export type HeaderList = readonly (readonly [name: string, value: string])[]

export interface HttpRequest {
  readonly port: number
  /** Where to connect; default 127.0.0.1. */
  readonly address?: string
  /** Connect to this unix socket instead of a port. */
  readonly socketPath?: string
  /** Speak TLS, with these options; certificates are not verified unless asked. */
  readonly tls?: tls.ConnectionOptions
  readonly method?: string
  /** Sent exactly so, as latin1 bytes; default `/`. */
  readonly target?: string
  /** Default `HTTP/1.1`. */
  readonly version?: string
  /** Sent in this order; `Host` and `Connection: close` are added when missing. */
  readonly headers?: HeaderList | Readonly<Record<string, string>>
  /**
   * Sent with its Content-Length; an iterable is sent chunked, as the parts come. One that throws
   * breaks the connection off in mid-upload.
   */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>
  /** Milliseconds until the request fails; default 60 000. */
  readonly timeout?: number
}

/** The head of a response, and its body as it arrives. */
export interface HttpStream {
  readonly status: number
  readonly reason: string
  /** Lower-case names; repeated ones joined by `, `, set-cookie by a line feed. */
  readonly headers: Readonly<Record<string, string>>
  readonly rawHeaders: HeaderList
  /** True once the body ended as its framing promised: false for one cut short. */
  readonly complete: boolean
  readonly socket: net.Socket
  /** Body parts, unframed, in the pieces in which they came. Ends early, with complete false, when cut. */
  chunks(): AsyncIterableIterator<Buffer>
  /** Goes away without a word, as a closed browser tab does. */
  destroy(): void
}

export interface HttpResponse {
  readonly status: number
  readonly reason: string
  readonly headers: Readonly<Record<string, string>>
  readonly rawHeaders: HeaderList
  readonly body: Buffer
  readonly text: string
  readonly complete: boolean
  /** The `Set-Cookie` lines. */
  readonly cookies: readonly string[]
  /** The body parsed; throws with status and body in the message when it is no JSON. */
  json(): any
}

/** Reads a socket: up to a mark, a number of bytes, or whatever is there. */
class SocketReader {
  readonly #iterator: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)
  #ended = false

  constructor(socket: net.Socket) {
    this.#iterator = socket.iterator({ destroyOnReturn: false })
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false
    const { value, done } = await this.#iterator.next()
    if (done === true) {
      this.#ended = true
      return false
    }
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value])
    return true
  }

  /** Bytes before the mark, which is consumed; undefined at the end of the stream. */
  async until(mark: string): Promise<Buffer | undefined> {
    for (;;) {
      const at = this.#rest.indexOf(mark)
      if (at >= 0) {
        const before = this.#rest.subarray(0, at)
        this.#rest = this.#rest.subarray(at + mark.length)
        return before
      }
      if (!(await this.#more())) return undefined
    }
  }

  /** Between 1 and `limit` bytes, as they come; undefined at the end of the stream. */
  async some(limit: number): Promise<Buffer | undefined> {
    if (this.#rest.length === 0 && !(await this.#more())) return undefined
    const part = this.#rest.subarray(0, limit)
    this.#rest = this.#rest.subarray(part.length)
    return part
  }
}

function headerList(headers: HttpRequest['headers']): HeaderList {
  if (headers === undefined) return []
  return Array.isArray(headers) ? (headers as HeaderList) : Object.entries(headers)
}

function headOf(request: HttpRequest): string {
  const headers = [...headerList(request.headers)]
  const has = (name: string): boolean => headers.some(([key]) => key.toLowerCase() === name)
  const version = request.version ?? 'HTTP/1.1'
  if (!has('host') && version !== 'HTTP/1.0') {
    headers.unshift(['Host', `localhost:${String(request.port)}`])
  }
  if (!has('connection')) headers.push(['Connection', 'close'])
  const { body } = request
  if (typeof body === 'string' || body instanceof Uint8Array) {
    if (!has('content-length')) {
      headers.push(['Content-Length', String(Buffer.byteLength(body))])
    }
  } else if (body !== undefined && !has('transfer-encoding') && !has('content-length')) {
    headers.push(['Transfer-Encoding', 'chunked'])
  }
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `${request.method ?? 'GET'} ${request.target ?? '/'} ${version}\r\n${lines}\r\n`
}

async function sendBody(socket: net.Socket, request: HttpRequest): Promise<void> {
  const { body } = request
  if (body === undefined) return
  const write = async (part: string | Uint8Array): Promise<void> => {
    if (socket.writable && !socket.write(part)) {
      // A server that refuses an upload closes: then there is no drain to wait for.
      await Promise.race([once(socket, 'drain'), once(socket, 'close')])
    }
  }
  if (typeof body === 'string' || body instanceof Uint8Array) return write(body)
  const chunked = !headerList(request.headers).some(([k]) => k.toLowerCase() === 'content-length')
  for await (const part of body) {
    if (!socket.writable) return
    if (chunked) socket.write(`${Buffer.byteLength(part).toString(16)}\r\n`)
    await write(part)
    if (chunked) socket.write('\r\n')
  }
  if (chunked) await write('0\r\n\r\n')
}

async function connect(request: HttpRequest): Promise<net.Socket> {
  const where =
    request.socketPath === undefined
      ? { host: request.address ?? '127.0.0.1', port: request.port }
      : { path: request.socketPath }
  const options = { rejectUnauthorized: false, ...where, ...request.tls }
  const socket = request.tls === undefined ? net.connect(where) : tls.connect(options)
  socket.setNoDelay(true)
  // Each wait for 'drain' listens for 'close' too, and a long upload waits often.
  socket.setMaxListeners(0)
  await once(socket, request.tls === undefined ? 'connect' : 'secureConnect')
  return socket
}

/** Sends a request and resolves when the response head is there; 1xx heads are passed over. */
export async function openHttp(request: HttpRequest): Promise<HttpStream> {
  const socket = await connect(request)
  const timeout = request.timeout ?? DEADLINE
  const what = `${request.method ?? 'GET'} ${request.target ?? '/'}`
  const timer = setTimeout(() => {
    socket.destroy(new Error(`no complete response to ${what} within ${String(timeout)} ms`))
  }, timeout)
  socket.on('close', () => clearTimeout(timer))
  // Errors reach the reader through the iterator; this keeps one after the end from being uncaught.
  socket.on('error', () => {})
  socket.write(headOf(request), 'latin1')
  const sent = sendBody(socket, request)
  sent.catch((error: Error) => socket.destroy(error))

  const reader = new SocketReader(socket)
  let status = 0
  let reason = ''
  let rawHeaders: [string, string][] = []
  do {
    const head = await reader.until('\r\n\r\n')
    if (head === undefined) throw new Error(`connection closed before the response head of ${what}`)
    const [first = '', ...lines] = head.toString('latin1').split('\r\n')
    const match = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first)
    if (match === null) throw new Error(`no HTTP status line in answer to ${what}: ${first}`)
    status = Number(match[1])
    reason = match[2] ?? ''
    rawHeaders = lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
  } while (status >= 100 && status < 200)

  const headers: Record<string, string> = {}
  for (const [name, value] of rawHeaders) {
    const key = name.toLowerCase()
    const before = headers[key]
    const joint = key === 'set-cookie' ? '\n' : ', '
    headers[key] = before === undefined ? value : `${before}${joint}${value}`
  }

  const bare = request.method === 'HEAD' || status === 204 || status === 304
  const stream = {
    status,
    reason,
    headers,
    rawHeaders,
    complete: false,
    socket,
    async *chunks(): AsyncIterableIterator<Buffer> {
      try {
        if (bare) {
          stream.complete = true
        } else if (/\bchunked\b/i.test(headers['transfer-encoding'] ?? '')) {
          yield* chunkedBody()
        } else {
          yield* plainBody()
        }
      } finally {
        socket.destroy()
      }
    },
    destroy(): void {
      socket.destroy()
    },
  }

  async function* plainBody(): AsyncIterableIterator<Buffer> {
    const length = headers['content-length']
    let left = length === undefined ? Infinity : Number(length)
    while (left > 0) {
      const part = await reader.some(left)
      if (part === undefined) break
      left -= part.length
      yield part
    }
    stream.complete = left === 0 || left === Infinity
  }

  async function* chunkedBody(): AsyncIterableIterator<Buffer> {
    for (;;) {
      const line = await reader.until('\r\n')
      if (line === undefined) return
      let left = parseInt(line.toString('latin1'), 16)
      if (left === 0) {
        stream.complete = true
        return
      }
      while (left > 0) {
        const part = await reader.some(left)
        if (part === undefined) return
        left -= part.length
        yield part
      }
      if ((await reader.until('\r\n')) === undefined) return
    }
  }

  return stream
}

/** Sends a request and resolves with the whole response. A body cut short gives `complete: false`. */
export async function http(request: HttpRequest): Promise<HttpResponse> {
  const stream = await openHttp(request)
  const parts: Buffer[] = []
  try {
    for await (const part of stream.chunks()) parts.push(part)
  } catch (error) {
    // A reset in mid-body is what the tests of cut responses look at; a timeout is a failure.
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
  }
  const body = Buffer.concat(parts)
  return {
    status: stream.status,
    reason: stream.reason,
    headers: stream.headers,
    rawHeaders: stream.rawHeaders,
    body,
    text: body.toString(),
    complete: stream.complete,
    cookies: stream.rawHeaders.filter(([k]) => k.toLowerCase() === 'set-cookie').map(([, v]) => v),
    json(): any {
      try {
        return JSON.parse(body.toString())
      } catch {
        throw new Error(
          `status ${String(stream.status)}, no JSON: ${body.toString().slice(0, 500)}`,
        )
      }
    },
  }
}
