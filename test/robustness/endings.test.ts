import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, describe, expect, it, vi } from 'vitest'

import { abort, begin, data, params, record, request, stdin, stdinEnd } from '../support/raw.ts'
import { bodyOf, requestParams, settled, statusOf } from '../support/raw-peer.ts'
import { serving, uncaught } from './serving.ts'

type Respond = (req: IncomingMessage, res: ServerResponse) => void

const plain = (id = 1, url = '/', keep = true): Buffer =>
  request(id, { params: requestParams(url), keep })
const post = (id: number, url: string, length: number, keep = true): Buffer =>
  Buffer.concat([
    begin(id, 1, keep ? 1 : 0),
    params(id, requestParams(url, 'POST', length < 0 ? {} : { CONTENT_LENGTH: String(length) })),
  ])

afterEach(() => {
  vi.useRealTimers()
})

/** Dispatches by path; whatever else is asked answers `well`. */
const site =
  (pages: Record<string, Respond>): Respond =>
  (req, res) =>
    pages[req.url ?? '']?.(req, res) ?? void (pages[req.url ?? ''] ?? res.end('well'))

describe('a response the app gives up', () => {
  it.each<[string, Respond]>([
    ['req.destroy()', (req) => void req.destroy()],
    ['res.destroy()', (_req, res) => void res.destroy()],
    ['res.destroy(error)', (_req, res) => void res.destroy(new Error('no'))],
    ['req.socket.destroy()', (req) => void req.socket.destroy()],
    ['behind a write nobody has seen', (_req, res) => void (res.write('half'), res.destroy())],
    ['twice', (_req, res) => void (res.destroy(), res.destroy())],
  ])('before a byte of it is out is a 500 and one END_REQUEST: %s', async (_name, respond) => {
    const { connect, server } = await serving(site({ '/gone': respond }))
    const peer = await connect()
    peer.write(plain(1, '/gone'))
    expect(statusOf(await peer.answer(1))).toBe(500)
    peer.clear()
    peer.write(plain(1))
    expect(bodyOf(await peer.answer(1))).toBe('well')
    expect(server.statistics).toMatchObject({ running: 0, failed: 1 })
  })

  it('has no body in answer to HEAD', async () => {
    const { connect } = await serving((_req, res) => void res.destroy())
    const peer = await connect()
    peer.write(request(1, { params: requestParams('/', 'HEAD'), keep: true }))
    expect(bodyOf(await peer.answer(1))).toBe('')
  })

  it.each<[string, Respond]>([
    ['req.destroy()', (req, res) => void (res.end('complete'), req.destroy())],
    ['res.destroy()', (_req, res) => void (res.end('complete'), res.destroy())],
    ['socket.destroy()', (req, res) => void (res.end('complete'), req.socket.destroy())],
    [
      'socket.end()',
      (req, res) => void (res.writeHead(200).end('complete'), (req.socket as any).end()),
    ],
  ])('after its end is sent whole, as by node:http: %s', async (_name, respond) => {
    const { connect, server } = await serving(site({ '/done': respond }))
    const peer = await connect()
    peer.write(post(1, '/done', 5000))
    expect(await peer.answer(1)).toMatchObject({ appStatus: 0 })
    expect(bodyOf(await peer.answer(1))).toBe('complete')
    peer.write(stdin(1, Buffer.alloc(5000)), stdinEnd(1), plain(2))
    expect(bodyOf(await peer.answer(2))).toBe('well')
    expect(server.statistics.running).toBe(0)
  })

  it('in its middle, alone: the connection closes without END_REQUEST', async () => {
    let cut = (): void => {}
    const { connect, server } = await serving((_req, res) => {
      res.write('half')
      cut = () => res.destroy()
    })
    const peer = await connect()
    peer.write(plain())
    await peer.when(() => peer.has(6, 1), 'half of it')
    cut()
    await peer.end()
    expect(peer.has(3, 1)).toBe(false)
    expect(server.statistics.running).toBe(0)
  })

  it.each([
    ['with a record that it takes for an error, since it takes the end for the end', {}, true],
    ['of a known length: it sees by itself that it is short', { 'Content-Length': 10 }, false],
  ])('in its middle, to nginx, %s', async (_name, headers, told) => {
    let cut = (): void => {}
    const { connect } = await serving((_req, res) => {
      res.writeHead(200, headers)
      res.write('half')
      cut = () => res.destroy()
    })
    const peer = await connect()
    const variables = requestParams('/', 'GET', { SERVER_SOFTWARE: 'nginx/1.22.1' })
    peer.write(request(1, { params: variables, keep: true }))
    await peer.when(() => peer.has(6, 1), 'half of it')
    cut()
    await peer.end()
    expect(peer.has(3, 1)).toBe(false)
    expect(peer.has(11, 0)).toBe(told)
  })

  it('in its middle, among others: they finish, new ones get 503, then it closes', async () => {
    const waiting: (() => void)[] = []
    const { connect, server } = await serving(
      site({
        '/cut': (_req, res) => {
          res.write('half')
          waiting.push(() => res.destroy())
        },
        '/slow': (_req, res) => void waiting.push(() => res.end('slow')),
      }),
    )
    const peer = await connect()
    peer.write(plain(1, '/cut'), plain(2, '/slow'))
    await peer.when(() => peer.has(6, 1), 'half of it')
    waiting[0]!()
    peer.write(plain(3))
    expect(statusOf(await peer.answer(3))).toBe(503)
    expect(server.statistics).toMatchObject({ running: 1 })
    peer.write(begin(4, 1, 1))
    await new Promise((resolve) => setTimeout(resolve, 30))
    waiting[1]!()
    expect(bodyOf(await peer.answer(2))).toBe('slow')
    // The one whose BEGIN has been read gets an answer as well.
    peer.write(params(4, requestParams()), stdinEnd(4))
    expect(statusOf(await peer.answer(4))).toBe(503)
    await peer.end()
    expect(peer.has(3, 1)).toBe(false)
    await settled(() => server.statistics.openConnections === 0, 'the close')
    expect(server.statistics.running).toBe(0)
  })

  it('and that the web server aborts then is counted once', async () => {
    const waiting: (() => void)[] = []
    const { connect, server } = await serving((_req, res) => {
      res.write('half')
      waiting.push(() => res.destroy())
    })
    const peer = await connect()
    peer.write(plain(1), plain(2))
    await peer.when(() => peer.has(6, 1) && peer.has(6, 2), 'both halves')
    waiting[0]!()
    expect(server.statistics.running).toBe(1)
    peer.write(abort(1), abort(1), abort(2))
    await peer.end()
    await settled(() => server.statistics.openConnections === 0, 'the close')
    expect(server.statistics.running).toBe(0)
  })

  it('behind one that is cut already: the connection is gone after both', async () => {
    const waiting: (() => void)[] = []
    const { connect, server } = await serving((_req, res) => {
      res.write('half')
      waiting.push(() => res.destroy())
    })
    const peer = await connect()
    peer.write(plain(1), plain(2))
    await peer.when(() => peer.has(6, 1) && peer.has(6, 2), 'both halves')
    for (const cut of waiting) cut()
    await peer.end()
    expect(peer.has(3, 1) || peer.has(3, 2)).toBe(false)
    await settled(() => server.statistics.openConnections === 0, 'the close')
    expect(server.statistics.running).toBe(0)
  })
})

