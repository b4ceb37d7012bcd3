// Lets in who knows the key: reads the first line of each connection to a private socket, in the host and in its workers.
import type { Socket } from 'node:net'
import { readKey } from './folder.ts'
import { maxGreeting, readGreeting, sameKey, taken, type Greeting } from './greeting.ts'

/** Milliseconds for the greeting; a relay sends it with the connection. */
const greetingTimeout = 10_000

/** Takes a connection whose greeting is right, with what followed that line. */
export type Admitted = (socket: Socket, said: Greeting, rest: Buffer) => void

/** See the head of the file. */
export class Doorkeeper {
  readonly #folder: string
  readonly #admitted: Admitted
  readonly #log: (message: string) => void
  #key: string
  #waiting = 0

  /** @throws FolderError when the key cannot be trusted */
  constructor(folder: string, admitted: Admitted, log: (message: string) => void) {
    this.#folder = folder
    this.#admitted = admitted
    this.#log = log
    this.#key = readKey(folder)
  }

  /** The key as it was last read. */
  get key(): string {
    return this.#key
  }

  /** Connections whose greeting has not come yet. */
  get waiting(): number {
    return this.#waiting
  }

  /** Somebody has connected. Who does not know the key is closed without a byte. */
  receive(socket: Socket): void {
    let got: Buffer = Buffer.alloc(0)
    this.#waiting += 1
    const timer = setTimeout(() => socket.destroy(), greetingTimeout).unref()
    const settle = (): void => {
      this.#waiting -= 1
      clearTimeout(timer)
      for (const [event, listener] of listeners) socket.removeListener(event, listener)
    }
    const end = (): void => {
      settle()
      refuse(socket)
    }
    const read = (chunk: Buffer): void => {
      got = got.length === 0 ? chunk : Buffer.concat([got, chunk])
      const line = got.subarray(0, maxGreeting).indexOf(0x0a)
      if (line === -1 && got.length < maxGreeting) return
      settle()
      const said = line === -1 ? undefined : readGreeting(got.toString('latin1', 0, line))
      if (said && this.#knows(said)) this.#admitted(socket, said, got.subarray(line + 1))
      else refuse(socket)
    }
    const listeners = [
      ['data', read],
      ['error', end],
      ['end', end],
      ['close', end],
    ] as const
    for (const [event, listener] of listeners) socket.on(event, listener)
    socket.resume()
  }

  /** The key may have been made anew by whoever found it deleted. */
  #knows({ key }: Greeting): boolean {
    if (sameKey(this.#key, key)) return true
    try {
      this.#key = readKey(this.#folder)
    } catch (error) {
      this.#log(`the key of the private socket: ${(error as Error).message}`)
      return false
    }
    return sameKey(this.#key, key)
  }
}

/** Has a connection served that begins with `rest`. From here on it is answered by this process and no other. */
export function serveTaken(socket: Socket, rest: Buffer, serve: (socket: Socket) => void): void {
  socket.write(Buffer.of(taken))
  socket.pause()
  if (rest.length > 0) socket.unshift(rest)
  serve(socket)
}

/** Closes a connection of which nothing was served. */
export function refuse(socket: Socket): void {
  socket.on('error', () => {})
  socket.destroy()
}
