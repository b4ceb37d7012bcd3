import { describe, expect, it } from 'vitest'
import { FastcgiCounter, HttpCounter, type ResponseCounter } from './response-counter.ts'

/** The ids of the responses that a counter sees, whole and cut at every place. */
function everyCut(make: () => ResponseCounter, bytes: Buffer): number[][] {
  const seen: number[][] = []
  for (let cut = 0; cut <= bytes.length; cut++) {
    const counter = make()
    const ids: number[] = []
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      // A copy, as from a buffer that is used again for the next read.
      counter.feed(Buffer.from(part), part.length, (id) => ids.push(id))
    }
    seen.push(ids)
  }
  return seen
}

function expectAll(seen: number[][], ids: number[]): void {
  for (const one of seen) expect(one).toEqual(ids)
}

describe('FastcgiCounter', () => {
  it('counts END_REQUEST records by id, however the bytes are cut', () => {
    const bytes = Buffer.from(
      // STDOUT of id 1, three bytes and five of padding; END_REQUEST of id 2, then of id 258
      '0106000100030500' +
        '6162630000000000' +
        '0103000200080000' +
        '0000000000000000' +
        '0103010200080000' +
        '0000000000000000',
      'hex',
    )
    expectAll(
      everyCut(() => new FastcgiCounter(), bytes),
      [2, 258],
    )
  })
})

describe('HttpCounter', () => {
  const plain = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'

  it('counts answers with a length', () => {
    expectAll(
      everyCut(() => new HttpCounter(), Buffer.from(plain + plain)),
      [1, 1],
    )
  })

  it('counts answers without a body', () => {
    const empty = 'HTTP/1.1 204 No Content\r\n\r\n'
    expectAll(
      everyCut(() => new HttpCounter(), Buffer.from(empty + plain)),
      [1, 1],
    )
  })

  it('counts answers in chunks, and what follows them', () => {
    const chunked =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n'
    expectAll(
      everyCut(() => new HttpCounter(), Buffer.from(chunked + plain + chunked)),
      [1, 1, 1],
    )
  })

  it('knows a head that changes its length', () => {
    const longer = 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world'
    expectAll(
      everyCut(() => new HttpCounter(), Buffer.from(plain + longer + plain)),
      [1, 1, 1],
    )
  })

  it('throws when the answer is an error', () => {
    const bytes = Buffer.from('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n')
    expect(() => new HttpCounter().feed(bytes, bytes.length, () => {})).toThrow('502')
  })
})