describe('a request that is told its body only by the first STDIN record', () => {
  it.each([
    ['aborted', (peer: { write: (bytes: Buffer) => void }) => peer.write(abort(1))],
    ['left', (peer: { socket: { destroy(): unknown } }) => void peer.socket.destroy()],
  ])('never reaches the app when it is %s before', async (_name, end) => {
    let seen = 0
    const { connect, server } = await serving(() => void seen++)
    const peer = await connect()
    peer.write(post(1, '/', -1))
    await settled(() => server.statistics.running === 1, 'the request')
    end(peer)
    await settled(() => server.statistics.running === 0, 'its end')
    expect(seen).toBe(0)
  })

  it('is answered although the server is draining', async () => {
    const { connect, server } = await serving((req, res) => void req.pipe(res))
    const peer = await connect()
    peer.write(post(1, '/', -1))
    await settled(() => server.statistics.running === 1, 'the request')
    const drained = server.drain()
    peer.write(stdin(1, 'body'), stdinEnd(1))
    expect(bodyOf(await peer.answer(1))).toBe('body')
    await peer.end()
    expect(await drained).toBe(true)
  })
})

describe('a handler', () => {
  it('may end twice, write after the end, and write to its socket', async () => {
    const errors: unknown[] = []
    const { connect, server } = await serving((req, res) => {
      res.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
      res.end('once')
      res.end('twice')
      res.write('more')
      setImmediate(() => {
        res.write('late')
        req.socket.write('late')
      })
    })
    const peer = await connect()
    for (const id of [1, 2]) {
      peer.write(plain(id))
      expect(bodyOf(await peer.answer(id))).toBe('once')
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(new Set(errors)).toEqual(new Set(['ERR_STREAM_WRITE_AFTER_END']))
    expect(peer.records.filter(({ type }) => type === 3)).toHaveLength(2)
    expect(server.statistics.running).toBe(0)
  })

  it('may write interim responses at any time: none goes out', async () => {
    const { connect } = await serving((_req, res) => {
      const interim = (): void => {
        res.writeContinue()
        res.writeProcessing()
        res.writeEarlyHints({ link: '</a>; rel=preload' })
      }
      interim()
      res.write('HTTP/1.1 1 is what it begins with, ')
      try {
        interim()
      } catch (error) {
        // Newer releases of Node refuse it themselves.
        expect(error).toHaveProperty('code', 'ERR_HTTP_HEADERS_SENT')
      }
      res.write('HTTP/1.1 1 more')
      res.end()
    })
    const peer = await connect()
    peer.write(plain(1))
    const answer = await peer.answer(1)
    expect(answer.stdout).not.toMatch(/100 Continue|102|103/)
    expect(bodyOf(answer)).toBe('HTTP/1.1 1 is what it begins with, HTTP/1.1 1 more')
  })

  it('may write on after an abort', async () => {
    let go = (): void => {}
    const { connect, server } = await serving((req, res) => {
      if (req.url === '/') return void res.end('well')
      res.write('first')
      go = () => {
        for (let n = 0; n < 100; n++) res.write(Buffer.alloc(1000))
        res.end()
      }
    })
    const peer = await connect()
    peer.write(plain(1, '/long'))
    await peer.when(() => peer.has(6, 1), 'a part')
    peer.write(abort(1))
    await peer.answer(1)
    const got = peer.records.length
    go()
    peer.write(plain(2))
    expect(bodyOf(await peer.answer(2))).toBe('well')
    expect(peer.records.slice(got).every(({ id }) => id === 2)).toBe(true)
    expect(server.statistics).toMatchObject({ running: 0, aborted: 1 })
  })

  it("that throws in 'close' does not keep the web server from its END_REQUEST, nor others from their abort", async () => {
    const closed: string[] = []
    const { connect, server } = await serving((req, res) => {
      res.write('some')
      res.on('close', () => {
        closed.push(String(req.url))
        throw new Error('in close')
      })
    })
    const errors = await uncaught(async () => {
      const peer = await connect()
      peer.write(plain(1, '/1'), plain(2, '/2'), plain(3, '/3'))
      await peer.when(() => peer.has(6, 3), 'all')
      peer.write(abort(1))
      expect(await peer.answer(1)).toMatchObject({ appStatus: 0 })
      peer.socket.destroy()
      await settled(() => server.statistics.openConnections === 0, 'the close')
    })
    expect(closed).toEqual(['/1', '/2', '/3'])
    expect(errors.map(String)).toEqual(Array.from({ length: 3 }, () => 'Error: in close'))
    expect(server.statistics.running).toBe(0)
  })

  it("that throws in 'data' or 'readable' costs no other request", async () => {
    const { connect, server } = await serving((req, res) => {
      if (req.url === '/data') req.on('data', () => fail())
      else if (req.url === '/readable') req.on('readable', () => fail())
      else res.end('well')
    })
    const fail = (): void => {
      throw new Error('in a listener')
    }
    const errors = await uncaught(async () => {
      const peer = await connect()
      const upload = Buffer.concat([stdin(1, 'body'), stdin(2, 'body'), stdinEnd(1), stdinEnd(2)])
      peer.write(post(1, '/data', 4), post(2, '/readable', 4), upload, plain(3))
      expect(bodyOf(await peer.answer(3))).toBe('well')
      peer.write(abort(1), abort(2))
      await peer.answer(1)
      await peer.answer(2)
    })
    expect(errors.length).toBeGreaterThan(0)
    expect(server.statistics.running).toBe(0)
  })

  it("of 'clientError' may throw: the connection is closed all the same", async () => {
    const { connect, server } = await serving((_req, res) => res.end('well'))
    server.on('clientError', () => {
      throw new Error('in clientError')
    })
    const errors = await uncaught(async () => {
      const peer = await connect()
      peer.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
      await peer.end()
      await settled(() => server.statistics.openConnections === 0, 'the close')
    })
    expect(errors.map(String)).toEqual(['Error: in clientError'])
  })

  it.each<[string, Respond]>([
    [
      'throws',
      () => {
        throw new Error('no database')
      },
    ],
    ['rejects', (() => Promise.reject(new Error('no database'))) as Respond],
  ])('%s: its error goes to handlerError, which has the response', async (_name, handler) => {
    const { connect, server } = await serving(handler, {
      handlerError: (error, _req, res) => res.writeHead(500).end(String(error)),
    })
    const peer = await connect()
    for (const id of [1, 2]) {
      peer.write(plain(id))
      expect(bodyOf(await peer.answer(id))).toBe('Error: no database')
    }
    server.off('request', handler)
    expect(server.listenerCount('request')).toBe(0)
  })

  it('leaves no timer behind', async () => {
    const { connect } = await serving((req, res) => {
      res.setTimeout(600_000)
      req.setTimeout(600_000)
      res.end('well')
    })
    const peer = await connect()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    peer.write(plain(1), plain(2))
    await peer.when(() => peer.has(3, 1) && peer.has(3, 2), 'both answers')
    // One is this test's own, in `when`.
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1)
  })
})

