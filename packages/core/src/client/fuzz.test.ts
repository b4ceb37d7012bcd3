import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rawEnd, rawRecord, rawStdout } from '../../../../test/support/raw-responder.ts'
import { ClientError } from './errors.ts'
import { request } from './request.ts'

/** An application that sends these bytes, so cut, whatever it is asked, and then closes. */
function saying(pieces: readonly Uint8Array[]): Duplex {
  const left = pieces.filter((piece) => piece.length > 0).map((piece) => Buffer.from(piece))
  return new Duplex({
    read() {
      this.push(left.shift() ?? null)
    },
    write(_chunk, _encoding, done) {
      done()
    },
  })
}

async function outcome(pieces: readonly Uint8Array[]): Promise<string> {
  try {
    const response = await request({ connect: () => saying(pieces), body: 'x', timeout: 20_000 })
    return `${response.status} ${await response.text()}`
  } catch (error) {
    if (error instanceof ClientError) return error.code
    throw error
  }
}

const text = fc.string({ unit: 'binary-ascii', maxLength: 60 })
const record = fc.oneof(
  fc
    .tuple(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 2 }),
      text,
      fc.integer({ min: 0, max: 9 }),
    )
    .map(([type, id, content, padding]) => rawRecord(type, id, content, padding)),
  text.map((body) => rawStdout(1, `Status: 200 OK\n\n${body}`)),
  text.map((body) => rawStdout(1, body)),
  fc.constant(rawEnd(1)),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
)

/** Cuts a buffer at the given places. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [
    0,
    ...at.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b),
    bytes.length,
  ]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

describe('request, whatever an application sends', () => {
  it('gives a response or a ClientError, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 8 }),
        fc.array(fc.nat(1_000), { maxLength: 6 }),
        async (records, places) => {
          const got = await outcome(cut(Buffer.concat(records), places))
          expect(got).toMatch(/^(?:FCGI_[A-Z_]+$|\d{3} )/)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('gives the same response however its bytes are cut', async () => {
    const whole = Buffer.concat([
      rawRecord(7, 1, 'warning', 3),
      rawStdout(1, 'X: y\r\nStatus: 201 Made\r\n'),
      rawRecord(6, 1, '\r\nfirst ', 200),
      rawRecord(11, 0, '\x63\0\0\0\0\0\0\0'),
      rawStdout(1, 'second'),
      rawEnd(1),
    ])
    for (let place = 0; place <= whole.length; place++) {
      expect(await outcome(cut(whole, [place])), `cut at ${place}`).toBe('201 first second')
    }
    expect(await outcome(Array.from(whole, (byte) => Buffer.from([byte])))).toBe('201 first second')
  })
})
