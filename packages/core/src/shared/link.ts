// A connection to the private socket, up to the byte that says what becomes of it.
import { createConnection, type Socket } from 'node:net'
import { failed, greeting, taken, type GreetingKind } from './greeting.ts'

/** What became of a connection. */
export type Answer =
  /** It is served; `rest` came with the answer. */
  | { readonly type: 'taken'; readonly socket: Socket; readonly rest: Buffer }
  /** The host cannot be started. */
  | { readonly type: 'failed' }
  /** Nothing of it was served: nobody listens, or who listened is leaving. */
  | { readonly type: 'closed' }

/**
 * Connects, greets and waits for the answer.
 *
 * @param first what follows the greeting at once
 * @param signal ends the waiting
 * @throws Error of the system other than that nobody listens there; AbortError
 */
export function greet(
  path: string,
  kind: GreetingKind,
  key: string,
  first?: Buffer,
  signal?: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path, allowHalfOpen: true, ...(signal && { signal }) })
    const settle = (answer: Answer | Error): void => {
      socket.removeAllListeners()
      if (answer instanceof Error) reject(answer)
      else resolve(answer)
      if (answer instanceof Error || answer.type !== 'taken') {
        socket.on('error', () => {})
        socket.destroy()
      }
    }
    socket.on('error', (error: NodeJS.ErrnoException) => {
      settle(error.code !== undefined && nobody.has(error.code) ? { type: 'closed' } : error)
    })
    socket.on('end', () => settle({ type: 'closed' }))
    socket.on('close', () => settle({ type: 'closed' }))
    socket.on('data', (chunk: Buffer) => {
      socket.pause()
      if (chunk[0] === taken) settle({ type: 'taken', socket, rest: chunk.subarray(1) })
      else settle({ type: chunk[0] === failed ? 'failed' : 'closed' })
    })
    const line = greeting(kind, key)
    socket.write(first ? Buffer.concat([Buffer.from(line), first]) : line)
  })
}

/** What a connection ends with that nobody has taken. */
const nobody = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE', 'ENOTSOCK'])
