// The application's side, item by item of the specification. Every transcript is read whole, byte
// by byte, cut at every point, and with more bytes behind it.
//
// What is not settled in here, since it takes a socket or the meaning of CGI: closing without
// losing bytes, idle timeouts, backpressure and the accept limit (the server's transport);
// CONTENT_LENGTH against the bytes that come, and limits of single pairs (request head). Where a
// test departs from the letter of the specification its name says why.

import { describe, expect, it } from 'vitest'
import { describeEvent, joinParts } from '../../../../test/support/protocol-events.ts'
import {
  abort,
  begin,
  cuts,
  data,
  deliver,
  getValues,
  hex,
  pair,
  pairs,
  params,
  paramsEnd,
  record,
  stdin,
  stdinEnd,
  stream,
  toHex,
} from '../../../../test/support/raw.ts'
import { Connection, type ConnectionLimits } from './connection.ts'

const limits: ConnectionLimits = {
  maxParamsBytes: 100_000,
  maxRequestsPerConnection: 3,
  maxPendingPerConnection: 4,
  multiplex: true,
  roles: { responder: true, authorizer: true, filter: true },
  values: { FCGI_MAX_CONNS: '100', FCGI_MAX_REQS: '50', FCGI_MPXS_CONNS: '1' },
}

interface Case {
  name: string
  input: Buffer[]
  expected: string[]
  limits?: Partial<ConnectionLimits>
}

/** The events of the chunks as text; no request is ever ended. */
function transcript(chunks: Iterable<Buffer>, own: Partial<ConnectionLimits> = {}): string[] {
  const connection = new Connection<undefined>({ ...limits, ...own })
  return joinParts(deliver(chunks, (chunk) => connection.receive(chunk).map(describeEvent)))
}

const ENV = { A: 'B' }
const BLOCK = pairs(ENV).toString('latin1')
/** BEGIN and PARAMS of a Responder that keeps the connection, and the event it causes. */
const open = (id: number): Buffer => Buffer.concat([begin(id, 1, 1), params(id, ENV)])
const opened = (id: number): string => `request ${String(id)} role 1 keep ${BLOCK}`

const reply = (bytes: Buffer): string => `reply ${toHex(bytes)}`
const ended = (id: number, status: number): string =>
  reply(
    Buffer.concat([
      hex('01 03'),
      Buffer.from([id >> 8, id & 255]),
      hex('0008 00 00 | 00000000'),
      Buffer.from([status]),
      hex('000000'),
    ]),
  )
const unknown = (type: number): string =>
  reply(Buffer.concat([hex('01 0b 0000 0008 00 00'), Buffer.from([type]), Buffer.alloc(7)]))
/** GET_VALUES_RESULT with this content, padded. */
const result = (...content: Buffer[]): string => {
  const block = Buffer.concat(content)
  const padding = (8 - (block.length % 8)) % 8
  const header = Buffer.from([1, 10, 0, 0, block.length >> 8, block.length & 255, padding, 0])
  return reply(Buffer.concat([header, block, Buffer.alloc(padding)]))
}

const long = 'x'.repeat(70_000)