describe('a handler of another role', () => {
  const authorize = (id: number, url = '/', more = {}): Buffer =>
    request(id, { role: 2, params: requestParams(url, 'GET', more), keep: true })

  it.each<[string, Respond | ((req: IncomingMessage, res: ServerResponse) => unknown), number]>([
    ['lets through', (req) => req.fastcgi.allow({ WHO: 'me' }), 200],
    ['refuses', (req) => req.fastcgi.deny(401), 401],
    [
      'throws',
      () => {
        throw new Error('no database')
      },
      500,
    ],
    ['rejects', () => Promise.reject(new Error('no database')), 500],
    ['is destroyed', (_req, res) => void res.destroy(), 500],
    [
      'is destroyed by an error that says 200',
      (_req, res) => void res.destroy(Object.assign(new Error('x'), { statusCode: 200 })),
      500,
    ],
  ])('authorizer that %s', async (_name, handler, status) => {
    const { connect, server } = await serving(() => {}, {
      authorize: handler,
      handlerError: (_error, _req, res) => {
        res.statusCode = 500
        res.end()
      },
    })
    const peer = await connect()
    peer.write(authorize(1))
    expect(statusOf(await peer.answer(1))).toBe(status)
    // What is said of a body is not waited for: an authorizer gets none (§6.3).
    peer.clear()
    peer.write(authorize(1, '/', { CONTENT_LENGTH: '17' }))
    expect(statusOf(await peer.answer(1))).toBe(status)
    expect(server.statistics.running).toBe(0)
  })

  it('an authorizer that never answers lets nobody through', async () => {
    const { connect, server } = await serving(() => {}, { authorize: () => {} })
    const peer = await connect()
    peer.write(authorize(1), plain(2))
    await settled(() => server.statistics.running === 2, 'both')
    expect(peer.received).toBe(0)
    expect(await server.drain(50)).toBe(false)
    await peer.end()
    expect(peer.received).toBe(0)
  })

  it('a filter gets megabytes of DATA as fast as it reads', async () => {
    const size = 3_000_000
    const { connect } = await serving(() => {}, {
      filter: (req, res) => {
        let got = 0
        req.fastcgi.data!.on('data', (chunk: Buffer) => (got += chunk.length))
        req.fastcgi.data!.on('end', () => res.end(String(got)))
      },
    })
    const peer = await connect()
    peer.write(
      begin(1, 3, 0),
      params(1, requestParams('/', 'GET', { FCGI_DATA_LENGTH: String(size) })),
      stdinEnd(1),
    )
    const part = Buffer.alloc(60_000, 'd')
    for (let sent = 0; sent < size; sent += part.length) await peer.flush(data(1, part))
    peer.write(data(1, ''))
    expect(bodyOf(await peer.answer(1))).toBe(String(size))
    await peer.end()
  })
})

