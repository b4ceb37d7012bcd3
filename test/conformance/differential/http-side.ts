/** The HTTP side of a comparison: `node:http` and a client on a bare socket. */
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'

import { Answer, lowerName, type Request } from './answer.ts'
import type { Side } from './side.ts'

export class HttpSide implements Side {
  readonly name = 'node:http'
  readonly server: http.Server
  readonly #kept: boolean
  readonly #connections = new Set<HttpConnection>()

  constructor(server: http.Server, kept: boolean) {
    this.server = server
    this.#kept = kept
  }

  static async start(
    listener: http.RequestListener | http.Server,
    options: { kept: boolean } & http.ServerOptions,
  ): Promise<HttpSide> {
    const server = typeof listener === 'function' ? http.createServer(options, listener) : listener
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new HttpSide(server, options.kept)
  }

  open(request: Request): Answer {
    let connection = [...this.#connections].find((each) => each.free)
    if (!this.#kept || connection === undefined) {
      connection = new HttpConnection(net.connect((this.server.address() as AddressInfo).port))
      this.#connections.add(connection)
      const added = connection
      connection.socket.on('close', () => this.#connections.delete(added))
    }
    return connection.start(request, this.#kept)
  }

  async close(): Promise<void> {
    for (const { socket } of this.#connections) socket.destroy()
    this.server.closeAllConnections()
    if (!this.server.listening) return
    const closed = once(this.server, 'close')
    this.server.close()
    await closed
  }
}

class HttpConnection {
  readonly socket: net.Socket
  #answer: HttpAnswer | undefined
  #buffer: Buffer = Buffer.alloc(0)

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
      if (this.#answer === undefined) return
      try {
        this.#buffer = this.#answer.take(this.#buffer)
      } catch (error) {
        socket.destroy()
        throw error
      }
    })
    socket.on('close', () => this.#answer?.closed())
  }

  get free(): boolean {
    return !this.socket.destroyed && this.socket.readable && this.#answer?.reusable === true
  }

  start(request: Request, kept: boolean): Answer {
    this.#answer = new HttpAnswer(this.socket, request)
    const version = request.version ?? '1.1'
    const lines = [`${request.method ?? 'GET'} ${request.target ?? '/'} HTTP/${version}`]
    const headers = request.headers ?? []
    if (!headers.some(([name]) => /^host$/i.test(name))) lines.push('Host: example.test')
    for (const [name, value] of headers) lines.push(`${name}: ${value}`)
    if (request.body !== undefined) {
      lines.push(`Content-Length: ${Buffer.byteLength(request.body)}`)
    } else if (request.framing === 'chunked') {
      lines.push('Transfer-Encoding: chunked')
    } else if (request.framing !== undefined) {
      lines.push(`Content-Length: ${request.framing}`)
    }
    if (!kept || version === '1.0') lines.push(`Connection: ${kept ? 'keep-alive' : 'close'}`)
    const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    this.socket.write(Buffer.concat([head, Buffer.from(request.body ?? '')]))
    return this.#answer
  }
}

class HttpAnswer extends Answer {
  readonly #socket: net.Socket
  readonly #method: string
  readonly #chunked: boolean
  #state: 'head' | 'length' | 'close' | 'size' | 'chunk' | 'chunk-end' | 'trailers' | 'done' =
    'head'
  #left = 0
  #close = false
  /** Bytes of the request that have not been sent: with any the connection serves no other. */
  #unsent: number

  constructor(socket: net.Socket, request: Request) {
    super()
    this.#socket = socket
    this.#method = request.method ?? 'GET'
    this.#chunked = request.framing === 'chunked'
    this.#unsent = this.#chunked ? 1 : ((request.framing ?? 0) as number)
  }

  get reusable(): boolean {
    return this.end === 'complete' && !this.#close && this.#unsent === 0
  }

  override send(chunk: string | Buffer): void {
    const content = Buffer.from(chunk)
    if (!this.#chunked) {
      this.#socket.write(content)
      this.#unsent -= content.length
    } else {
      const size = Buffer.from(`${content.length.toString(16)}\r\n`)
      this.#socket.write(Buffer.concat([size, content, Buffer.from('\r\n')]))
    }
  }

  override sendEnd(): void {
    if (!this.#chunked) return
    this.#socket.write('0\r\n\r\n')
    this.#unsent = 0
  }

  override abort(): void {
    this.#socket.destroy()
  }

  override pause(): void {
    this.#socket.pause()
  }

  override resume(): void {
    this.#socket.resume()
  }

  closed(): void {
    if (this.#state === 'close') this.finish('complete')
    else this.finish(this.#state === 'head' ? 'none' : 'cut')
  }

  /** Reads what it can; returns the rest. */
  take(input: Buffer): Buffer {
    let rest = input
    while (rest.length > 0) {
      const before = rest
      const state = this.#state
      if (state === 'head') rest = this.#takeHead(rest)
      else if (state === 'length' || state === 'chunk') rest = this.#takeContent(rest)
      else if (state === 'close') {
        this.part(rest)
        rest = Buffer.alloc(0)
      } else if (state !== 'done') rest = this.#takeLine(rest)
      if (rest === before && state === this.#state) break
    }
    return rest
  }

  #takeHead(input: Buffer): Buffer {
    const at = input.indexOf('\r\n\r\n')
    if (at === -1) return input
    const [first = '', ...lines] = input.latin1Slice(0, at).split('\r\n')
    const match = /^HTTP\/1\.1 (\d{3} .*)$/.exec(first)
    if (match === null) throw new Error(`no status line: ${first}`)
    const status = Number(match[1]?.slice(0, 3))
    if (status < 200) {
      this.interim.push(status)
      this.changed()
      return input.subarray(at + 4)
    }
    this.head(match[1] as string, lines)
    const value = (name: string): string | undefined =>
      this.headers.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
    this.#close = value('connection') === 'close'
    const length = value('content-length')
    if (this.#method === 'HEAD' || status === 204 || status === 304) this.#done()
    else if (/chunked/i.test(value('transfer-encoding') ?? '')) this.#state = 'size'
    else if (length === undefined) this.#state = 'close'
    else {
      this.#left = Number(length)
      this.#state = 'length'
      if (this.#left === 0) this.#done()
    }
    return input.subarray(at + 4)
  }

  #takeContent(input: Buffer): Buffer {
    if (input.length === 0) return input
    const part = input.subarray(0, this.#left)
    this.#left -= part.length
    this.part(part)
    if (this.#left === 0) {
      if (this.#state === 'length') this.#done()
      else this.#state = 'chunk-end'
    }
    return input.subarray(part.length)
  }

  #takeLine(input: Buffer): Buffer {
    const at = input.indexOf('\r\n')
    if (at === -1) return input
    const line = input.latin1Slice(0, at)
    if (this.#state === 'chunk-end') this.#state = 'size'
    else if (this.#state === 'size') {
      this.#left = Number.parseInt(line, 16)
      if (Number.isNaN(this.#left)) throw new Error(`no chunk size: ${line}`)
      this.#state = this.#left === 0 ? 'trailers' : 'chunk'
    } else if (line === '') this.#done()
    else this.trailers.push(lowerName(line))
    return input.subarray(at + 2)
  }

  #done(): void {
    this.#state = 'done'
    this.finish('complete')
  }
}
