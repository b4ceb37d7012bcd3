import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RecordType } from '../protocol/constants.ts'
import { beginRequest, paramsRecords, streamEnd } from '../protocol/record-writer.ts'
import { createServer } from './server.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fcgi-slow-'))
  vi.useFakeTimers({ toFake: ['setInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

describe('a response that the peer takes slowly', () => {
  it('is sent to its end, however long after the last write of the app', async () => {
    const size = 8 * 1024 * 1024
    let appEnded = (): void => {}
    const ended = new Promise<void>((resolve) => {
      appEnded = resolve
    })
    const server = createServer((_req, res) => {
      res.end(Buffer.alloc(size, 'x'))
      setImmediate(() => appEnded())
    })
    const path = join(folder, 'slow.sock')
    server.listen(path)
    await once(server, 'listening')
    const peer = net.connect(path)
    peer.pause()
    peer.write(
      Buffer.concat([
        beginRequest(1, 1, 0),
        ...paramsRecords(1, [
          ['REQUEST_METHOD', 'GET'],
          ['REQUEST_URI', '/'],
          ['SERVER_PROTOCOL', 'HTTP/1.1'],
        ]),
        streamEnd(RecordType.Stdin, 1),
      ]),
    )
    await ended
    // A minute in which the peer takes what the kernel holds and nothing more.
    vi.advanceTimersByTime(60_000)
    let received = 0
    for await (const chunk of peer) received += (chunk as Buffer).length
    expect(received).toBeGreaterThan(size)
    server.close()
  })
})