describe('a filter nobody listens to for errors', () => {
  it.each([
    ['aborted', (peer: { write: (bytes: Buffer) => void }) => peer.write(abort(1))],
    ['left', (peer: { socket: { destroy(): unknown } }) => void peer.socket.destroy()],
  ])('may be %s in the middle of DATA', async (_name, end) => {
    const { connect, server } = await serving(() => {}, { filter: () => {} })
    const errors = await uncaught(async () => {
      const peer = await connect()
      peer.write(
        Buffer.concat([begin(1, 3, 1), params(1, requestParams()), stdinEnd(1), data(1, 'some')]),
      )
      await settled(() => server.statistics.running === 1, 'the request')
      end(peer)
      await settled(() => server.statistics.running === 0, 'its end')
      await new Promise(setImmediate)
    })
    expect(errors).toEqual([])
  })
})

describe('a peer that sends no more', () => {
  it.each(['unix', 'tcp'] as const)('still gets what is written, over %s', async (over) => {
    const size = 8 * 1024 * 1024
    const { connect, server } = await serving(
      (_req, res) => res.end(Buffer.alloc(size, 'x')),
      {},
      over,
    )
    const peer = await connect()
    peer.socket.pause()
    peer.socket.end(plain(1))
    await settled(() => server.statistics.requests === 1, 'the request')
    await new Promise((resolve) => setTimeout(resolve, 50))
    peer.socket.resume()
    expect(bodyOf(await peer.answer(1))).toHaveLength(size)
    await peer.end()
    await settled(() => server.statistics.openConnections === 0, 'the close')
  })

  it('has what still runs aborted', async () => {
    let closed = false
    const { connect, server } = await serving(
      (_req, res) => void res.on('close', () => (closed = true)),
    )
    const peer = await connect()
    peer.socket.end(plain(1))
    await peer.end()
    await settled(() => closed, 'the abort')
    expect(server.statistics).toMatchObject({ running: 0, aborted: 1, openConnections: 0 })
  })
})

