import { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { LogThrottle } from '../../packages/core/src/server/log-throttle.ts'
import {
  abort,
  begin,
  getValues,
  pair,
  params,
  paramsEnd,
  record,
  request,
  stdin,
  stdinEnd,
} from '../support/raw.ts'
import { bodyOf, requestParams, settled, statusOf, type RawPeer } from '../support/raw-peer.ts'
import { serving } from './serving.ts'

const plain = (id = 1, url = '/', more = {}): Buffer =>
  request(id, { params: requestParams(url, 'GET', more), keep: true })

/** One request after the other on a connection, so that a refusal is shown to cost nothing else. */
async function ask(peer: RawPeer, bytes: Buffer): Promise<{ status: number; body: string }> {
  peer.clear()
  peer.write(bytes)
  const answer = await peer.answer(1)
  return { status: statusOf(answer), body: bodyOf(answer) }
}

describe('what a request may have', () => {
  it.each([
    ['maxParamsBytes', { maxParamsBytes: 2048 }, { HTTP_X: 'x'.repeat(3000) }, '2048 bytes'],
    [
      'maxParams',
      { maxParams: 20 },
      Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`A${n}`, ''])),
      '20',
    ],
    ['maxParamNameLength', { maxParamNameLength: 40 }, { ['N'.repeat(41)]: '' }, '40'],
    ['maxParamValueLength', { maxParamValueLength: 500 }, { V: 'x'.repeat(501) }, '500'],
    ['maxHeaderSize', { maxHeaderSize: 900 }, { HTTP_X: 'x'.repeat(900) }, '900'],
  ])(
    '%s: 431, a line with the number, and the connection goes on',
    async (name, options, more, number) => {
      const { connect, log, server } = await serving((_req, res) => res.end('well'), options)
      const peer = await connect()
      expect(await ask(peer, plain(1, '/', more))).toMatchObject({ status: 431 })
      expect(log).toHaveLength(1)
      expect(log[0]).toContain('431')
      expect(log[0]).toContain(number)
      expect(log[0]).toContain(name)
      expect(await ask(peer, plain())).toEqual({ status: 200, body: 'well' })
      expect(server.statistics).toMatchObject({ running: 0, refused: 1 })
    },
  )

  it('a refusal of a HEAD request has no body', async () => {
    const { connect } = await serving((_req, res) => res.end('well'), { maxHeaderSize: 900 })
    const peer = await connect()
    const refused = requestParams('/', 'HEAD', { HTTP_X: 'x'.repeat(900) })
    expect(await ask(peer, request(1, { params: refused, keep: true }))).toEqual({
      status: 431,
      body: '',
    })
  })

  it('PARAMS without end are dropped, and the rest of the connection with them in time', async () => {
    const { connect, log } = await serving((_req, res) => res.end('well'))
    const peer = await connect()
    peer.write(begin(1, 1, 1))
    const junk = record(4, 1, Buffer.alloc(65_535, 1))
    for (let sent = 0; sent < 32 * 1024 * 1024; sent += junk.length) await peer.flush(junk)
    expect(await ask(peer, paramsEnd(1))).toMatchObject({ status: 431 })
    expect(log[0]).toContain('262144 bytes')
  })
})

