/** The FastCGI side of a comparison: `createServer` and a client that writes records by hand, as nginx does. */
import { once } from 'node:events'
import type http from 'node:http'
import net, { type AddressInfo } from 'node:net'

import { createServer, type ServerOptions } from '@fastcgi/core'
import {
  abort,
  begin,
  params,
  readRecords,
  stdin,
  stdinEnd,
  stream,
  type RawRecord,
} from '../../support/raw.ts'
import { Answer, type Request } from './answer.ts'
import type { Side } from './side.ts'

export interface FastcgiSideOptions extends ServerOptions {
  /** Requests of one connection follow each other on it; otherwise each has its own, which the server closes. */
  readonly kept: boolean
  /** SCRIPT_NAME, in front of every path; default ''. */
  readonly scriptName?: string
}

export class FastcgiSide implements Side {
  readonly name = 'FastCGI'
  readonly server: http.Server
  readonly #options: FastcgiSideOptions
  readonly #connections = new Set<FastcgiConnection>()

  constructor(server: http.Server, options: FastcgiSideOptions) {
    this.server = server
    this.#options = options
  }

  static async start(
    listener: http.RequestListener,
    options: FastcgiSideOptions,
  ): Promise<FastcgiSide> {
    const server = createServer(options, listener)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new FastcgiSide(server, options)
  }