describe('a handler that does not read a body that has come whole', () => {
  it.each([true, false])('holds up nobody else, and hears of an abort (kept: %s)', async (keep) => {
    let closed = false
    const { connect, server } = await serving((req, res) => {
      if (req.method === 'GET') return void res.end('well')
      res.on('close', () => (closed = true))
    })
    const peer = await connect()
    // Of a length nobody told; the last read brings more than a stream takes without asking for a pause, and the end.
    const most = peer.socket.readableHighWaterMark
    const head = Buffer.concat([post(1, '/', -1, keep), stdin(1, Buffer.alloc(most - 1000))])
    peer.write(head)
    await settled(() => server.statistics.bytesRead === head.length, 'most of the upload')
    const rest = Buffer.concat([stdin(1, Buffer.alloc(2000)), stdinEnd(1)])
    peer.write(rest)
    const whole = head.length + rest.length
    await settled(() => server.statistics.bytesRead === whole, 'the rest of it')
    peer.write(plain(2))
    expect(bodyOf(await peer.answer(2))).toBe('well')
    peer.socket.destroy()
    await settled(() => closed && server.statistics.openConnections === 0, 'the abort')
    expect(server.statistics.running).toBe(0)
  })
})

describe('an answer before the body has come', () => {
  it('goes out; on a kept connection the rest is dropped and the next request served', async () => {
    const { connect } = await serving((_req, res) => res.end('early'))
    const peer = await connect()
    peer.write(post(1, '/', 3_000_000))
    expect(bodyOf(await peer.answer(1))).toBe('early')
    const part = stdin(1, Buffer.alloc(60_000))
    for (let n = 0; n < 50; n++) await peer.flush(part)
    peer.write(stdinEnd(1), plain(1))
    await peer.when(() => peer.records.filter(({ type }) => type === 3).length === 2, 'another')
  })

  it.each(['unix', 'tcp'] as const)(
    'reaches a peer that writes 10 MB before it reads, over %s',
    async (over) => {
      const { connect } = await serving((_req, res) => res.end('e'.repeat(100_000)), {}, over)
      const peer = await connect()
      peer.socket.pause()
      peer.write(post(1, '/', 10_000_000, false))
      const part = stdin(1, Buffer.alloc(60_000))
      for (let sent = 0; sent < 10_000_000; sent += 60_000) await peer.flush(part)
      peer.socket.resume()
      expect(bodyOf(await peer.answer(1))).toHaveLength(100_000)
      await peer.end()
      expect(peer.error).toBeUndefined()
    },
  )
})

