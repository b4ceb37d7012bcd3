import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { request } from '../../../../test/support/raw.ts'
import { createServer, type Server } from './server.ts'

const asked = request(1, {
  params: { REQUEST_METHOD: 'GET', REQUEST_URI: '/', SERVER_PROTOCOL: 'HTTP/1.1' },
})

let folder = ''
let server: Server
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fcgi-slow-'))
  vi.useFakeTimers({ toFake: ['setInterval'] })
})
afterEach(() => {
  server.close()
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

/** A peer that has asked, and reads nothing yet. */
async function askSlowly(listener: RequestListener): Promise<net.Socket> {
  server = createServer(listener)
  const path = join(folder, 'slow.sock')
  server.listen(path)
  await once(server, 'listening')
  const peer = net.connect(path)
  peer.pause()
  peer.write(asked)
  return peer
}

async function readAll(peer: net.Socket): Promise<number> {
  let received = 0
  for await (const chunk of peer) received += (chunk as Buffer).length
  return received
}

describe('a response that the peer takes slowly', () => {
  it('is sent to its end, however long after the last write of the app', async () => {
    const size = 8 * 1024 * 1024
    const app = new EventEmitter()
    const ended = once(app, 'ended')
    const peer = await askSlowly((_req, res) => {
      res.end(Buffer.alloc(size, 'x'))
      setImmediate(() => app.emit('ended'))
    })
    await ended
    // A minute in which the peer takes what the kernel holds and nothing more.
    vi.advanceTimersByTime(60_000)
    expect(await readAll(peer)).toBeGreaterThan(size)
  })

  it('tells the app that waits for it, text in small pieces as well', async () => {
    const piece = 'x'.repeat(1000)
    const pieces = 4000
    let left = pieces
    let drains = 0
    const app = new EventEmitter()
    const full = once(app, 'full')
    const finished = once(app, 'finished')
    const peer = await askSlowly((_req, res) => {
      const write = (): void => {
        while (left > 0) {
          left--
          if (res.write(piece)) continue
          const before = drains
          res.once('drain', () => {
            drains++
            write()
          })
          // What the kernel takes is reported within the turn of the event loop.
          setImmediate(() => setImmediate(() => drains === before && app.emit('full')))
          return
        }
        res.end(() => app.emit('finished'))
      }
      write()
    })
    await full
    expect(left).toBeGreaterThan(0)
    expect(await readAll(peer)).toBeGreaterThan(pieces * piece.length)
    await finished
    expect(drains).toBeGreaterThan(10)
  })
})