describe('how many at once', () => {
  it('maxRequests counts over all connections and is what GET_VALUES says', async () => {
    const held: (() => void)[] = []
    const { connect, log, server } = await serving(
      (_req, res) => void held.push(() => res.end('late')),
      { maxRequests: 2, maxConnections: 77, multiplex: true },
    )
    const [one, two] = [await connect(), await connect()]
    one.write(plain(1), plain(2))
    await settled(() => held.length === 2, 'two requests')
    expect(await ask(two, plain())).toMatchObject({ status: 503 })
    expect(log[0]).toMatch(/2 requests are running \(option maxRequests\)/)
    two.clear()
    two.write(getValues('FCGI_MAX_REQS', 'FCGI_MAX_CONNS', 'FCGI_MPXS_CONNS'))
    await two.when(() => two.has(10, 0), 'GET_VALUES_RESULT')
    const values = two.records[0]!.content.toString('latin1')
    for (const told of ['FCGI_MAX_REQS2', 'FCGI_MAX_CONNS77', 'FCGI_MPXS_CONNS1'])
      expect(values).toContain(told)
    for (const finish of held) finish()
    expect(bodyOf(await one.answer(1))).toBe('late')
    expect(bodyOf(await one.answer(2))).toBe('late')
    await settled(() => server.statistics.running === 0, 'running 0')
    two.clear()
    two.write(plain())
    await settled(() => held.length === 3, 'room for another')
    held[2]!()
    expect(statusOf(await two.answer(1))).toBe(200)
  })

  it('maxRequestsPerConnection', async () => {
    const held: (() => void)[] = []
    const { connect, log } = await serving((_req, res) => void held.push(() => res.end('late')), {
      maxRequestsPerConnection: 3,
    })
    const [one, two] = [await connect(), await connect()]
    one.write(plain(1), plain(2), plain(3), plain(4))
    expect(statusOf(await one.answer(4))).toBe(503)
    expect(log).toEqual([
      expect.stringMatching(/3 requests are running .*maxRequestsPerConnection.*FCGI_OVERLOADED/),
    ])
    two.write(plain(1))
    await settled(() => held.length === 4, 'another connection is free')
    for (const finish of held) finish()
    for (const id of [1, 2, 3]) expect(statusOf(await one.answer(id))).toBe(200)
    expect(statusOf(await two.answer(1))).toBe(200)
  })

  it('requests whose PARAMS never end: 32 on a connection, which it costs, and no other', async () => {
    const { connect, log, server } = await serving((_req, res) => res.end('well'))
    const [one, two] = [await connect(), await connect()]
    for (let id = 1; id <= 32; id++) one.write(begin(id))
    one.write(getValues('FCGI_MPXS_CONNS'))
    await one.when(() => one.has(10, 0), 'an answer')
    one.write(begin(33))
    await one.end()
    expect(log).toEqual([expect.stringMatching(/more than 32 .*FCGI_TOO_MANY_PENDING/)])
    expect(await ask(two, plain())).toMatchObject({ status: 200 })
    expect(server.statistics).toMatchObject({ openConnections: 1, running: 0 })
  })

  it('PARAMS that never end, on many connections: 64 MiB in all, and who holds most pays', async () => {
    const { connect, log, server } = await serving((_req, res) => res.end('well'))
    const modest = await connect()
    modest.write(begin(1, 1, 1), record(4, 1, pair('HTTP_X', 'x'.repeat(1000))))
    const full = record(4, 1, Buffer.alloc(60_000))
    const greedy: RawPeer[] = []
    // Each holds 7.7 MB: with the ninth it is too much.
    for (let n = 0; n < 10; n++) {
      const peer = await connect()
      greedy.push(peer)
      for (let id = 1; id <= 32; id++) {
        full.writeUInt16BE(id, 2)
        await peer.flush(Buffer.concat([begin(id, 1, 1), full, full, full, full]))
      }
    }
    await settled(() => greedy.filter(({ ended }) => ended).length === 2, 'two are closed')
    expect(log).toHaveLength(2)
    expect(log[0]).toMatch(/^a connection was closed: 67\d{6} bytes .*FCGI_TOO_MANY_PENDING/)
    modest.write(params(1, requestParams()), stdinEnd(1))
    expect(bodyOf(await modest.answer(1))).toBe('well')
    for (const peer of greedy) peer.socket.destroy()
    await settled(() => server.statistics.openConnections === 1, 'they are gone')
    // What they held counts no more.
    const after = await connect()
    for (let id = 1; id <= 32; id++) {
      full.writeUInt16BE(id, 2)
      await after.flush(Buffer.concat([begin(id, 1, 1), full, full, full, full]))
    }
    after.write(params(1, requestParams()), stdinEnd(1))
    expect(await after.answer(1)).toMatchObject({ appStatus: 0 })
  })

  it('both by their options', async () => {
    const { connect, log } = await serving((_req, res) => res.end('well'), {
      maxPendingPerConnection: 2,
      maxHeldParams: 10_000,
    })
    const many = await connect()
    many.write(begin(1), begin(2), begin(3))
    await many.end()
    const [less, more] = [await connect(), await connect()]
    less.write(begin(1), record(4, 1, Buffer.alloc(5000)), getValues('FCGI_MPXS_CONNS'))
    await less.when(() => less.has(10, 0), 'an answer')
    more.write(begin(1), record(4, 1, Buffer.alloc(6000)))
    await more.end()
    expect(less.ended).toBe(false)
    expect(log).toEqual([
      expect.stringMatching(/more than 2 .*FCGI_TOO_MANY_PENDING/),
      expect.stringMatching(/11000 bytes .* 6000 .*maxHeldParams.*FCGI_TOO_MANY_PENDING/),
    ])
  })

  it('without multiplex a second request on a connection is told so, and the first goes on', async () => {
    const held: (() => void)[] = []
    const { connect } = await serving((_req, res) => void held.push(() => res.end('late')), {
      multiplex: false,
    })
    const peer = await connect()
    peer.write(plain(1), plain(2))
    expect(await peer.answer(2)).toMatchObject({ protocolStatus: 1, stdout: '' })
    held[0]!()
    expect(bodyOf(await peer.answer(1))).toBe('late')
  })
})