describe('the last record of a request', () => {
  it.each(['unix', 'tcp'] as const)(
    'may have padding that comes when the answer is out, over %s',
    async (over) => {
      const { connect, server } = await serving((_req, res) => res.end('well'), {}, over)
      const peer = await connect()
      const padded = Buffer.concat([begin(1), params(1, requestParams()), record(5, 1, '', 255)])
      peer.write(padded.subarray(0, -200))
      expect(bodyOf(await peer.answer(1))).toBe('well')
      await peer.flush(padded.subarray(-200, -100))
      await peer.flush(padded.subarray(-100))
      await peer.end()
      expect(peer.error).toBeUndefined()
      peer.socket.destroy()
      await settled(() => server.statistics.openConnections === 0, 'the close')
    },
  )
})

describe('STDERR', () => {
  it('waits for a peer that does not read', async () => {
    const written = { bytes: 0 }
    const { connect } = await serving((req, res) => {
      const { stderr } = req.fastcgi
      const line = Buffer.alloc(64 * 1024, 'e')
      const more = (): void => {
        while (written.bytes < 64 * 1024 * 1024) {
          written.bytes += line.length
          if (!stderr.write(line)) return void stderr.once('drain', more)
        }
        res.end('done')
      }
      more()
    })
    const peer = await connect()
    peer.socket.pause()
    peer.write(plain(1))
    await settled(() => written.bytes > 0, 'the first line')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(written.bytes).toBeLessThan(4 * 1024 * 1024)
    peer.socket.resume()
    const answer = await peer.answer(1)
    expect(bodyOf(answer)).toBe('done')
    expect(answer.stderr).toHaveLength(64 * 1024 * 1024)
  })
})

describe('closing', () => {
  it('close() leaves a connection on which nothing has come yet its first request', async () => {
    const { connect, server } = await serving((_req, res) => res.end('well'))
    const peer = await connect()
    await settled(() => server.statistics.openConnections === 1, 'the connection')
    const closed = once(server, 'close')
    server.close()
    peer.write(plain(1))
    expect(bodyOf(await peer.answer(1))).toBe('well')
    await peer.end()
    await closed
  })

  it('drain() serves what comes on a connection that is never without requests, then says 503, and cuts nothing', async () => {
    // Each request is answered when the next one is there, as on the connection of a proxy with many clients.
    let finish = (): void => {}
    const { connect, server } = await serving(
      (_req, res) => {
        finish()
        finish = () => res.end('well')
      },
      { drainTimeout: 4000 },
    )
    const peer = await connect()
    peer.write(plain(1))
    await settled(() => server.statistics.running === 1, 'the first')
    const drained = server.drain()
    let id = 1
    let refused = false
    while (!refused) {
      id++
      peer.write(plain(id))
      await peer.when(() => peer.has(3, id) || peer.has(3, id - 1), 'an answer')
      refused = peer.has(3, id)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(id).toBeGreaterThan(5)
    expect(statusOf(await peer.answer(id))).toBe(503)
    finish()
    for (let n = 1; n < id; n++) expect(bodyOf(await peer.answer(n))).toBe('well')
    expect(await drained).toBe(true)
    expect(server.statistics).toMatchObject({ running: 0, openConnections: 0 })
  })

  it('closeAllConnections() takes those that wait as well', async () => {
    const { connect, server } = await serving(() => {}, { maxConnections: 1 })
    const peers = [await connect(), await connect(), await connect()]
    await settled(() => server.statistics.waitingConnections === 2, 'two that wait')
    server.closeAllConnections()
    for (const peer of peers) await peer.end()
    expect(server.statistics).toMatchObject({ openConnections: 0, waitingConnections: 0 })
  })
})
