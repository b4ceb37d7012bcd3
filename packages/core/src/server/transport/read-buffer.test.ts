import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { serving } from '../../../../../test/robustness/serving.ts'
import { begin, pairs, record, stream } from '../../../../../test/support/raw.ts'

/** Bytes that are nowhere the same, made from a name. */
function noise(name: string, length: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < length; at += 32) {
    parts.push(createHash('sha256').update(`${name} ${at}`).digest())
  }
  return Buffer.concat(parts).subarray(0, length)
}

// Large and small reads in turn: handed on where they lie, copied, behind one another in a buffer, in a new one.
const SIZES = [
  40_000, 5_000, 9_000, 300, 20_000, 4_096, 61_000, 4_095, 70, 33_000, 8_000, 8_000, 8_000,
]

describe('a body in pieces', () => {
  it('stays as it came, however long the app keeps it, while others are read', async () => {
    const kept = new Map<string, Buffer[]>()
    let arrived = (): void => {}
    const { connect } = await serving((request, response) => {
      const chunks: Buffer[] = []
      kept.set(request.url ?? '', chunks)
      request.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        arrived()
      })
      request.on('end', () => response.end('whole'))
    })
    const urls = ['/a', '/b', '/c']
    const bodies = new Map(
      urls.map((url) => [url, SIZES.map((size, i) => noise(`${url} ${i}`, size))]),
    )
    const peers = await Promise.all(urls.map(() => connect()))
    urls.forEach((url, i) => {
      const params = pairs({
        REQUEST_METHOD: 'POST',
        REQUEST_URI: url,
        SERVER_PROTOCOL: 'HTTP/1.1',
        CONTENT_LENGTH: String(SIZES.reduce((sum, size) => sum + size)),
      })
      peers[i]?.write(Buffer.concat([begin(1), stream(4, 1, params), record(4, 1)]))
    })
    const held = (url: string): number =>
      (kept.get(url) ?? []).reduce((sum, { length }) => sum + length, 0)
    let sent = 0
    for (const [piece, size] of SIZES.entries()) {
      sent += size
      for (const [i, url] of urls.entries()) {
        // One after the other, so that each is a read of its own, and the connections take turns.
        const here = new Promise<void>((resolve) => {
          arrived = () => {
            if (held(url) === sent) resolve()
          }
        })
        peers[i]?.write(stream(5, 1, bodies.get(url)?.[piece] ?? ''))
        await here
      }
    }
    for (const url of urls) {
      const [got, wanted] = [kept.get(url) ?? [], bodies.get(url) ?? []].map((parts) =>
        createHash('sha256').update(Buffer.concat(parts)).digest('hex'),
      )
      expect([url, got]).toEqual([url, wanted])
    }
  })
})
