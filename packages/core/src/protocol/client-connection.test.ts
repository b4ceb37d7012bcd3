import { describe, expect, it } from 'vitest'
import { describeClientEvent, joinParts } from '../../../../test/support/protocol-events.ts'
import {
  abort,
  begin,
  cuts,
  data,
  deliver,
  end,
  hex,
  pair,
  params,
  record,
  stderr,
  stdin,
  stdinEnd,
  stdout,
} from '../../../../test/support/raw.ts'
import { ClientConnection, type BeginOptions } from './client-connection.ts'

const responder: BeginOptions<string> = {
  role: 1,
  keepConnection: true,
  params: [['A', 'B']],
  context: 'mine',
}

/** A client with requests 1 and 2 under way. */
function connect(): ClientConnection<string> {
  const client = new ClientConnection<string>()
  client.begin(responder)
  client.begin(responder)
  return client
}

const long = 'x'.repeat(65_535)

const cases: [name: string, input: Buffer[], expected: string[]][] = [
  [
    'an answer',
    [stdout(1, 'Status: 200\r\n\r\n', 1), stdout(1, 'body', 4), stdout(1, ''), end(1)],
    ['stdout 1 Status: 200\r\n\r\nbody', 'stdout-end 1', 'end 1 0 0'],
  ],
  [
    'STDERR between, with and without an end of its own (checklist 54, 55)',
    [
      stdout(1, 'a'),
      stderr(1, 'oops', 255),
      stdout(1, 'b'),
      stderr(1, ''),
      stdout(1, ''),
      end(1, 5),
    ],
    ['stdout 1 a', 'stderr 1 oops', 'stdout 1 b', 'stdout-end 1', 'end 1 5 0'],
  ],
  [
    'END_REQUEST alone, without the end of STDOUT, as php-fpm sends it (53)',
    [stdout(1, 'a'), end(1), end(2, 0, 3)],
    ['stdout 1 a', 'end 1 0 0', 'end 2 0 3'],
  ],
  [
    'two answers interleaved',
    [stdout(1, 'a'), stdout(2, 'x'), stdout(1, 'b'), stdout(2, ''), end(2), stdout(1, ''), end(1)],
    [
      'stdout 1 a',
      'stdout 2 x',
      'stdout 1 b',
      'stdout-end 2',
      'end 2 0 0',
      'stdout-end 1',
      'end 1 0 0',
    ],
  ],
  ['appStatus as unsigned 32 bits (34)', [end(1, 0xffffffff, 0)], ['end 1 4294967295 0']],
  [
    'records of the longest kind',
    [stdout(1, long, 255), end(1)],
    [`stdout 1 ${long}`, 'end 1 0 0'],
  ],
  [
    'records of ids that are not active, ignored (15)',
    [stdout(9, 'x'), stderr(9, 'x'), end(9), end(1), stdout(1, 'late'), end(1), stdout(2, 'a')],
    ['end 1 0 0', 'stdout 2 a'],
  ],
  [
    'STDOUT after its end, ignored',
    [stdout(1, ''), stdout(1, 'x'), stdout(1, ''), end(1)],
    ['stdout-end 1', 'end 1 0 0'],
  ],
  [
    'types that an application does not send, and unknown ones, ignored (20)',
    [
      begin(1),
      abort(1),
      params(1, { A: 'B' }),
      stdin(1, 'x'),
      data(1, 'x'),
      record(9, 0),
      record(77, 1, 'x'),
      record(77, 0),
      record(10, 1),
      record(11, 1),
      end(1),
    ],
    ['end 1 0 0'],
  ],
  [
    'the answer to GET_VALUES',
    [
      record(10, 0, Buffer.concat([pair('FCGI_MAX_CONNS', '10'), pair('__proto__', 'x')])),
      record(10, 0),
    ],
    ['values [["FCGI_MAX_CONNS","10"],["__proto__","x"]]', 'values []'],
  ],
  [
    'a broken answer to GET_VALUES',
    [stdout(1, 'a'), record(10, 0, hex('05 01 41')), end(1)],
    ['stdout 1 a', 'error FCGI_BAD_PAIR 0'],
  ],
  ['UNKNOWN_TYPE', [record(11, 0, hex('4d 00 00 00 00 00 00 00'))], ['unknown-type 77']],
  ['UNKNOWN_TYPE of another length', [record(11, 0, 'x'), end(1)], ['error FCGI_BAD_LENGTH 0']],
  [
    'END_REQUEST of another length (35)',
    [record(3, 1, '1234567'), end(1)],
    ['error FCGI_BAD_LENGTH 1'],
  ],
  ['END_REQUEST without content', [record(3, 1), end(1)], ['error FCGI_BAD_LENGTH 1']],
  ['STDOUT with id 0 (18)', [record(6, 0, 'x'), end(1)], ['error FCGI_NULL_REQUEST_ID 0']],
  ['STDERR with id 0', [record(7, 0), end(1)], ['error FCGI_NULL_REQUEST_ID 0']],
  [
    'END_REQUEST with id 0',
    [record(3, 0, Buffer.alloc(8)), end(1)],
    ['error FCGI_NULL_REQUEST_ID 0'],
  ],
  [
    'another version (10)',
    [stdout(1, 'a'), hex('02 06'), end(1)],
    ['stdout 1 a', 'error FCGI_BAD_VERSION undefined'],
  ],
  [
    'an answer in HTTP',
    [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['error FCGI_BAD_VERSION undefined'],
  ],
]

describe('ClientConnection.receive', () => {
  const transcript = (chunks: Iterable<Buffer>): string[] => {
    const client = connect()
    return joinParts(deliver(chunks, (chunk) => client.receive(chunk).map(describeClientEvent)))
  }

  for (const [name, input, expected] of cases) {
    it(`${name}: whole, byte by byte, cut at every point (13)`, () => {
      for (const { name: cut, chunks } of cuts(Buffer.concat(input), 200)) {
        expect(transcript(chunks), cut).toEqual(expected)
      }
    })

    it(`${name}: with more bytes behind it`, () => {
      const over = expected.at(-1)?.startsWith('error') === true
      const tail = Buffer.concat([record(11, 0, Buffer.alloc(8, 7)), hex('01 06 00')])
      const more = over ? expected : [...expected, 'unknown-type 7']
      for (const { name: cut, chunks } of cuts(Buffer.concat([...input, tail]), 100)) {
        expect(transcript(chunks), cut).toEqual(more)
      }
    })
  }

  it('hands out the request it was told of, with its context', () => {
    const client = new ClientConnection<string>()
    const { request } = client.begin(responder)
    const [event] = client.receive(stdout(1, 'a'))
    expect(event).toMatchObject({ type: 'stdout', request: { context: 'mine', role: 1 } })
    expect(event?.type === 'stdout' && event.request).toBe(request)
    client.receive(Buffer.concat([stdout(1, ''), end(1)]))
    expect(request).toMatchObject({ stdoutComplete: true, ended: true })
    expect(client.active).toBe(0)
  })

  it('takes nothing more after an error', () => {
    const client = connect()
    expect(client.receive(hex('09')).map(describeClientEvent)).toHaveLength(1)
    expect(client.closed).toBe(true)
    expect(client.receive(end(1))).toEqual([])
    expect([...client.requests()].map(({ id }) => id)).toEqual([1, 2])
  })

  it('knows when it stands in the middle of a record', () => {
    const client = connect()
    client.receive(stdout(1, 'abc').subarray(0, 9))
    expect(client.midRecord).toBe(true)
    client.receive(stdout(1, 'abc').subarray(9))
    expect(client.midRecord).toBe(false)
  })
})

describe('ClientConnection, sending', () => {
  it('begins a request: BEGIN_REQUEST, PARAMS and their end', () => {
    const client = new ClientConnection<undefined>()
    const { bytes } = client.begin({
      role: 3,
      keepConnection: false,
      params: [['AB', 'CDEF']],
      context: undefined,
    })
    expect(bytes).toEqual(
      Buffer.concat([begin(1, 3, 0), params(1, { AB: 'CDEF' })]), // 8 bytes: no padding.
    )
    expect(client.begin({ ...responder, context: undefined }).bytes.subarray(0, 16)).toEqual(
      begin(2, 1, 1),
    )
  })

  it('sends the body in records, and its end once', () => {
    const client = new ClientConnection<string>()
    const { request } = client.begin(responder)
    expect(Buffer.concat(client.stdin(request, Buffer.from('12345678')))).toEqual(
      stdin(1, '12345678'),
    )
    expect(client.stdin(request, Buffer.alloc(0))).toEqual([])
    expect(client.stdinEnd(request)).toEqual(stdinEnd(1))
    expect(client.stdinEnd(request)).toHaveLength(0)
    expect(() => client.stdin(request, Buffer.from('x'))).toThrow(TypeError)
  })

  it('sends DATA after STDIN, and its end once', () => {
    const client = new ClientConnection<string>()
    const { request } = client.begin({ ...responder, role: 3 })
    expect(() => client.data(request, Buffer.from('x'))).toThrow(TypeError)
    expect(() => client.dataEnd(request)).toThrow(TypeError)
    client.stdinEnd(request)
    expect(Buffer.concat(client.data(request, Buffer.from('12345678')))).toEqual(
      data(1, '12345678'),
    )
    expect(client.dataEnd(request)).toEqual(data(1, ''))
    expect(client.dataEnd(request)).toHaveLength(0)
    expect(() => client.data(request, Buffer.from('x'))).toThrow(TypeError)
  })

  it('aborts; the id is free only when the application has answered (59)', () => {
    const client = new ClientConnection<string>()
    const { request } = client.begin(responder)
    expect(client.abort(request)).toEqual(abort(1))
    expect(client.begin(responder).request.id).toBe(2)
    client.receive(end(1))
    expect(client.abort(request)).toHaveLength(0)
    expect(client.begin(responder).request.id).toBe(1)
  })

  it('sends nothing for a request that has ended, even when its id has a new owner (48)', () => {
    const client = new ClientConnection<string>()
    const { request } = client.begin(responder)
    client.receive(end(1))
    client.begin(responder)
    expect(client.stdin(request, Buffer.from('x'))).toEqual([])
    expect(client.stdinEnd(request)).toHaveLength(0)
    expect(client.data(request, Buffer.from('x'))).toEqual([])
    expect(client.dataEnd(request)).toHaveLength(0)
    expect(client.abort(request)).toHaveLength(0)
  })

  it('gives each request the lowest free id, up to 65535', () => {
    const client = new ClientConnection<undefined>()
    const options = { role: 1, keepConnection: true, params: [], context: undefined }
    const ids = Array.from({ length: 65_535 }, () => client.begin(options).request.id)
    expect(ids.every((id, n) => id === n + 1)).toBe(true)
    expect(() => client.begin(options)).toThrow(RangeError)
    expect(client.active).toBe(65_535)
    client.receive(Buffer.concat([end(40_000), end(7)]))
    expect(client.begin(options).request.id).toBe(7)
    expect(client.begin(options).request.id).toBe(40_000)
  })
})