describe('maxConnections', () => {
  it('lets one more wait: nothing of what it sends meanwhile is lost', async () => {
    const { connect, log, server } = await serving((req, res) => res.end(req.url), {
      maxConnections: 1,
    })
    const first = await connect()
    first.write(plain())
    await first.answer(1)
    const second = await connect()
    second.write(plain(1, '/second'))
    await settled(() => server.statistics.waitingConnections === 1, 'one that waits')
    // What it sent has been read by then, as far as Node reads unasked.
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(second.received).toBe(0)
    expect(log).toEqual([expect.stringMatching(/a connection waits: 1 .*maxConnections/)])
    first.socket.destroy()
    expect(bodyOf(await second.answer(1))).toBe('/second')
    expect(server.statistics).toMatchObject({ openConnections: 1, waitingConnections: 0 })
  })

  it('forgets one that goes while it waits, and closes all', async () => {
    const { connect, server } = await serving((_req, res) => res.end('x'), { maxConnections: 1 })
    await connect()
    const [gone, stays] = [await connect(), await connect()]
    await settled(() => server.statistics.waitingConnections === 2, 'two that wait')
    gone.socket.destroy()
    server.closeAllConnections()
    await stays.end()
    expect(server.statistics).toMatchObject({ openConnections: 0, waitingConnections: 0 })
  })

  it('has an end itself: 1024 may wait', async () => {
    const { server, log } = await serving((_req, res) => res.end('x'), { maxConnections: 1 })
    const streams = Array.from(
      { length: 1027 },
      () => new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }),
    )
    for (const stream of streams) server.acceptConnection(stream)
    expect(server.statistics).toMatchObject({ openConnections: 1, waitingConnections: 1024 })
    expect(streams.filter((stream) => stream.destroyed)).toHaveLength(2)
    expect(log.length).toBeLessThan(20)
  })
})