  open(request: Request): Answer {
    let connection = [...this.#connections].find((each) => each.free)
    if (!this.#options.kept || connection === undefined) {
      connection = new FastcgiConnection(
        net.connect((this.server.address() as AddressInfo).port, '127.0.0.1'),
        this.#options.kept,
      )
      this.#connections.add(connection)
      const added = connection
      connection.socket.on('close', () => this.#connections.delete(added))
    }
    const variables = cgiVariables(request, this.#options.scriptName ?? '', this.server)
    return connection.start(request, variables)
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

/** What nginx makes of a request; a list, since a header may come twice. */
function cgiVariables(request: Request, scriptName: string, server: http.Server): Buffer {
  const target = request.target ?? '/'
  const [path = '', query = ''] = target.split(/\?(.*)/s)
  const pairs: [string, string][] = [
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_SOFTWARE', 'nginx/1.22.1'],
    ['REQUEST_METHOD', request.method ?? 'GET'],
    ['SERVER_PROTOCOL', `HTTP/${request.version ?? '1.1'}`],
    ['REQUEST_URI', target],
    ['SCRIPT_NAME', scriptName],
    ['PATH_INFO', decodedPath(path).slice(scriptName.length)],
    ['QUERY_STRING', query],
    ['REMOTE_ADDR', '127.0.0.1'],
    ['REMOTE_PORT', '50000'],
    ['SERVER_ADDR', '127.0.0.1'],
    ['SERVER_PORT', String((server.address() as AddressInfo).port)],
    ['SERVER_NAME', 'example.test'],
  ]
  const headers = request.headers ?? []
  if (!headers.some(([name]) => /^host$/i.test(name))) pairs.push(['HTTP_HOST', 'example.test'])
  let contentType = ''
  for (const [name, value] of headers) {
    // A web server reads the connection's own headers itself.
    if (/^connection$/i.test(name)) continue
    if (/^content-type$/i.test(name)) contentType ||= value
    else pairs.push([`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value.trim()])
  }
  const length = request.body === undefined ? request.framing : Buffer.byteLength(request.body)
  pairs.push(['CONTENT_TYPE', contentType])
  // Without buffering nginx says of a chunked body what the client said.
  if (length === 'chunked') pairs.push(['HTTP_TRANSFER_ENCODING', 'chunked'])
  pairs.push(['CONTENT_LENGTH', typeof length === 'number' ? String(length) : ''])
  return Buffer.concat(pairs.map(([name, value]) => pairBytes(name, value)))
}

function pairBytes(name: string, value: string): Buffer {
  const lengths = [name, value].map(({ length }) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(length)
    if (length < 128) return bytes.subarray(3)
    bytes[0]! |= 128
    return bytes
  })
  return Buffer.concat([...lengths, Buffer.from(name + value, 'latin1')])
}

function decodedPath(path: string): string {
  return path.replace(/%[0-9a-f]{2}/gi, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
}

class FastcgiConnection {
  readonly socket: net.Socket
  readonly #kept: boolean
  #nextId = 1
  #answer: FastcgiAnswer | undefined
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: net.Socket, kept: boolean) {
    this.socket = socket
    this.#kept = kept
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const { records, rest } = readRecords(Buffer.concat([this.#rest, chunk]))
      this.#rest = Buffer.from(rest)
      for (const record of records) this.#answer?.take(record)
    })
    socket.on('close', () => this.#answer?.closed(this.#rest))
  }

  get free(): boolean {
    return !this.socket.destroyed && this.socket.readable && this.#answer?.reusable === true
  }

  start(request: Request, variables: Buffer): Answer {
    const id = this.#nextId++
    this.#answer = new FastcgiAnswer(this.socket, id, this.#kept)
    const parts = [begin(id, 1, this.#kept ? 1 : 0), stream(4, id, variables), params(id, {})]
    if (request.body !== undefined && request.body.length > 0) {
      parts.push(stdin(id, Buffer.from(request.body)))
    }
    if (request.framing === undefined) parts.push(stdinEnd(id))
    this.socket.write(Buffer.concat(parts))
    return this.#answer
  }
}

class FastcgiAnswer extends Answer {
  readonly #socket: net.Socket
  readonly #id: number
  readonly #kept: boolean
  #text: Buffer | undefined = Buffer.alloc(0)
  #stdoutEnded = false
  #aborted = false

  constructor(socket: net.Socket, id: number, kept: boolean) {
    super()
    this.#socket = socket
    this.#id = id
    this.#kept = kept
  }

  get reusable(): boolean {
    return this.end === 'complete' || (this.#aborted && this.#stdoutEnded)
  }

  override send(chunk: string | Buffer): void {
    this.#socket.write(stdin(this.#id, Buffer.from(chunk)))
  }

  override sendEnd(): void {
    this.#socket.write(stdinEnd(this.#id))
  }

  override abort(): void {
    this.#aborted = true
    if (this.#kept) this.#socket.write(abort(this.#id))
    else this.#socket.destroy()
    // What the server still says of the request no client will see.
    this.finish(this.status === 0 ? 'none' : 'cut')
  }

  override pause(): void {
    this.#socket.pause()
  }

  override resume(): void {
    this.#socket.resume()
  }

  closed(rest: Buffer): void {
    if (rest.length > 0 && !this.#aborted) throw new Error(`cut within a record: ${rest.length}`)
    this.finish(this.status === 0 ? 'none' : 'cut')
  }

  take({ type, id, content }: RawRecord): void {
    // UNKNOWN_TYPE, unasked: nginx takes it for an error, and the response for cut.
    if (type === 11 && id === 0) {
      this.finish('cut')
      return
    }
    // Another request's record would be a fault of the server.
    if (id !== this.#id) throw new Error(`record of request ${id}, not ${this.#id}`)
    if (this.end !== undefined && !this.#aborted) throw new Error(`record after END_REQUEST`)
    if (type === 7) return
    if (type === 3) {
      if (!this.#aborted && (content.readUInt32BE(0) !== 0 || content[4] !== 0)) {
        throw new Error(`END_REQUEST ${content.toString('hex')}`)
      }
      if (!this.#stdoutEnded) throw new Error('END_REQUEST before the end of STDOUT')
      if (!this.#aborted && this.status === 0) throw new Error('END_REQUEST without a head')
      this.finish('complete')
      return
    }
    if (type !== 6) throw new Error(`an application does not send type ${type}`)
    if (this.#stdoutEnded) throw new Error('STDOUT after its end')
    if (content.length === 0) this.#stdoutEnded = true
    else if (!this.#aborted) this.#takeContent(content)
  }

  #takeContent(content: Buffer): void {
    if (this.#text === undefined) {
      this.part(content)
      return
    }
    this.#text = Buffer.concat([this.#text, content])
    const at = this.#text.indexOf('\r\n\r\n')
    // Several web servers want the whole head in the first record.
    if (at === -1) throw new Error(`no whole head in the first record: ${this.#text.latin1Slice()}`)
    const lines = this.#text.latin1Slice(0, at).split('\r\n')
    const rest = this.#text.subarray(at + 4)
    this.#text = undefined
    const status = /^Status: (\d{3} .*)$/.exec(lines.pop() as string)
    if (status === null) throw new Error(`Status does not stand last: ${lines.join('|')}`)
    const connection = lines.find((line) =>
      /^(connection|keep-alive|transfer-encoding|trailer|status|upgrade|te):/i.test(line),
    )
    if (connection !== undefined) throw new Error(`hop-by-hop header: ${connection}`)
    this.head(status[1] as string, lines)
    this.part(Buffer.from(rest))
  }
}
