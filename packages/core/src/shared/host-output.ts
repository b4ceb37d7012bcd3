// What the host and its app write to descriptors 1 and 2 goes to a relay that is connected, whose descriptor 2 is the web
// server's error log as it is now: the descriptor the host was started with may be a log that has long been rotated away.
import type { Socket } from 'node:net'

/** Bytes that may wait for a relay before another one is taken. */
const maxWaiting = 1 << 20

/** The relays' control connections. */
export class HostOutput {
  readonly #relays: Socket[] = []

  /** Takes the output of the process from here on. */
  capture(): void {
    for (const stream of [process.stdout, process.stderr]) {
      const original = stream.write.bind(stream) as (...all: unknown[]) => boolean
      const write = (chunk: unknown, ...more: unknown[]): boolean => {
        const relay = this.#choose()
        if (!relay || !isContent(chunk)) return original(chunk, ...more)
        const [encoding] = more
        const callback = more.at(-1)
        relay.write(
          typeof chunk === 'string'
            ? Buffer.from(
                chunk,
                typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8',
              )
            : chunk,
        )
        if (typeof callback === 'function') process.nextTick(callback)
        return true
      }
      stream.write = write as typeof stream.write
    }
  }

  /** A relay has connected. */
  add(relay: Socket): void {
    this.#relays.push(relay)
    relay.once('close', () => {
      const at = this.#relays.indexOf(relay)
      if (at !== -1) this.#relays.splice(at, 1)
    })
  }

  /** Relays that are connected. */
  get count(): number {
    return this.#relays.length
  }

  /** The last one, which was started by the web server as it is now. */
  #choose(): Socket | undefined {
    return this.#relays.findLast((relay) => relay.writable && relay.writableLength < maxWaiting)
  }
}

function isContent(chunk: unknown): chunk is string | Uint8Array {
  return typeof chunk === 'string' || chunk instanceof Uint8Array
}
