// The life of requests and of the connection that carries them: end(), the close rule of §5.1, ids
// used again (§3.3), and what a peer can make grow.

import { describe, expect, it } from 'vitest'
import { describeEvent } from '../../../../test/support/protocol-events.ts'
import {
  abort,
  begin,
  data,
  getValues,
  pairs,
  params,
  paramsEnd,
  record,
  request,
  stdin,
  stdinEnd,
  stream,
} from '../../../../test/support/raw.ts'
import { Connection, type ConnectionLimits } from './connection.ts'
import type { ConnectionEvent, ConnectionRequest } from './events.ts'

const limits: ConnectionLimits = {
  maxParamsBytes: 262_144,
  maxRequestsPerConnection: 100,
  maxPendingPerConnection: 10,
  multiplex: true,
  roles: { responder: true, authorizer: true, filter: true },
  values: { FCGI_MAX_CONNS: '100', FCGI_MAX_REQS: '50', FCGI_MPXS_CONNS: '1' },
}

const connect = (own: Partial<ConnectionLimits> = {}): Connection<string> =>
  new Connection({ ...limits, ...own })

const types = (events: readonly ConnectionEvent<string>[]): string[] =>
  events.map((event) => event.type)

/** Receives one whole request and gives it back. */
function run(connection: Connection<string>, id: number, keep: boolean): ConnectionRequest<string> {
  const event = connection.receive(request(id, { keep }))[0]
  if (event?.type !== 'request') throw new Error(`no request but ${event?.type ?? 'nothing'}`)
  return event.request
}

describe('Connection.end', () => {
  it('says to close after a request without KEEP_CONN, and not after one with it (checklist 27)', () => {
    const kept = connect()
    expect(kept.end(run(kept, 1, true))).toBe(false)
    expect(kept.closed).toBe(false)
    expect(kept.end(run(kept, 1, false))).toBe(true)
    expect(kept.closed).toBe(true)
    expect(kept.receive(request(2))).toEqual([])
  })

  it('frees the id for the next request, at once and for ever (17)', () => {
    const connection = connect()
    for (const id of [1, 255, 256, 65_535, 1, 1, 1]) {
      expect(connection.end(run(connection, id, true))).toBe(false)
    }
    for (let round = 0; round < 1000; round++) connection.end(run(connection, 1, true))
    expect(connection.active).toBe(0)
  })

  it('waits with the close for the other requests, whatever their flags (27)', () => {
    const connection = connect()
    const first = run(connection, 1, false)
    const second = run(connection, 2, true)
    expect(connection.end(first)).toBe(false)
    expect(connection.closed).toBe(false)
    expect(types(connection.receive(request(3, { keep: true })))).toEqual(['request', 'stdin-end'])
    const third = [...connection.requests()].find(({ id }) => id === 3)!
    expect(connection.end(second)).toBe(false)
    expect(connection.end(third)).toBe(true)
  })

  it('counts requests whose PARAMS are still coming as active', () => {
    const connection = connect()
    const first = run(connection, 1, false)
    connection.receive(begin(2, 1, 1))
    expect(connection.end(first)).toBe(false)
    const second = [...connection.requests()][0]!
    expect(second.id).toBe(2)
    expect(connection.end(second)).toBe(true)
  })

  it('is idempotent, and cannot end a later request of the same id (33)', () => {
    const connection = connect()
    const first = run(connection, 1, true)
    expect(connection.end(first)).toBe(false)
    expect(connection.end(first)).toBe(false)
    const second = run(connection, 1, true)
    expect(connection.end(first)).toBe(false)
    expect(connection.active).toBe(1)
    expect(second.ended).toBe(false)
    connection.end(second)
    expect(connection.active).toBe(0)
  })

  it('lets late records of the request be ignored, and the next one pass (15, 48)', () => {
    const connection = connect()
    const [event] = connection.receive(Buffer.concat([begin(1, 1, 1), params(1, {})]))
    if (event?.type !== 'request') throw new Error('no request')
    connection.receive(stdin(1, 'some of it'))
    connection.end(event.request)
    const late = [stdin(1, 'x'.repeat(50_000)), stdinEnd(1), abort(1), data(1, 'x'), paramsEnd(1)]
    expect(connection.receive(Buffer.concat(late))).toEqual([])
    expect(types(connection.receive(request(1, { body: 'y' })))).toEqual([
      'request',
      'stdin',
      'stdin-end',
    ])
  })

  it('ignores the rest of a record that was half there', () => {
    const connection = connect()
    const first = connection.receive(Buffer.concat([begin(1, 1, 1), params(1, {})]))[0]
    if (first?.type !== 'request') throw new Error('no request')
    const body = stdin(1, 'abcdef', 6, 3)
    expect(types(connection.receive(body.subarray(0, 10)))).toEqual(['stdin'])
    expect(connection.midRecord).toBe(true)
    connection.end(first.request)
    const rest = Buffer.concat([body.subarray(10), request(1)])
    expect(types(connection.receive(rest))).toEqual(['request', 'stdin-end'])
    expect(connection.midRecord).toBe(false)
  })

  it('ends a request that was refused, and one that was aborted', () => {
    const connection = connect({ maxRequestsPerConnection: 1 })
    const first = run(connection, 1, true)
    const [refused] = connection.receive(request(2, { keep: true }))
    expect(refused?.type).toBe('refused')
    if (refused?.type !== 'refused') return
    connection.end(refused.request)
    connection.receive(abort(1))
    expect(first.aborted).toBe(true)
    expect(types(connection.receive(request(3, { keep: true })))).toEqual(['refused'])
    connection.end(first)
    expect(types(connection.receive(request(4, { keep: true })))).toEqual(['request', 'stdin-end'])
  })

  it('still frees requests after an error, for the caller to clear up (61)', () => {
    const connection = connect()
    run(connection, 1, true)
    run(connection, 2, true)
    expect(types(connection.receive(begin(1)))).toEqual(['error'])
    expect(connection.active).toBe(2)
    for (const open of connection.requests()) connection.end(open)
    expect(connection.active).toBe(0)
    expect(connection.receive(request(3))).toEqual([])
  })
})

