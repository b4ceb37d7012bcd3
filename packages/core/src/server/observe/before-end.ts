// Does something in the moment in which a response ends, while its connection still takes something from it.
import type { ServerResponse } from 'node:http'

/** Calls back once, before the response ends, with the bytes of body that it then has. */
export function beforeEnd(response: ServerResponse, work: (bytes: number) => void): void {
  const { write, end } = response
  let bytes = 0
  let isOver = false
  // Own properties, as middleware has them: Express exchanges prototypes.
  response.write = function (this: ServerResponse, ...given: unknown[]): boolean {
    bytes += lengthOf(given)
    return Reflect.apply(write, this, given) as boolean
  } as ServerResponse['write']
  response.end = function (this: ServerResponse, ...given: unknown[]): ServerResponse {
    if (!isOver && !response.writableEnded && !response.destroyed) {
      isOver = true
      work(response.req.method === 'HEAD' ? 0 : bytes + lengthOf(given))
    }
    return Reflect.apply(end, this, given) as ServerResponse
  } as ServerResponse['end']
}

function lengthOf([chunk, encoding]: readonly unknown[]): number {
  if (typeof chunk === 'string') {
    return Buffer.byteLength(
      chunk,
      typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8',
    )
  }
  return chunk instanceof Uint8Array ? chunk.byteLength : 0
}