describe('how long', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('maxConnections: an idle connection gives its place to one that waits', async () => {
    const { connect, server } = await serving((req, res) => res.end(req.url), { maxConnections: 1 })
    const kept = await connect()
    kept.write(plain())
    await kept.answer(1)
    const second = await connect()
    second.write(plain(1, '/second'))
    while (server.statistics.waitingConnections === 0) await new Promise(setImmediate)
    expect(kept.ended).toBe(false)
    vi.advanceTimersByTime(3000)
    await kept.end()
    expect(bodyOf(await second.answer(1))).toBe('/second')
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['half a header', Buffer.from([1, 1, 0])],
    ['BEGIN_REQUEST alone', begin(1, 1, 1)],
    ['half of its PARAMS', Buffer.concat([begin(1, 1, 1), record(4, 1, pair('A', 'b'))])],
    ['an answered request and half a header', Buffer.concat([plain(), Buffer.from([1, 1, 0])])],
  ])('paramsTimeout: %s', async (_name, bytes) => {
    const { connect, log, server } = await serving((_req, res) => res.end('well'))
    const [peer, other] = [await connect(), await connect()]
    if (bytes.length > 0) peer.write(bytes)
    other.write(plain())
    await other.answer(1)
    while (server.statistics.openConnections < 2) await new Promise(setImmediate)
    if (bytes.length > 100) await peer.answer(1)
    else await new Promise((resolve) => setTimeout(resolve, 30))
    vi.advanceTimersByTime(28_000)
    expect(peer.ended).toBe(false)
    vi.advanceTimersByTime(5_000)
    await peer.end()
    expect(log).toEqual([expect.stringMatching(/within 30000 ms .*FCGI_PARAMS_TIMEOUT/)])
    // A kept connection may be idle for as long as the web server likes.
    vi.advanceTimersByTime(3_600_000)
    expect(await ask(other, plain())).toMatchObject({ status: 200 })
  })

  it('stalledReaderTimeout: an unread body holds others up for so long and no longer', async () => {
    const aborted: unknown[] = []
    const { connect, log, server } = await serving((req, res) => {
      if (req.url !== '/stalled') return void res.end('well')
      res.on('close', () => aborted.push(res.writableFinished))
    })
    const peer = await connect()
    const upload = { params: requestParams('/stalled', 'POST', { CONTENT_LENGTH: '4000000' }) }
    peer.write(begin(1, 1, 1), params(1, upload.params), plain(2))
    expect(bodyOf(await peer.answer(2))).toBe('well')
    const body = stdin(1, Buffer.alloc(1_500_000, 'b'))
    peer.write(body, plain(3, '/behind'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(peer.has(3, 3)).toBe(false)
    // Alone at first: looks on after 5 s, finds the other one, and ends the first.
    for (let second = 0; second < 12 && !peer.has(3, 3); second++) {
      vi.advanceTimersByTime(1000)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(bodyOf(await peer.answer(3))).toBe('well')
    expect(statusOf(await peer.answer(1))).toBe(408)
    expect(log).toEqual([expect.stringMatching(/5000 ms.*FCGI_STALLED_READER/)])
    expect(aborted).toEqual([false])
    expect(server.statistics).toMatchObject({ running: 0 })
    expect(await ask(peer, plain())).toMatchObject({ status: 200 })
  })

  it('bodyBudget: on a kept connection an unread body within it holds nobody up', async () => {
    const { connect } = await serving((req, res) => {
      if (req.url !== '/stalled') res.end('well')
    })
    const peer = await connect()
    const upload = requestParams('/stalled', 'POST', { CONTENT_LENGTH: '4000000' })
    peer.write(begin(1, 1, 1), params(1, upload), stdin(1, Buffer.alloc(200_000, 'b')))
    for (const id of [2, 3, 4]) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      peer.write(plain(id, '/behind'))
      expect(bodyOf(await peer.answer(id))).toBe('well')
    }
  })

  it('idleReaderTimeout: the same when nobody waits', async () => {
    const { connect, log } = await serving(() => {})
    const peer = await connect()
    peer.write(
      begin(1, 1, 0),
      params(1, requestParams('/', 'POST', { CONTENT_LENGTH: '4000000' })),
      stdin(1, Buffer.alloc(4_000_000, 'b')),
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
    vi.advanceTimersByTime(55_000)
    expect(log).toEqual([])
    vi.advanceTimersByTime(10_000)
    expect(statusOf(await peer.answer(1))).toBe(408)
    expect(log).toEqual([expect.stringMatching(/60000 ms.*FCGI_STALLED_READER/)])
    await peer.end()
  })

  it('stalledPeerTimeout: a peer that takes nothing of its response loses the connection', async () => {
    let closed = false
    const { connect, log, server } = await serving((_req, res) => {
      res.on('close', () => (closed = true))
      res.end(Buffer.alloc(16 * 1024 * 1024))
    })
    const peer = await connect()
    peer.socket.pause()
    peer.write(plain())
    while (server.statistics.requests < 1) await new Promise(setImmediate)
    await new Promise((resolve) => setTimeout(resolve, 50))
    vi.advanceTimersByTime(290_000)
    expect(server.statistics.openConnections).toBe(1)
    vi.advanceTimersByTime(15_000)
    vi.useRealTimers()
    await settled(() => server.statistics.openConnections === 0 && closed, 'the close')
    expect(log).toEqual([expect.stringMatching(/300000 ms .*FCGI_STALLED_PEER/)])
  })

  it('a response that is complete does not wait for ever for a body that does not come', async () => {
    let ends = 0
    const { connect, server } = await serving((req, res) => {
      req.on('data', () => {})
      req.on('error', () => {})
      req.on('close', () => ends++)
      res.end('enough')
    })
    const peer = await connect()
    peer.write(
      begin(1, 1, 1),
      params(1, requestParams('/', 'POST', { CONTENT_LENGTH: '1000' })),
      stdin(1, 'some'),
    )
    await peer.when(() => peer.has(6, 1), 'the response')
    vi.advanceTimersByTime(4_000)
    expect(peer.has(3, 1)).toBe(false)
    vi.advanceTimersByTime(5_000)
    expect(bodyOf(await peer.answer(1))).toBe('enough')
    expect(server.statistics.running).toBe(0)
    expect(ends).toBe(1)
  })

  it('no clock that jumps is of any account', async () => {
    vi.useRealTimers()
    vi.useFakeTimers({ toFake: ['Date', 'performance', 'setInterval'] })
    const { connect, log } = await serving((_req, res) => res.end('well'))
    const peer = await connect()
    peer.write(begin(1, 1, 1))
    await new Promise((resolve) => setTimeout(resolve, 30))
    vi.setSystemTime(Date.now() + 86_400_000)
    vi.advanceTimersByTime(3000)
    vi.setSystemTime(Date.now() - 2 * 86_400_000)
    vi.advanceTimersByTime(3000)
    peer.write(params(1, requestParams()), stdinEnd(1))
    expect(statusOf(await peer.answer(1))).toBe(200)
    expect(log).toEqual([])
  })
})

describe("a response's head", () => {
  it.each([
    ['nginx/1.22.1', 5000, /has 5\d\d\d bytes: nginx's fastcgi_buffer_size .*CGI_LARGE_HEAD/],
    ['nginx/1.22.1', 3000, undefined],
    ['Apache/2.4.62', 5000, undefined],
    ['Apache/2.4.62', 9000, /has 9\d\d\d bytes: Apache's mod_proxy_fcgi takes 8192/],
  ])(
    '%s, %i bytes: warned of once where the server would refuse it',
    async (software, size, line) => {
      const { connect, log } = await serving((_req, res) => {
        res.setHeader('X-Large', 'x'.repeat(size))
        res.end(Buffer.alloc(6000, 'b'))
      })
      const peer = await connect()
      for (const id of [1, 2]) {
        const variables = requestParams('/', 'GET', { SERVER_SOFTWARE: software })
        peer.write(request(id, { params: variables, keep: true }))
        expect(bodyOf(await peer.answer(id))).toHaveLength(6000)
      }
      expect(log).toEqual(line === undefined ? [] : [expect.stringMatching(line)])
    },
  )
})

describe('answers that nobody reads', () => {
  it('GET_VALUES: the connection pauses, costs little, and goes on when they are read', async () => {
    const { connect, log, server } = await serving((_req, res) => res.end('well'))
    const peer = await connect()
    peer.socket.pause()
    const asks = Buffer.concat(
      Array.from({ length: 1000 }, () => getValues('FCGI_MAX_CONNS', 'FCGI_MAX_REQS')),
    )
    let sent = 0
    // Until the server takes no more, or 32 MiB: it would have had to hold some 40 MiB of answers.
    while (sent < 32 * 1024 * 1024) {
      const taken = await Promise.race([
        peer.flush(asks).then(() => true),
        new Promise<false>((resolve) => setTimeout(() => resolve(false), 500)),
      ])
      sent += asks.length
      if (!taken) break
    }
    expect(sent).toBeLessThan(16 * 1024 * 1024)
    expect(log).toEqual([expect.stringMatching(/maxUnread: 65536\) \[FCGI_UNREAD_ANSWERS\]$/)])
    const other = await connect()
    expect(await ask(other, plain())).toMatchObject({ status: 200 })
    peer.socket.resume()
    peer.write(plain(9))
    expect(statusOf(await peer.answer(9))).toBe(200)
    expect(server.statistics.openConnections).toBe(2)
  })
})

describe('requests without end from a peer that reads no answer', () => {
  const long = 'x'.repeat(20_000)
  // The kernel holds some two thousand of these requests, unread.
  it.each<[what: string, url: string, most: number]>([
    ['whole answers', '/whole', 8000],
    ['answers written in two parts', '/parts', 8000],
    ['lines for the error log', '/stderr', 8000],
    ['our own pages', 'no path', 20_000],
    ['aborted requests', '/never', 20_000],
  ])('%s: the connection pauses, and all of it comes when it is read', async (_what, url, most) => {
    const { connect, server } = await serving((req, res) => {
      if (req.url === '/never') return
      if (req.url === '/stderr') req.fastcgi.stderr.write(long)
      else res.write(long)
      if (req.url === '/parts') setImmediate(() => res.end(long))
      else res.end()
    })
    const peer = await connect()
    peer.socket.pause()
    let asked = 0
    const asks = (): Buffer =>
      Buffer.concat(
        Array.from({ length: 20 }, () => {
          const id = (asked++ % 60_000) + 1
          const asks = request(id, { params: requestParams(url), keep: true })
          return url === '/never' ? Buffer.concat([asks, abort(id)]) : asks
        }),
      )
    // Until the server takes no more.
    let taken = true
    while (taken && asked < most) {
      const still = new Promise<false>((resolve) => setTimeout(() => resolve(false), 1000))
      taken = await Promise.race([peer.flush(asks()).then(() => true as const), still])
    }
    expect(asked).toBeLessThan(most)
    const other = await connect()
    expect(await ask(other, plain())).toMatchObject({ status: 200 })
    peer.socket.resume()
    const ends = (): number => peer.records.filter(({ type }) => type === 3).length
    await peer.when(() => ends() === asked, `${asked} answers`)
    expect(server.statistics.running).toBe(0)
  })
})

describe('the log', () => {
  it('takes ten lines of a kind in a second, then says how many there were', () => {
    const throttle = new LogThrottle()
    const lines = Array.from({ length: 50 }, () => throttle.admit('A', 'line', 5000))
    expect(lines.filter((line) => line === 'line')).toHaveLength(10)
    expect(throttle.admit('B', 'other', 5000)).toBe('other')
    expect(throttle.admit('A', 'line', 5999)).toBeUndefined()
    expect(throttle.admit('A', 'line', 6000)).toBe('line (and 41 more like it before this one)')
    expect(throttle.admit('A', 'line', 6001)).toBe('line')
    for (let n = 0; n < 500; n++) expect(throttle.admit(`code ${n}`, 'x', 6002)).toBe('x')
  })
})