describe('the request table', () => {
  it('shows each request as far as it has come, and carries the context of the caller', () => {
    const connection = connect()
    connection.receive(begin(7, 3, 1))
    const [open] = [...connection.requests()]
    expect(open).toMatchObject({
      id: 7,
      role: 3,
      keepConnection: true,
      context: undefined,
      paramsComplete: false,
      stdinComplete: false,
      dataComplete: false,
      aborted: false,
      ended: false,
    })
    expect([connection.active, connection.pending]).toEqual([1, 1])
    open!.context = 'mine'
    const events = connection.receive(Buffer.concat([params(7, {}), stdinEnd(7), data(7, '')]))
    expect(events.map((event) => 'request' in event && event.request.context)).toEqual(
      Array(3).fill('mine'),
    )
    expect(open).toMatchObject({ paramsComplete: true, stdinComplete: true, dataComplete: true })
    expect([connection.active, connection.pending]).toEqual([1, 0])
    connection.end(open!)
    expect(open!.ended).toBe(true)
    expect(connection.active).toBe(0)
  })

  it('counts pending requests down when they are aborted or given up (36)', () => {
    const connection = connect({ maxPendingPerConnection: 2 })
    connection.receive(Buffer.concat([begin(1, 1, 1), begin(2, 1, 1)]))
    connection.receive(abort(1))
    expect(connection.pending).toBe(1)
    connection.end([...connection.requests()][0]!)
    expect(connection.pending).toBe(0)
    const events = connection.receive(Buffer.concat([begin(1), begin(2), begin(3)]))
    expect(events.map(describeEvent)).toEqual(['error FCGI_TOO_MANY_PENDING 3'])
  })

  it('without multiplexing takes the next request after the end of the first (30)', () => {
    const connection = connect({ multiplex: false })
    for (const id of [1, 2, 1]) connection.end(run(connection, id, true))
    expect(connection.closed).toBe(false)
  })

  it('without multiplexing closes after the first when a refused one had no KEEP_CONN', () => {
    const connection = connect({ multiplex: false })
    const first = run(connection, 1, true)
    expect(types(connection.receive(begin(2, 1, 0)))).toEqual(['reply'])
    expect(connection.end(first)).toBe(true)
  })
})

