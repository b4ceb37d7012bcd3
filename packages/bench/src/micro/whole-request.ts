/**
 * A whole request without a kernel: bytes in by a stream that is none, bytes out to nowhere. What is left is what our
 * JavaScript, Node's `http` objects and V8 cost together.
 */
import { EventEmitter } from 'node:events'
import type { Rooms } from './rooms.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Stands in for the connection from the web server. */
class Wire extends EventEmitter {
  readonly writableHighWaterMark = 16_384
  readonly readableHighWaterMark = 16_384
  readonly writableLength = 0
  bytesWritten = 0
  destroyed = false
  #answered: (() => void) | undefined

  /** Sends the request and waits until something has been written. */
  async ask(bytes: Buffer): Promise<void> {
    const answered = new Promise<void>((resolve) => {
      this.#answered = resolve
    })
    this.emit('data', bytes)
    return answered
  }

  write(
    chunk: string | Uint8Array,
    encoding?: string | ((error?: Error) => void),
    done?: (error?: Error) => void,
  ): boolean {
    this.bytesWritten += chunk.length
    const callback = typeof encoding === 'function' ? encoding : done
    if (callback) process.nextTick(callback)
    this.#answered?.()
    return true
  }

  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {
    this.destroyed = true
  }
}

/** A server with one listener and a connection to it; the function serves one request. */
export function wholeRequest(
  rooms: Rooms,
  listener: (req: IncomingMessage, res: ServerResponse) => void,
): (bytes: Buffer) => Promise<void> {
  const wire = new Wire()
  rooms.createServer(listener).acceptConnection(wire)
  return async (bytes) => wire.ask(bytes)
}
