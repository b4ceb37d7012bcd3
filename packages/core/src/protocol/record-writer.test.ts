import { describe, expect, it } from 'vitest'
import {
  abort,
  begin,
  getValues as rawGetValues,
  hex,
  pair,
  readAnswer,
  readRecords,
  record,
  toHex,
} from '../../../../test/support/raw.ts'
import { RecordType } from './constants.ts'
import {
  abortRequest,
  beginRequest,
  endRecords,
  endRecordsText,
  endRequest,
  getValues,
  getValuesResult,
  paramsRecords,
  streamEnd,
  streamRecords,
  streamRecordText,
  unknownType,
} from './record-writer.ts'

const filled = (length: number): Buffer => Buffer.alloc(length, 'abcdefg')

describe('streamRecords', () => {
  it('writes nothing for empty content, which would end the stream (checklist 14)', () => {
    expect(streamRecords(RecordType.Stdout, 1, Buffer.alloc(0))).toEqual([])
    expect(streamRecordText(RecordType.Stdout, 1, '')).toBe('')
  })

  it('pads with zeros to 8 bytes (12)', () => {
    expect(toHex(Buffer.concat(streamRecords(RecordType.Stdout, 258, Buffer.from('abc'))))).toBe(
      toHex(hex('01 06 0102 0003 05 00 | 616263 0000000000')),
    )
    expect(toHex(Buffer.concat(streamRecords(RecordType.Stderr, 1, filled(8))))).toBe(
      toHex(hex('01 07 0001 0008 00 00 | 6162636465666761')),
    )
  })

  it.each([1, 7, 8, 9, 65_527, 65_528, 65_529, 65_535, 65_536, 200_000])(
    'carries %i bytes in as many records as needed, none of them empty (14)',
    (length) => {
      const content = filled(length)
      const { records, rest } = readRecords(
        Buffer.concat(streamRecords(RecordType.Stdout, 65_535, content)),
      )
      expect(rest).toHaveLength(0)
      expect(records).toHaveLength(Math.ceil(length / 65_528))
      expect(records.every(({ type, id }) => type === 6 && id === 65_535)).toBe(true)
      expect(records.every((one) => one.content.length > 0)).toBe(true)
      expect(Buffer.concat(records.map((one) => one.content)).equals(content)).toBe(true)
    },
  )

  it('lends views of the content, no copies', () => {
    const content = filled(100_000)
    const views = streamRecords(RecordType.Stdout, 1, content).filter(
      (part) => part.buffer === content.buffer && part.length > 1000,
    )
    expect(views.map((view) => view.length)).toEqual([65_528, 34_472])
  })
})

describe('streamRecordText', () => {
  it.each([1, 7, 8, 65_528])('is streamRecords as latin1 text, for %i characters', (length) => {
    const content = Buffer.alloc(length, Uint8Array.of(0x61, 0xe9, 0xff))
    expect(streamRecordText(RecordType.Stdout, 300, content.toString('latin1'))).toBe(
      Buffer.concat(streamRecords(RecordType.Stdout, 300, content)).toString('latin1'),
    )
  })

  it('throws RangeError for more than one record holds', () => {
    expect(() => streamRecordText(RecordType.Stdout, 1, 'x'.repeat(65_529))).toThrow(RangeError)
  })
})

describe('endRecords', () => {
  it('ends STDOUT, then the request (53, 55)', () => {
    expect(toHex(endRecords(1, 0, 0, false))).toBe(
      toHex(hex('01 06 0001 0000 00 00 | 01 03 0001 0008 00 00 | 00000000 00 000000')),
    )
  })

  it('ends STDERR too if it was used, and only then (54)', () => {
    expect(toHex(endRecords(1, 0, 0, true))).toBe(
      toHex(
        hex(
          '01 06 0001 0000 00 00 | 01 07 0001 0000 00 00 | 01 03 0001 0008 00 00 | 00000000 00 000000',
        ),
      ),
    )
  })

  it.each([0, 1, 255, 65_536, 0x7fffffff, 0x80000000, 0xffffffff])(
    'carries appStatus %i as unsigned 32 bits (34)',
    (appStatus) => {
      const { records } = readRecords(endRecords(7, appStatus, 0, false))
      expect(readAnswer(records, 7)).toMatchObject({ appStatus, protocolStatus: 0 })
    },
  )

  it('gives a negative status as exit() would: modulo 2^32 (34)', () => {
    const { records } = readRecords(endRecords(7, -1, 0, false))
    expect(readAnswer(records, 7).appStatus).toBe(0xffffffff)
  })

  it.each([1, 255, 256, 1000, 65_535, 1000 & 255, 255, 1])(
    'has the common form as text, for id %i',
    (id) => {
      const expected = endRecords(id, 0, 0, false).toString('latin1')
      expect(endRecordsText(id)).toBe(expected)
      expect(endRecordsText(id)).toBe(expected)
    },
  )
})

describe('the other records', () => {
  it('are the bytes of the specification', () => {
    expect(endRequest(1, 2, 3)).toEqual(hex('01 03 0001 0008 00 00 | 00000002 03 000000'))
    expect(streamEnd(RecordType.Stdin, 1)).toEqual(hex('01 05 0001 0000 00 00'))
    expect(unknownType(77)).toEqual(hex('01 0b 0000 0008 00 00 | 4d 00000000000000'))
    expect(beginRequest(515, 3, 1)).toEqual(begin(515, 3, 1))
    expect(abortRequest(9)).toEqual(abort(9))
    expect(getValuesResult([])).toEqual(record(10, 0))
    const asked = rawGetValues('FCGI_MAX_CONNS')
    expect(getValues(['FCGI_MAX_CONNS']).subarray(8, asked.length)).toEqual(asked.subarray(8))
    expect(readRecords(getValues(['A', 'B'])).records[0]?.content).toEqual(
      Buffer.concat([pair('A', ''), pair('B', '')]),
    )
  })

  it('cut PARAMS that fit no single record, and end them', () => {
    const list = [
      ['A', 'x'.repeat(70_000)],
      ['B', 'y'.repeat(70_000)],
    ] as const
    const { records, rest } = readRecords(Buffer.concat(paramsRecords(4, list)))
    expect(rest).toHaveLength(0)
    expect(records.at(-1)?.content).toHaveLength(0)
    expect(records.slice(0, -1).every((one) => one.content.length > 0)).toBe(true)
    const block = Buffer.concat(list.map(([name, value]) => pair(name, value)))
    expect(Buffer.concat(records.map((one) => one.content)).equals(block)).toBe(true)
    expect(paramsRecords(4, [])).toEqual([record(4, 4)])
  })

  it.each([0, -1, 65_536, 1.5, Number.NaN])('are not made for request id %d (17, 18)', (id) => {
    expect(() => beginRequest(id, 1, 0)).toThrow(RangeError)
    expect(() => paramsRecords(id, [])).toThrow(RangeError)
    expect(() => abortRequest(id)).toThrow(RangeError)
  })

  it('refuse more content than a record holds', () => {
    expect(() => getValues(['x'.repeat(65_536)])).toThrow(RangeError)
  })
})