const cases: Case[] = [
  {
    name: 'the smallest exchange',
    input: [
      hex('01 01 0001 0008 00 00 | 0001 00 0000000000'),
      hex('01 04 0001 0000 00 00'),
      hex('01 05 0001 0000 00 00'),
    ],
    expected: ['request 1 role 1 ', 'stdin-end 1'],
  },
  {
    name: 'a request with a body',
    input: [open(1), stdin(1, 'hello '), stdin(1, 'world'), stdinEnd(1)],
    expected: [opened(1), 'stdin 1 hello world', 'stdin-end 1'],
  },
  {
    name: '11: padding of 255 bytes on every record, empty ones included',
    input: [
      begin(1, 1, 1, 255),
      stream(4, 1, pairs(ENV), 3, 255),
      record(4, 1, '', 255),
      stdin(1, 'abc', 2, 255),
      record(5, 1, '', 255),
      record(9, 0, '', 255),
      abort(1, 255),
    ],
    expected: [opened(1), 'stdin 1 abc', 'stdin-end 1', result(), 'abort 1 begun'],
  },
  {
    name: '15: records of an id that is not active are ignored',
    input: [
      record(4, 7, 'xyz'),
      paramsEnd(7),
      stdin(7, 'abc'),
      stdinEnd(7),
      data(7, 'abc'),
      abort(7),
      open(1),
      stdin(7, 'abc'),
      abort(7),
      stdinEnd(1),
    ],
    expected: [opened(1), 'stdin-end 1'],
  },
  {
    name: '16: BEGIN_REQUEST for an active id is an error, and the last word',
    input: [open(1), begin(1), stdinEnd(1)],
    expected: [opened(1), 'error FCGI_ID_IN_USE 1'],
  },
  {
    name: '16: so it is while PARAMS is not complete',
    input: [begin(2), begin(2)],
    expected: ['error FCGI_ID_IN_USE 2'],
  },
  ...[1, 255, 256, 65_535].map((id): Case => ({
    name: `17: id ${String(id)} is valid`,
    input: [open(id), stdinEnd(id)],
    expected: [opened(id), `stdin-end ${String(id)}`],
  })),
  ...(
    [
      ['BEGIN_REQUEST', begin(0)],
      ['PARAMS', record(4, 0, 'x')],
      ['STDIN', record(5, 0, 'x')],
      ['DATA', record(8, 0, 'x')],
      ['ABORT_REQUEST', abort(0)],
    ] as const
  ).map(([name, bytes]): Case => ({
    name: `18: ${name} with id 0 is an error, never a request`,
    input: [open(1), bytes, stdinEnd(1)],
    expected: [opened(1), 'error FCGI_NULL_REQUEST_ID 0'],
  })),
  {
    name: '19: GET_VALUES with an id other than 0 is ignored',
    input: [record(9, 1, pair('FCGI_MAX_CONNS', '')), open(1), record(9, 1, 'x')],
    expected: [opened(1)],
  },
  {
    name: '20: unknown types with an id other than 0 are ignored, active or not',
    input: [
      record(12, 1, 'x'),
      open(1),
      record(12, 1, 'xyz'),
      record(255, 1),
      record(0, 9),
      stdinEnd(1),
    ],
    expected: [opened(1), 'stdin-end 1'],
  },
  {
    name: '21: GET_VALUES is answered with what was asked and is known',
    input: [
      getValues('FCGI_MAX_CONNS', 'FCGI_MAX_REQS', 'FCGI_MPXS_CONNS'),
      getValues('FCGI_MPXS_CONNS', 'SOMETHING_ELSE'),
      getValues('SOMETHING_ELSE', 'constructor', '__proto__', 'toString', ''),
      getValues(),
      record(9, 0, pair('FCGI_MAX_REQS', 'with a value', true)),
      getValues('FCGI_MAX_REQS', 'FCGI_MAX_REQS'),
    ],
    expected: [
      result(
        pair('FCGI_MAX_CONNS', '100'),
        pair('FCGI_MAX_REQS', '50'),
        pair('FCGI_MPXS_CONNS', '1'),
      ),
      result(pair('FCGI_MPXS_CONNS', '1')),
      result(),
      result(),
      result(pair('FCGI_MAX_REQS', '50')),
      result(pair('FCGI_MAX_REQS', '50')),
    ],
  },
  {
    name: '22: and at any time: between the records of PARAMS and STDIN, and after them',
    input: [
      begin(1, 1, 1),
      record(4, 1, pairs(ENV).subarray(0, 2)),
      getValues('FCGI_MAX_REQS'),
      record(4, 1, pairs(ENV).subarray(2)),
      paramsEnd(1),
      stdin(1, 'a'),
      getValues('FCGI_MAX_REQS'),
      stdin(1, 'b'),
      stdinEnd(1),
      getValues('FCGI_MAX_REQS'),
    ],
    expected: [
      result(pair('FCGI_MAX_REQS', '50')),
      opened(1),
      'stdin 1 a',
      result(pair('FCGI_MAX_REQS', '50')),
      'stdin 1 b',
      'stdin-end 1',
      result(pair('FCGI_MAX_REQS', '50')),
    ],
  },
  {
    name: '24: a broken pair in GET_VALUES ends what can be answered, not the connection',
    input: [
      record(
        9,
        0,
        Buffer.concat([pair('FCGI_MAX_REQS', ''), hex('0f ff ffffff'), Buffer.from('FCGI')]),
      ),
      record(9, 0, hex('ff')),
    ],
    expected: [result(pair('FCGI_MAX_REQS', '50')), result()],
  },
  {
    name: '25: management records of an unknown type are answered by UNKNOWN_TYPE',
    input: [
      record(12, 0),
      record(255, 0, 'content'),
      record(0, 0),
      open(1),
      record(77, 0, '', 8),
      stdinEnd(1),
    ],
    expected: [unknown(12), unknown(255), unknown(0), opened(1), unknown(77), 'stdin-end 1'],
  },
  {
    name: '26: types that only an application sends: ignored with an id, unknown with id 0, answers never answered',
    input: [
      open(1),
      record(3, 1, Buffer.alloc(8)),
      record(6, 1, 'x'),
      record(7, 1, 'x'),
      record(10, 1, 'x'),
      record(11, 1, 'x'),
      record(3, 0, Buffer.alloc(8)),
      record(6, 0, 'x'),
      record(7, 0),
      record(10, 0, 'x'),
      record(11, 0, 'x'),
      stdinEnd(1),
    ],
    expected: [opened(1), unknown(3), unknown(6), unknown(7), 'stdin-end 1'],
  },
  ...[0, 4, 9, 65_535].map((role): Case => ({
    name: `29: role ${String(role)} is refused by UNKNOWN_ROLE; the rest of the request is dropped`,
    input: [
      begin(1, role, 1),
      params(1, ENV),
      stdin(1, 'abc'),
      stdinEnd(1),
      data(1, 'x'),
      abort(1),
      open(2),
    ],
    expected: [ended(1, 3), opened(2)],
  })),
  {
    name: '29: so are roles that are switched off',
    input: [begin(1, 1, 1), begin(1, 2, 1), begin(1, 3, 1), params(1, ENV)],
    expected: [ended(1, 3), ended(1, 3), ended(1, 3)],
    limits: { roles: { responder: false, authorizer: false, filter: false } },
  },
  {
    name: '29: without KEEP_CONN the connection is closed then, and takes nothing more',
    input: [begin(1, 9, 0), params(1, ENV), open(2)],
    expected: [`${ended(1, 3)} close`],
  },
  {
    name: '29: but not under a request that is active',
    input: [open(1), begin(2, 9, 0), stdinEnd(1)],
    expected: [opened(1), ended(2, 3), 'stdin-end 1'],
  },
  {
    name: '30: without multiplexing a second request is refused by CANT_MPX_CONN, the first goes on',
    input: [
      open(1),
      begin(2, 1, 1),
      params(2, ENV),
      stdin(1, 'a'),
      stdin(2, 'b'),
      stdinEnd(2),
      stdinEnd(1),
    ],
    expected: [opened(1), ended(2, 1), 'stdin 1 a', 'stdin-end 1'],
    limits: { multiplex: false },
  },
  {
    name: '31: above the limit of running requests one is refused to the caller, who answers by a page (several servers turn a bare OVERLOADED into an empty 200); its body is dropped',
    input: [
      open(1),
      open(2),
      open(3),
      open(4),
      stdin(4, 'abc'),
      stdinEnd(4),
      abort(4),
      stdinEnd(1),
    ],
    expected: [opened(1), opened(2), opened(3), `refused 4 overloaded ${BLOCK}`, 'stdin-end 1'],
  },
  ...[0, 7, 9, 65_535].map((length): Case => ({
    name: `35: BEGIN_REQUEST with ${String(length)} bytes is an error`,
    input: [open(1), record(1, 2, Buffer.alloc(length, 1)), stdinEnd(1)],
    expected: [opened(1), 'error FCGI_BAD_LENGTH 2'],
  })),
  {
    name: '36: too many requests without complete PARAMS are an error',
    input: [open(9), begin(1), begin(2), begin(3), begin(4), params(1, {}), begin(5), begin(6)],
    expected: [opened(9), 'request 1 role 1 ', 'error FCGI_TOO_MANY_PENDING 6'],
  },
  ...[1, 2, 7].map((size): Case => ({
    name: `37: PARAMS cut into records of ${String(size)} bytes`,
    input: [begin(1, 1, 1), params(1, { LONG: 'v'.repeat(300), A: 'B' }, size, 1), stdinEnd(1)],
    expected: [
      `request 1 role 1 keep ${pairs({ LONG: 'v'.repeat(300), A: 'B' }).toString('latin1')}`,
      'stdin-end 1',
    ],
  })),
  {
    name: '37: a value longer than a record',
    input: [begin(1, 1, 1), params(1, { LONG: long }), stdinEnd(1)],
    expected: [`request 1 role 1 keep ${pairs({ LONG: long }).toString('latin1')}`, 'stdin-end 1'],
  },
  {
    name: '37: PARAMS of several requests interleaved',
    input: [
      begin(1, 1, 1),
      begin(2, 1, 1),
      record(4, 1, BLOCK.slice(0, 1)),
      record(4, 2, BLOCK.slice(0, 3)),
      record(4, 1, BLOCK.slice(1)),
      record(4, 2, BLOCK.slice(3)),
      paramsEnd(2),
      paramsEnd(1),
    ],
    expected: [opened(2), opened(1)],
  },
  {
    name: '41: PARAMS above the limit are dropped, and the request refused when they end',
    input: [
      begin(1, 1, 1),
      params(1, { LONG: 'v'.repeat(300) }, 100),
      stdin(1, 'abc'),
      stdinEnd(1),
      open(2),
    ],
    expected: ['refused 1 params-too-large ', opened(2)],
    limits: { maxParamsBytes: 299 },
  },
  {
    name: '41: PARAMS of just the limit pass',
    input: [begin(1, 1, 1), stream(4, 1, 'x'.repeat(299), 100), paramsEnd(1)],
    expected: [`request 1 role 1 keep ${'x'.repeat(299)}`],
    limits: { maxParamsBytes: 299 },
  },
  {
    name: 'PARAMS after their end and STDIN after its end are ignored',
    input: [
      open(1),
      record(4, 1, 'x'),
      paramsEnd(1),
      stdin(1, 'a'),
      stdinEnd(1),
      stdin(1, 'b'),
      stdinEnd(1),
    ],
    expected: [opened(1), 'stdin 1 a', 'stdin-end 1'],
  },
  {
    name: 'STDIN before the end of PARAMS is an error',
    input: [begin(1), record(4, 1, 'x'), stdin(1, 'a'), paramsEnd(1)],
    expected: ['error FCGI_OUT_OF_ORDER 1'],
  },
  {
    name: '14: STDIN records of 1, 65535 and 200000 bytes',
    input: [open(1), stdin(1, 'x'), stdin(1, long), stdin(1, 'y'.repeat(200_000)), stdinEnd(1)],
    expected: [opened(1), `stdin 1 x${long}${'y'.repeat(200_000)}`, 'stdin-end 1'],
  },
  {
    name: '50: a Filter gets PARAMS, STDIN and DATA, in this order',
    input: [
      begin(1, 3, 1),
      params(1, ENV),
      stdin(1, 'in'),
      stdinEnd(1),
      data(1, 'da'),
      data(1, 'ta'),
      data(1, ''),
      data(1, 'x'),
    ],
    expected: [
      `request 1 role 3 keep ${BLOCK}`,
      'stdin 1 in',
      'stdin-end 1',
      'data 1 data',
      'data-end 1',
    ],
  },
  {
    name: '50: DATA before the end of STDIN is an error for a Filter',
    input: [begin(1, 3, 1), params(1, ENV), stdin(1, 'in'), data(1, 'x'), stdinEnd(1)],
    expected: [`request 1 role 3 keep ${BLOCK}`, 'stdin 1 in', 'error FCGI_OUT_OF_ORDER 1'],
  },
  {
    name: '50: and before the end of PARAMS',
    input: [begin(1, 3, 1), data(1, '')],
    expected: ['error FCGI_OUT_OF_ORDER 1'],
  },
  {
    name: '52: DATA for a Responder or an Authorizer is ignored',
    input: [
      begin(1, 1, 1),
      data(1, 'x'),
      params(1, ENV),
      data(1, 'x'),
      begin(2, 2, 1),
      params(2, ENV),
      data(2, ''),
      stdinEnd(1),
    ],
    expected: [opened(1), `request 2 role 2 keep ${BLOCK}`, 'stdin-end 2', 'stdin-end 1'],
  },
  {
    name: '64: an Authorizer has no STDIN: it ends with PARAMS, and what comes is ignored',
    input: [begin(1, 2, 1), params(1, ENV), stdinEnd(1), stdin(1, 'x')],
    expected: [`request 1 role 2 keep ${BLOCK}`, 'stdin-end 1'],
  },
  {
    name: '62: ABORT_REQUEST before the end of PARAMS is answered by END_REQUEST at once; no request comes of it',
    input: [
      begin(1, 1, 1),
      record(4, 1, 'x'),
      abort(1),
      record(4, 1, 'y'),
      paramsEnd(1),
      stdinEnd(1),
      abort(1),
      open(2),
    ],
    expected: ['abort 1', ended(1, 0), opened(2)],
  },
  {
    name: '62: and closes the connection without KEEP_CONN',
    input: [begin(1, 1, 0), abort(1), open(2)],
    expected: ['abort 1', `${ended(1, 0)} close`],
  },
  {
    name: '62: even when PARAMS were too large',
    input: [begin(1, 1, 1), stream(4, 1, 'x'.repeat(400), 100), abort(1), open(1)],
    expected: ['abort 1', ended(1, 0), opened(1)],
    limits: { maxParamsBytes: 299 },
  },
  {
    name: '59, 60: ABORT_REQUEST during STDIN is given once, and the rest is dropped',
    input: [open(1), stdin(1, 'a'), abort(1), stdin(1, 'b'), stdinEnd(1), abort(1)],
    expected: [opened(1), 'stdin 1 a', 'abort 1 begun'],
  },
  {
    name: '59: after the end of STDIN, with content that it should not have',
    input: [open(1), stdinEnd(1), record(2, 1, 'abc', 5)],
    expected: [opened(1), 'stdin-end 1', 'abort 1 begun'],
  },
  {
    name: '59, 60: during DATA',
    input: [
      begin(1, 3, 1),
      params(1, ENV),
      stdinEnd(1),
      data(1, 'a'),
      abort(1),
      data(1, 'b'),
      data(1, ''),
    ],
    expected: [`request 1 role 3 keep ${BLOCK}`, 'stdin-end 1', 'data 1 a', 'abort 1 begun'],
  },
  {
    name: 'requests interleaved',
    input: [
      open(1),
      open(2),
      stdin(2, 'x'),
      stdin(1, 'a'),
      stdin(2, 'y'),
      stdinEnd(2),
      stdin(1, 'b'),
      stdinEnd(1),
    ],
    expected: [
      opened(1),
      opened(2),
      'stdin 2 x',
      'stdin 1 a',
      'stdin 2 y',
      'stdin-end 2',
      'stdin 1 b',
      'stdin-end 1',
    ],
  },
  ...[0, 2, 255].map((version): Case => {
    const bad = stdin(1, 'abc')
    bad[0] = version
    return {
      name: `10: version ${String(version)} is an error, and the last word`,
      input: [open(1), bad, stdinEnd(1)],
      expected: [opened(1), 'error FCGI_BAD_VERSION undefined'],
    }
  }),
  {
    name: '10: a peer that speaks HTTP',
    input: [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
    expected: ['error FCGI_BAD_VERSION undefined'],
  },
]

describe('Connection.receive', () => {
  for (const { name, input, expected, limits: own } of cases) {
    const all = Buffer.concat(input)
    const points = all.length > 50_000 ? 50 : 500

    it(`${name}: whole, byte by byte, cut at every point (13)`, () => {
      for (const { name: cut, chunks } of cuts(all, points)) {
        expect(transcript(chunks, own), cut).toEqual(expected)
      }
    })

    it(`${name}: with more bytes behind it`, () => {
      const over = /^error|close$/.test(expected.at(-1) ?? '')
      const more = over ? expected : [...expected, unknown(99)]
      const tail = Buffer.concat([record(99, 0, 'more'), hex('01 05 00')])
      for (const { name: cut, chunks } of cuts(Buffer.concat([all, tail]), points / 5)) {
        expect(transcript(chunks, own), cut).toEqual(more)
      }
    })
  }

  it('gives PARAMS of one piece as a view of the chunk, else as one copy', () => {
    const views = (input: Buffer): boolean[] => {
      const chunk = Buffer.alloc(input.length, input) // Memory of its own, outside of any pool.
      return new Connection<undefined>(limits)
        .receive(chunk)
        .map((event) => event.type === 'request' && event.params.buffer === chunk.buffer)
    }
    expect(views(open(1))).toEqual([true])
    const cut = [begin(2), record(4, 2, 'ab'), record(4, 2, 'cd'), paramsEnd(2)]
    expect(views(Buffer.concat(cut))).toEqual([false])
  })

  it('gives STDIN as views, as it arrives, not a record at a time', () => {
    const connection = new Connection<undefined>(limits)
    const chunk = Buffer.concat([open(1), stdin(1, 'x'.repeat(1000)).subarray(0, 18)])
    const data = connection.receive(chunk).find((event) => event.type === 'stdin')?.data
    expect(data?.toString()).toBe('xxxxxxxxxx')
    expect(data?.buffer).toBe(chunk.buffer)
  })

  it('names the fault in the message and the id in a property', () => {
    const event = new Connection<undefined>(limits).receive(record(1, 3, 'abc'))[0]
    expect(event).toMatchObject({
      type: 'error',
      error: {
        name: 'ProtocolError',
        code: 'FCGI_BAD_LENGTH',
        requestId: 3,
        message: 'BEGIN_REQUEST with 3 bytes of content, not 8',
      },
    })
  })
})
