import { describe, expect, it } from 'vitest'

import {
  abort,
  begin,
  data,
  getValues,
  pair,
  params,
  paramsEnd,
  record,
  request,
  stdin,
  stdinEnd,
  stream,
} from '../support/raw.ts'
import { bodyOf, requestParams, settled, statusOf } from '../support/raw-peer.ts'
import { serving } from './serving.ts'

/** Pieces of an attack; each is some hundred times as fast as this on an idle machine. */
const ENOUGH = 10_000

/** How many small things an attack is made of. */
const MANY = 65_000

const plain = (id = 1): Buffer => request(id, { params: requestParams(), keep: true })

function repeated(bytes: Buffer, times: number): Buffer {
  return Buffer.alloc(bytes.length * times, bytes)
}

/**
 * A server that echoes, one connection that sends a flood, and another that asks every few milliseconds meanwhile: the
 * longest of its waits is how long the flood held the process.
 */
async function flood(bytes: Buffer, id = 1) {
  const served = await serving((req, res) => {
    let got = 0
    req.on('data', (chunk: Buffer) => (got += chunk.length))
    req.on('end', () => res.end(String(got)))
  })
  const [peer, other] = [await served.connect(), await served.connect()]
  let worst = 0
  let over = false
  const watch = (async () => {
    while (!over) {
      const start = performance.now()
      other.clear()
      other.write(plain())
      await other.answer(1)
      worst = Math.max(worst, performance.now() - start)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  const start = performance.now()
  await peer.flush(bytes)
  peer.write(getValues('FCGI_MPXS_CONNS'))
  await peer.when(() => peer.ended || peer.has(3, id) || peer.has(10, 0), 'the end of the flood')
  const took = performance.now() - start
  over = true
  await watch
  expect(worst).toBeLessThan(ENOUGH)
  expect(took).toBeLessThan(2 * ENOUGH)
  return { ...served, peer, other }
}

const post = (length: number): Buffer =>
  Buffer.concat([
    begin(1, 1, 1),
    params(1, requestParams('/', 'POST', { CONTENT_LENGTH: String(length) })),
  ])

describe('a flood of small things stays cheap', () => {
  it.each([0, 7, 255])('STDIN in records of one byte, padding %i', async (padding) => {
    const body = repeated(record(5, 1, 'b', padding), MANY)
    const { peer } = await flood(Buffer.concat([post(MANY), body, stdinEnd(1)]))
    expect(bodyOf(await peer.answer(1))).toBe(String(MANY))
  })

  it('STDIN of two requests in turns, a byte each', async () => {
    const two = Buffer.concat([
      begin(2, 1, 1),
      params(2, requestParams('/', 'POST', { CONTENT_LENGTH: String(MANY) })),
    ])
    const turns = repeated(Buffer.concat([record(5, 1, 'a'), record(5, 2, 'b')]), MANY)
    const ends = Buffer.concat([stdinEnd(1), stdinEnd(2)])
    const { peer } = await flood(Buffer.concat([post(MANY), two, turns, ends]))
    expect(bodyOf(await peer.answer(1))).toBe(String(MANY))
    expect(bodyOf(await peer.answer(2))).toBe(String(MANY))
  })

  it('PARAMS in records of one byte', async () => {
    const block = Buffer.concat([
      ...Object.entries(requestParams('/')).map(([name, value]) => pair(name, value)),
      pair('HTTP_X', 'x'.repeat(9000)),
      ...Array.from({ length: 100 }, (_, n) => pair(`V${n}`, 'x'.repeat(500))),
    ])
    const records = stream(4, 1, block, 1, 7)
    const { peer } = await flood(
      Buffer.concat([begin(1, 1, 1), records, paramsEnd(1), stdinEnd(1)]),
    )
    expect(statusOf(await peer.answer(1))).toBe(200)
  })

  it.each([
    ['pairs of one byte', repeated(pair('A', ''), MANY)],
    ['empty pairs', Buffer.alloc(2 * MANY)],
    ['pairs that are all the same header', repeated(pair('HTTP_COOKIE', 'a=b'), 15_000)],
    ['names that are all alike', repeated(pair('HTTP_AAAAAAAAAAAAAAAAAAAA', 'b'), 8000)],
  ])('%s', async (_name, block) => {
    const { peer } = await flood(
      Buffer.concat([begin(1, 1, 1), stream(4, 1, block), paramsEnd(1), stdinEnd(1)]),
    )
    expect(statusOf(await peer.answer(1))).toBe(431)
  })

  it.each([
    [
      'names that are long and almost alike',
      (n: number) => pair(`HTTP_${'A'.repeat(60)}${n}`, 'b'),
    ],
    ['prototype keys', (n: number) => pair(['HTTP___PROTO__', 'HTTP_CONSTRUCTOR'][n % 2]!, 'b')],
    ['forwarded headers', (n: number) => pair('HTTP_X_FORWARDED_FOR', `10.0.0.${n % 250}`)],
    ['cookies', (n: number) => pair('HTTP_COOKIE', `a=${n}`)],
  ])('a thousand params below the limits: %s', async (_name, one) => {
    const block = Buffer.concat([
      ...Object.entries(requestParams('/')).map(([name, value]) => pair(name, value)),
      ...Array.from({ length: 300 }, (_, n) => one(n)),
    ])
    const whole = Buffer.concat([begin(1, 1, 1), stream(4, 1, block), paramsEnd(1), stdinEnd(1)])
    const { peer } = await flood(whole)
    expect([200, 431]).toContain(statusOf(await peer.answer(1)))
  })

  it.each([
    ['GET_VALUES', getValues('FCGI_MAX_CONNS', 'FCGI_MAX_REQS', 'FCGI_MPXS_CONNS'), 20_000],
    ['empty GET_VALUES', record(9, 0), MANY],
    ['unknown management types', record(200, 0), MANY],
    ['unknown types', record(200, 1), MANY],
    ['STDIN for nobody', stdin(7, 'x'), MANY],
    ['DATA for nobody', data(7, 'x'), MANY],
    ['aborts of nobody', abort(7), MANY],
    ['requests for a role nobody plays', begin(1, 9, 1), MANY],
    ['requests aborted at once', Buffer.concat([begin(1, 1, 1), abort(1)]), MANY],
    ['padding', record(200, 1, '', 255), MANY],
  ])('%s', async (_name, one, times) => {
    const { peer } = await flood(repeated(one, times), 65_535)
    peer.clear()
    peer.write(plain(1))
    expect(statusOf(await peer.answer(1))).toBe(200)
  })

  it('whole requests, ten thousand at once, are all answered', async () => {
    const requests = Buffer.concat(Array.from({ length: 10_000 }, (_, n) => plain(n + 1)))
    const { peer, server } = await flood(requests, 65_535)
    await peer.when(() => peer.records.filter(({ type }) => type === 3).length === 10_000, 'all')
    const statuses = new Set(
      peer.records
        .filter(({ type, content }) => type === 6 && content.length > 0)
        .map(({ content }) => /Status: (\d+)/.exec(content.toString('latin1'))?.[1]),
    )
    expect(statuses).toContain('200')
    // Those of one read that are above maxRequestsPerConnection.
    statuses.delete('200')
    statuses.delete('503')
    expect([...statuses]).toEqual([])
    expect(server.statistics.running).toBe(0)
  })

  it('requests begun and never completed end with their connection', async () => {
    const { peer, server, log } = await flood(
      Buffer.concat(Array.from({ length: 10_000 }, (_, id) => begin(id + 1))),
      65_535,
    )
    await peer.end()
    expect(log).toHaveLength(1)
    await settled(() => server.statistics.openConnections === 1, 'the close')
    expect(server.statistics.running).toBe(0)
  })

  it('connections that come and go', async () => {
    const { connect, server, log } = await serving((_req, res) => res.end('well'))
    for (let round = 0; round < 40; round++) {
      const peers = await Promise.all(Array.from({ length: 25 }, connect))
      for (const [n, peer] of peers.entries()) {
        if (n % 5 === 1) peer.write(Buffer.from('GET / HTTP/1.0\r\n\r\n'))
        if (n % 5 === 2) peer.write(plain())
        if (n % 5 === 3) peer.write(plain().subarray(0, 30))
        if (n % 5 === 4) peer.write(begin(1))
        peer.socket.destroy()
      }
      await settled(() => server.statistics.connections === (round + 1) * 25, 'all to be seen')
    }
    await settled(() => server.statistics.openConnections === 0, 'all to be gone')
    expect(server.statistics).toMatchObject({ running: 0, connections: 1000 })
    expect(log.length).toBeLessThan(200)
    const peer = await connect()
    peer.write(plain())
    expect(statusOf(await peer.answer(1))).toBe(200)
  })
})
