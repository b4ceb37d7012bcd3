/**
 * A web server made of written-out bytes, as odd as a test wants it: writes what it is told, reads or does not read, and
 * decodes answers with the strict reader of `raw.ts`.
 */
import net from 'node:net'
import type { Server } from 'node:http'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

import { readAnswer, readRecords, type RawAnswer, type RawRecord } from './raw.ts'
import { until } from './until.ts'

/** Where a server listens. */
export type Address = string | { readonly host: string; readonly port: number }

/** Listens until the test ends: on a unix socket in a folder of its own, or on a free port of 127.0.0.1. */
export async function listen(server: Server, over: 'unix' | 'tcp' = 'unix'): Promise<Address> {
  let address: Address
  if (over === 'tcp') {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    address = { host: '127.0.0.1', port }
  } else {
    const folder = mkdtempSync(join(tmpdir(), 'fastcgi-robust-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    address = join(folder, 'app.sock')
    server.listen(address)
    await once(server, 'listening')
  }
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return address
}

/** Connects; the connection is closed when the test ends. */
export async function connect(address: Address): Promise<RawPeer> {
  const socket = typeof address === 'string' ? net.connect(address) : net.connect(address)
  const peer = new RawPeer(socket)
  await once(socket, 'connect')
  return peer
}

/** One connection, seen from the web server's end. */
export class RawPeer {
  readonly socket: net.Socket
  /** Complete records that came, in order. */
  readonly records: RawRecord[] = []
  /** Bytes that came. */
  received = 0
  /** The other end has said that nothing more comes, or cut the connection. */
  ended = false
  /** The error the connection ended with. */
  error: NodeJS.ErrnoException | undefined
  #rest: Buffer = Buffer.alloc(0)
  #listeners: (() => void)[] = []

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length
      const { records, rest } = readRecords(
        this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]),
      )
      this.#rest = Buffer.from(rest)
      for (const record of records) this.records.push(record)
      this.#tell()
    })
    const end = (): void => {
      this.ended = true
      this.#tell()
    }
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error))
    onTestFinished(() => void socket.destroy())
  }

  #tell(): void {
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }

  /** Bytes after the last complete record. */
  get rest(): Buffer {
    return this.#rest
  }

  /** Writes bytes as they are. */
  write(...parts: Uint8Array[]): void {
    this.socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
  }

  /** The same, and waits until the kernel has them: with a server that does not read, for ever. */
  async flush(bytes: Uint8Array): Promise<void> {
    if (!this.socket.write(bytes)) await once(this.socket, 'drain')
  }

  /** Resolves when `condition` holds; looks after each read. */
  async when(condition: () => boolean, what: string): Promise<void> {
    const deadline = setTimeout(() => this.#tell(), 30_000)
    const start = performance.now()
    while (!condition()) {
      if (performance.now() - start > 30_000) {
        throw new Error(`${what} did not come; got ${JSON.stringify(this.records.slice(-5))}`)
      }
      await new Promise<void>((resolve) => this.#listeners.push(resolve))
    }
    clearTimeout(deadline)
  }

  /** The answer to a request, once its END_REQUEST is there or the connection has ended. */
  async answer(id: number): Promise<RawAnswer> {
    await this.when(() => this.ended || this.has(3, id), `END_REQUEST of ${id}`)
    return readAnswer(this.records, id)
  }

  has(type: number, id: number): boolean {
    return this.records.some((record) => record.type === type && record.id === id)
  }

  /** Resolves when the other end has ended the connection. */
  async end(): Promise<void> {
    await this.when(() => this.ended, 'the end of the connection')
  }

  /** Forgets what has come: ids can be used anew. */
  clear(): void {
    this.records.length = 0
  }
}

/** The params of a plain request. */
export function requestParams(
  url = '/',
  method = 'GET',
  more: Record<string, string> = {},
): Record<string, string> {
  return {
    REQUEST_METHOD: method,
    REQUEST_URI: url,
    QUERY_STRING: '',
    SERVER_PROTOCOL: 'HTTP/1.1',
    SERVER_SOFTWARE: 'test',
    ...more,
  }
}

/** The status of a CGI answer. */
export function statusOf(answer: RawAnswer): number {
  return Number(/^Status: (\d+)/m.exec(answer.stdout)?.[1])
}

/** The body of a CGI answer. */
export function bodyOf(answer: RawAnswer): string {
  return answer.stdout.slice(answer.stdout.indexOf('\r\n\r\n') + 4)
}

/** Resolves when something the server counts is so. */
export async function settled(condition: () => boolean, what: string): Promise<void> {
  await until(condition, what)
}
