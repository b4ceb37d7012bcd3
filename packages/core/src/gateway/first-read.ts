/** Reads a chunked body to its end, for servers that tell its length before they send it. */
import type { IncomingMessage } from 'node:http'

/** As much as is read into memory; above it the answer is 413, as a server's own limit gives. */
export const MAX_FIRST_READ: number = 16 * 1024 * 1024

/**
 * The whole body, or undefined when it is longer than `limit`.
 *
 * @throws when the client goes away before its end
 */
export async function readFirst(
  request: IncomingMessage,
  limit: number = MAX_FIRST_READ,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  // The request must outlive the loop: destroying it would take the answer with it.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer)
    length += (chunk as Buffer).length
    if (length > limit) return undefined
  }
  return Buffer.concat(chunks)
}
