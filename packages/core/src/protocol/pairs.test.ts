import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { propertyRuns } from '../../../../test/support/property.ts'
import { hex, pair, toHex } from '../../../../test/support/raw.ts'
import { ProtocolError } from './errors.ts'
import { decodePairs, encodePairs, PairReader } from './pairs.ts'

const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
  return 'none'
}

describe('decodePairs', () => {
  it('reads the four length forms (§3.4, checklist 38)', () => {
    expect(decodePairs(hex('01 01 41 42'))).toEqual([['A', 'B']])
    expect(decodePairs(hex('01 80000001 41 42'))).toEqual([['A', 'B']])
    expect(decodePairs(hex('80000001 01 41 42'))).toEqual([['A', 'B']])
    expect(decodePairs(hex('80000001 80000001 41 42'))).toEqual([['A', 'B']])
  })

  it.each([
    [0, 0],
    [1, 0],
    [127, 127],
    [128, 127],
    [127, 128],
    [128, 128],
    [1, 65536],
    [70_000, 70_000],
  ])('reads a name of %i and a value of %i bytes (38)', (nameLength, valueLength) => {
    const name = 'n'.repeat(nameLength)
    const value = 'v'.repeat(valueLength)
    expect(decodePairs(Buffer.concat([pair(name, value), pair('NEXT', '1')]))).toEqual([
      [name, value],
      ['NEXT', '1'],
    ])
  })

  it('keeps order, repeated names, empty names, and names that are traps in objects (42)', () => {
    const names = ['B', 'A', 'B', '', '__proto__', 'constructor']
    const block = Buffer.concat(names.map((name) => pair(name, `of ${name}`)))
    expect(decodePairs(block)).toEqual(names.map((name) => [name, `of ${name}`]))
  })

  it('hands every byte over as it is, NUL and bytes above 127 included (39, 44)', () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte))
    expect(decodePairs(pair(all, all))).toEqual([[all, all]])
  })

  it('gives nothing for an empty block', () => {
    expect(decodePairs(Buffer.alloc(0))).toEqual([])
  })

  it('refuses a block that ends anywhere inside a pair (40)', () => {
    const block = Buffer.concat([pair('A', 'B'), pair('N'.repeat(200), 'V'.repeat(130))])
    for (let length = 1; length < block.length; length++) {
      if (length === 4) continue // The end of the first pair.
      expect(codeOf(() => decodePairs(block.subarray(0, length)))).toBe('FCGI_BAD_PAIR')
    }
  })

  it('refuses the longest lengths that can be declared, allocating nothing (40)', () => {
    expect(codeOf(() => decodePairs(hex('ffffffff ffffffff 41')))).toBe('FCGI_BAD_PAIR')
    expect(codeOf(() => decodePairs(hex('ffffffff 00 41')))).toBe('FCGI_BAD_PAIR')
    expect(codeOf(() => decodePairs(hex('00 ffffffff 41')))).toBe('FCGI_BAD_PAIR')
  })

  it('enforces its limits, each with a code of its own (41)', () => {
    const block = Buffer.concat([pair('AB', 'C'), pair('D', 'EFG')])
    expect(decodePairs(block, { maxPairs: 2, maxNameLength: 2, maxValueLength: 3 })).toHaveLength(2)
    expect(codeOf(() => decodePairs(block, { maxPairs: 1 }))).toBe('FCGI_TOO_MANY_PAIRS')
    expect(codeOf(() => decodePairs(block, { maxNameLength: 1 }))).toBe('FCGI_NAME_TOO_LONG')
    expect(codeOf(() => decodePairs(block, { maxValueLength: 2 }))).toBe('FCGI_VALUE_TOO_LONG')
  })

  it('gives pairs or a ProtocolError for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (block) => {
        codeOf(() => decodePairs(Buffer.from(block)))
      }),
      propertyRuns(500),
    )
  })
})

describe('encodePairs', () => {
  it('uses the short form of each length up to 127', () => {
    expect(toHex(encodePairs([['A', 'BC']]))).toBe('0102414243')
    expect(encodePairs([['n'.repeat(127), 'v'.repeat(128)]])).toEqual(
      pair('n'.repeat(127), 'v'.repeat(128)),
    )
  })

  it('writes text as latin1 where it can, else as UTF-8, and bytes as they are', () => {
    const encoded = encodePairs([
      ['A', 'é'],
      ['B', 'ż'],
      ['C', Uint8Array.of(0, 255)],
    ])
    expect(toHex(encoded)).toBe(toHex(hex('01 01 41 e9 | 01 02 42 c5bc | 01 02 43 00ff')))
  })

  it('is undone by decodePairs', () => {
    const latin1 = fc
      .uint8Array({ maxLength: 300 })
      .map((content) => Buffer.from(content).toString('latin1'))
    fc.assert(
      fc.property(fc.array(fc.tuple(latin1, latin1), { maxLength: 20 }), (list) => {
        expect(decodePairs(encodePairs(list))).toEqual(list)
      }),
      propertyRuns(200),
    )
  })
})

describe('PairReader', () => {
  it('tells where names and values lie, and can be used for another block', () => {
    const reader = new PairReader(pair('AB', 'CDE'))
    expect(reader.next()).toBe(true)
    expect([reader.nameStart, reader.nameEnd, reader.valueEnd]).toEqual([2, 4, 7])
    expect(reader.next()).toBe(false)
    reader.reset(pair('', 'X'))
    expect(reader.next()).toBe(true)
    expect([reader.nameStart, reader.nameEnd, reader.valueEnd]).toEqual([2, 2, 3])
    expect(reader.next()).toBe(false)
  })
})
