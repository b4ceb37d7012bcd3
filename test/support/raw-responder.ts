/**
 * A FastCGI application made of written-out bytes: it decodes what a client sends with code of its own, and answers what
 * the test says, so that a fault of the product's codec cannot hide behind its twin.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A record as it stood on the wire. */
export interface RawRecord {
  type: number
  id: number
  content: Buffer
  padding: number
}

/** Bytes of one record: `version type idB1 idB0 lengthB1 lengthB0 padding reserved`, content, padding. */
export function rawRecord(
  type: number,
  id: number,
  content: Uint8Array | string = '',
  padding = 0,
): Buffer {
  const body = Buffer.from(content as string, 'latin1')
  const { length } = body
  const header = [1, type, id >> 8, id & 255, length >> 8, length & 255, padding, 0]
  return Buffer.concat([Buffer.from(header), body, Buffer.alloc(padding, 0xee)])
}

/** STDOUT records, as many as the content needs. */
export function rawStdout(id: number, content: Uint8Array | string): Buffer {
  const body = Buffer.from(content as string, 'latin1')
  const records: Buffer[] = []
  for (let at = 0; at < body.length; at += 65_535)
    records.push(rawRecord(6, id, body.subarray(at, at + 65_535)))
  return Buffer.concat(records)
}

/** STDOUT's end and END_REQUEST. */
export function rawEnd(id: number, appStatus = 0, protocolStatus = 0): Buffer {
  const content = Buffer.alloc(8)
  content.writeUInt32BE(appStatus, 0)
  content[4] = protocolStatus
  return Buffer.concat([rawRecord(6, id), rawRecord(3, id, content)])
}

/** Pairs of a complete PARAMS stream, latin1, repeated names kept. */
export function rawPairs(block: Buffer): [string, string][] {
  const pairs: [string, string][] = []
  let at = 0
  const length = (): number => {
    const first = block[at]!
    if (first < 128) {
      at += 1
      return first
    }
    const long = block.readUInt32BE(at) & 0x7fffffff
    at += 4
    return long
  }
  while (at < block.length) {
    const name = length()
    const value = length()
    pairs.push([
      block.toString('latin1', at, at + name),
      block.toString('latin1', at + name, at + name + value),
    ])
    at += name + value
  }
  return pairs
}

/** One request, seen from the application. */
export class RawRequest {
  readonly id: number
  readonly role: number
  readonly keep: boolean
  readonly socket: Socket
  /** Number of the connection it came on, from 0. */
  readonly connection: number
  params: [string, string][] = []
  readonly stdinPieces: Buffer[] = []
  readonly dataPieces: Buffer[] = []
  aborted = false
  #waiting: { type: string; resolve: () => void }[] = []
  #happened = new Set<string>()
  readonly paramPieces: Buffer[] = []

  constructor(id: number, role: number, keep: boolean, socket: Socket, connection: number) {
    this.id = id
    this.role = role
    this.keep = keep
    this.socket = socket
    this.connection = connection
  }

  /** What came of STDIN so far. */
  get stdin(): Buffer {
    return Buffer.concat(this.stdinPieces)
  }

  /** What came of DATA so far. */
  get data(): Buffer {
    return Buffer.concat(this.dataPieces)
  }

  /** The last value of a param. */
  param(name: string): string | undefined {
    return this.params.findLast((pair) => pair[0] === name)?.[1]
  }

  /** Resolves when STDIN or DATA has ended, an ABORT_REQUEST came, or the connection was closed by the client. */
  when(type: 'stdin-end' | 'data-end' | 'abort' | 'closed'): Promise<void> {
    if (this.#happened.has(type)) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ type, resolve }))
  }

  happened(type: string): void {
    this.#happened.add(type)
    for (const waiting of this.#waiting) if (waiting.type === type) waiting.resolve()
  }

  /** Writes bytes as they are. */
  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** A whole answer: head and body in STDOUT, END_REQUEST, and the close that KEEP_CONN asks for. */
  answer(output: Uint8Array | string, appStatus = 0): void {
    this.write(Buffer.concat([rawStdout(this.id, output), rawEnd(this.id, appStatus)]))
    if (!this.keep) this.socket.end()
  }
}

/** A listening responder. */
export interface RawResponder {
  readonly socketPath: string
  readonly requests: RawRequest[]
  readonly sockets: Socket[]
  /** Every record that came, in order. */
  readonly records: RawRecord[]
  readonly server: Server
}

/** Listens on a unix socket in a folder of its own until the test ends; `onRequest` runs as soon as PARAMS is complete. */
export async function rawResponder(
  onRequest: (request: RawRequest) => void,
): Promise<RawResponder> {
  const folder = mkdtempSync(join(tmpdir(), 'fastcgi-raw-'))
  const socketPath = join(folder, 'app.sock')
  const requests: RawRequest[] = []
  const sockets: Socket[] = []
  const records: RawRecord[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const number = sockets.push(socket) - 1
    const open = new Map<number, RawRequest>()
    let pending: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      while (pending.length >= 8) {
        const length = pending.readUInt16BE(4)
        const padding = pending[6]!
        if (pending.length < 8 + length + padding) break
        const record: RawRecord = {
          type: pending[1]!,
          id: pending.readUInt16BE(2),
          content: Buffer.from(pending.subarray(8, 8 + length)),
          padding,
        }
        pending = pending.subarray(8 + length + padding)
        records.push(record)
        take(record)
      }
    })
    socket.on('end', () => {
      for (const request of open.values()) request.happened('closed')
      socket.end()
    })
    socket.on('error', () => {})

    const take = ({ type, id, content }: RawRecord): void => {
      if (type === 1) {
        open.set(
          id,
          new RawRequest(id, content.readUInt16BE(0), (content[2]! & 1) === 1, socket, number),
        )
        return
      }
      const request = open.get(id)
      if (request === undefined) return
      if (type === 4 && content.length > 0) request.paramPieces.push(content)
      else if (type === 4) {
        request.params = rawPairs(Buffer.concat(request.paramPieces))
        requests.push(request)
        onRequest(request)
      } else if (type === 5 && content.length > 0) request.stdinPieces.push(content)
      else if (type === 5) request.happened('stdin-end')
      else if (type === 8 && content.length > 0) request.dataPieces.push(content)
      else if (type === 8) request.happened('data-end')
      else if (type === 2) {
        request.aborted = true
        request.happened('abort')
      }
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, resolve)
  })
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    rmSync(folder, { recursive: true, force: true })
  })
  return { socketPath, requests, sockets, records, server }
}