// Time is that of the processor, so that a busy machine changes little, and its bounds are about a
// hundred times what was measured: they tell linear from quadratic, not fast from slow.
describe('floods', () => {
  /** Milliseconds of processor time. */
  const timed = (work: () => void): number => {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }

  it('65,000 PARAMS records of one byte take linear time, one by one or in one chunk', () => {
    const block = 'x'.repeat(65_000)
    const input = Buffer.concat([begin(1), stream(4, 1, block, 1), paramsEnd(1)])
    for (const size of [9, input.length]) {
      const connection = connect()
      const time = timed(() => {
        const seen: string[] = []
        for (let at = 0; at < input.length; at += size) {
          seen.push(...connection.receive(input.subarray(at, at + size)).map(describeEvent))
        }
        expect(seen).toEqual([`request 1 role 1 ${block}`])
      })
      expect(time).toBeLessThan(5000)
    }
  })

  it('65,000 STDIN records of one byte take linear time', () => {
    const connection = connect()
    connection.receive(Buffer.concat([begin(1), params(1, {})]))
    const input = stream(5, 1, 'x'.repeat(65_000), 1)
    const time = timed(() => expect(connection.receive(input)).toHaveLength(65_000))
    expect(time).toBeLessThan(5000)
  })

  it('65,000 queries are each answered, in linear time, by fewer bytes than they took', () => {
    const query = getValues(...Array.from({ length: 4000 }, () => 'FCGI_MAX_CONNS'))
    const reply = connect().receive(query)[0]
    expect(reply?.type === 'reply' && reply.bytes.length).toBe(32)
    const input = Buffer.concat(Array.from({ length: 65_000 }, () => record(12, 0)))
    const connection = connect()
    const time = timed(() => expect(connection.receive(input)).toHaveLength(65_000))
    expect(time).toBeLessThan(5000)
  })

  it('20,000 requests begun and aborted leave nothing behind', () => {
    const connection = connect()
    const input = Buffer.concat(
      Array.from({ length: 20_000 }, (_, n) => Buffer.concat([begin(n + 1, 1, 1), abort(n + 1)])),
    )
    const time = timed(() => expect(connection.receive(input)).toHaveLength(40_000))
    expect(time).toBeLessThan(5000)
    expect([connection.active, connection.pending]).toEqual([0, 0])
  })

  it('keeps nothing of PARAMS without end, and none of what is dropped', () => {
    const connection = connect({ maxParamsBytes: 1000 })
    connection.receive(begin(1, 1, 1))
    const chunk = stream(4, 1, 'x'.repeat(60_000))
    const before = process.memoryUsage()
    for (let round = 0; round < 2000; round++) expect(connection.receive(chunk)).toEqual([])
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(20e6) // 120 MB came.
    expect(types(connection.receive(paramsEnd(1)))).toEqual(['refused'])
  })

  it('a request costs the same whatever number of others are active', () => {
    const connection = connect({
      maxRequestsPerConnection: 65_535,
      maxPendingPerConnection: 65_535,
    })
    const all = Array.from({ length: 65_534 }, (_, n) =>
      Buffer.concat([begin(n + 2, 1, 1), params(n + 2, {})]),
    )
    const input = Buffer.concat([...all, ...all.map((_, n) => stdin(n + 2, 'x'))])
    const time = timed(() => expect(connection.receive(input)).toHaveLength(2 * 65_534))
    expect(time).toBeLessThan(10_000)
    for (const open of connection.requests()) connection.end(open)
    expect(connection.active).toBe(0)
  })
})

describe('Connection.midRecord', () => {
  it('is true while a record is incomplete, its padding included', () => {
    const input = Buffer.concat([begin(1, 1, 1, 8), params(1, { A: 'B' })])
    const boundaries = new Set([24, input.length - 8, input.length])
    const connection = connect()
    expect(connection.midRecord).toBe(false)
    for (let at = 0; at < input.length; at++) {
      connection.receive(input.subarray(at, at + 1))
      expect(connection.midRecord, String(at)).toBe(!boundaries.has(at + 1))
    }
    expect(pairs({ A: 'B' })).toHaveLength(4)
  })
})
