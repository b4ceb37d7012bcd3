import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { begin as beginRecord, record } from '../../../../test/support/raw.ts'
import { until } from '../../../../test/support/until.ts'
import { Passage, type PassageOwner } from './passage.ts'

/** A relay in this process: `web` is the web server's end, `app` the host's. */
interface Pair {
  readonly web: Socket
  readonly app: Socket
  readonly passage: Passage
  /** The relay's ends. */
  readonly peer: Socket
  readonly host: Socket
  /** Why requests were answered by the relay. */
  readonly reasons: string[]
  readonly closed: Promise<void>
}

let folder = ''
let open: (Server | Socket)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fcgi-passage-'))
  open = []
})
afterEach(() => {
  for (const each of open) {
    if ('destroy' in each) each.destroy()
    else each.close()
  }
  rmSync(folder, { recursive: true, force: true })
})

async function listening(name: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  open.push(server)
  await once(server.listen(join(folder, name)), 'listening')
  return server
}

function connected(name: string): Socket {
  const socket = connect({ path: join(folder, name), allowHalfOpen: true })
  socket.on('error', () => {})
  open.push(socket)
  return socket
}

/** @param before what happens while the relay is connecting to the host */
async function pair(
  name: string,
  first: Buffer,
  before?: (web: Socket, peer: Socket) => Promise<unknown>,
): Promise<Pair> {
  const front = await listening(`${name}-front`)
  const back = await listening(`${name}-back`)
  const reasons: string[] = []
  let host: Socket | undefined
  let close = (): void => {}
  const closed = new Promise<void>((resolve) => (close = resolve))
  const owner: PassageOwner = {
    connect: async (bytes) => {
      await before?.(web, peer)
      const socket = connected(`${name}-back`)
      host = socket
      await once(socket, 'connect')
      socket.pause()
      socket.write(bytes)
      return { socket, rest: Buffer.alloc(0), host: 'process 1' }
    },
    unanswered: (reason) => {
      reasons.push(reason)
      return 'deadbeef'
    },
    closed: () => close(),
  }
  const web = connected(`${name}-front`)
  web.write(first)
  const [peer] = (await once(front, 'connection')) as [Socket]
  const accepted = once(back, 'connection') as Promise<[Socket]>
  const passage = new Passage(peer, owner)
  const [app] = await accepted
  app.on('error', () => {})
  open.push(app, peer)
  app.resume()
  return { web, app, passage, peer, host: host as unknown as Socket, reasons, closed }
}

const begin = beginRecord(1)

describe('Passage', () => {
  it('takes no more from one end than the other reads, either way', async () => {
    const size = 32 << 20
    for (const way of ['down', 'up'] as const) {
      const { web, app, peer, host } = await pair(way, begin)
      const [from, relayed, to] = way === 'down' ? [app, peer, web] : [web, host, app]
      to.pause()
      // Content of one record after the other, each of a byte that tells where it belongs.
      for (let sent = 0; sent < size; sent += 65_528) {
        from.write(record(way === 'down' ? 6 : 5, 1, Buffer.alloc(65_528, sent / 65_528)))
      }
      await until(() => relayed.writableNeedDrain, 'the kernel to be full')
      // Round trips through another passage: turns enough for much to be read that nobody takes.
      const other = await pair(`${way}-other`, begin)
      for (let round = 0; round < 200; round += 1) {
        const heard = once(other.app, 'data')
        other.web.write(record(5, 1, Buffer.from('ping')))
        await heard
      }
      expect(relayed.writableLength).toBeLessThan(256 * 1024)
      let got = 0
      to.on('data', (chunk: Buffer) => (got += chunk.length))
      to.resume()
      const all = Math.ceil(size / 65_528) * (8 + 65_528)
      await until(
        () => got >= all,
        () => `${all} bytes ${way}, got ${got}`,
      )
    }
  })

  it('passes on that one end has said all, and what the other says after that', async () => {
    const { web, app, closed, reasons } = await pair('half', begin)
    const ended = once(app, 'end')
    web.end()
    await ended
    const heard = once(web, 'data')
    app.end(record(3, 1, Buffer.alloc(8)))
    expect((await heard)[0]).toEqual(record(3, 1, Buffer.alloc(8)))
    await closed
    expect(reasons).toEqual([])
  })

  it('passes it on, too, when that was said before the host was there', async () => {
    const { app, closed } = await pair('early', begin, (web, peer) => {
      web.end()
      return once(peer, 'end')
    })
    if (!app.readableEnded) await once(app, 'end')
    app.end()
    await closed
  })

  it('lets the app see that the web server has gone', async () => {
    const { web, app, closed } = await pair('gone', begin)
    const gone = once(app, 'end')
    web.destroy()
    await gone
    app.end(record(6, 1, Buffer.from('too late')))
    await closed
  })

  it('answers 503 what the host has left without an answer, and ends', async () => {
    const { web, app, reasons } = await pair('dead', begin)
    let text = ''
    web.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    const ended = once(web, 'end')
    app.destroy()
    await ended
    expect(text).toContain('Status: 503 Service Unavailable')
    expect(text).toContain('deadbeef')
    expect(text.slice(-16)).toBe('\x01\x03\x00\x01\x00\x08\x00\x00\0\0\0\0\0\0\0\0')
    expect(reasons).toHaveLength(1)
  })

  it('cuts an answer that the host has left half done', async () => {
    const { web, app, reasons } = await pair('cut', begin)
    const part = record(6, 1, Buffer.from('Status: 200 OK\r\n\r\nhalf'))
    const got: Buffer[] = []
    web.on('data', (chunk: Buffer) => got.push(chunk))
    const ended = once(web, 'end')
    app.write(part)
    await until(() => got.length > 0, 'the first half')
    app.destroy()
    await ended
    expect(Buffer.concat(got)).toEqual(part)
    expect(reasons).toEqual([])
  })

  it('drains: what runs is finished, what rests is closed', async () => {
    const { web, app, passage } = await pair('drain', begin)
    passage.drain()
    const heard = once(web, 'data')
    const ended = once(web, 'end')
    app.write(record(3, 1, Buffer.alloc(8)))
    expect((await heard)[0]).toEqual(record(3, 1, Buffer.alloc(8)))
    await ended
  })
})
