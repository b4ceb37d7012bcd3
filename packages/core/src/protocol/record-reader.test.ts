import { describe, expect, it } from 'vitest'
import { cuts, deliver, hex, record } from '../../../../test/support/raw.ts'
import { RecordReader, Step } from './record-reader.ts'

/**
 * Content of each record as text, pieces joined by what `last` says; a version that is wrong ends
 * the list.
 */
function read(chunks: Iterable<Buffer>): string[] {
  const reader = new RecordReader()
  let content = ''
  return deliver(chunks, (chunk) => {
    const found: string[] = []
    reader.feed(chunk)
    for (let step = reader.next(); step !== Step.NeedMore; step = reader.next()) {
      if (step === Step.BadVersion) return [...found, `version ${String(reader.version)}`]
      content += chunk.toString('latin1', reader.start, reader.end)
      if (!reader.last) continue
      expect(content).toHaveLength(reader.contentLength)
      found.push(`${String(reader.type)} ${String(reader.requestId)} ${content}`)
      content = ''
    }
    reader.release()
    return found
  })
}

const cases: [name: string, input: Buffer, expected: string[]][] = [
  ['one record', record(5, 1, 'hello'), ['5 1 hello']],
  ['no content', record(4, 65_535), ['4 65535 ']],
  ['no content, padding 255', record(4, 256, '', 255), ['4 256 ']],
  ['padding after content', record(5, 1, 'abc', 5), ['5 1 abc']],
  ['any type and id', record(255, 0, 'x', 1), ['255 0 x']],
  [
    'several in a row, padded by 0 to 255',
    Buffer.concat([record(5, 1, 'a', 255), record(5, 2, '', 1), record(5, 3, 'bc'), record(6, 4)]),
    ['5 1 a', '5 2 ', '5 3 bc', '6 4 '],
  ],
  ['a reserved byte that is not 0', hex('01 05 0001 0001 00 ff 41'), ['5 1 A']],
]

describe('RecordReader', () => {
  describe.each(cases)('%s (checklist 11, 13)', (_name, input, expected) => {
    it('is read the same however it is cut, and with more behind it', () => {
      for (const { name, chunks } of cuts(input)) expect(read(chunks), name).toEqual(expected)
      const more = Buffer.concat([input, record(9, 0, 'more'), hex('01 05 00')])
      for (const { name, chunks } of cuts(more)) {
        expect(read(chunks), name).toEqual([...expected, '9 0 more'])
      }
    })
  })

  it('reads the longest record there is', () => {
    const content = 'x'.repeat(65_535)
    const input = Buffer.concat([record(5, 1, content, 255), record(5, 2, 'y')])
    expect(read([Buffer.from(input)])).toEqual([`5 1 ${content}`, '5 2 y'])
    expect(
      read([Buffer.from(input.subarray(0, 30_000)), Buffer.from(input.subarray(30_000))]),
    ).toEqual([`5 1 ${content}`, '5 2 y'])
  })

  it.each([0, 2, 5, 71, 255])('stops at version %i, with the first byte of it (10)', (version) => {
    expect(read([Buffer.from([version])])).toEqual([`version ${String(version)}`])
    const bad = record(5, 1, 'abc')
    bad[0] = version
    for (const { name, chunks } of cuts(Buffer.concat([record(5, 1, 'ok'), bad]))) {
      const found = read(chunks).slice(0, 2)
      expect(found, name).toEqual(['5 1 ok', `version ${String(version)}`])
    }
  })

  it('hands content on as it arrives, without waiting for the whole record', () => {
    const reader = new RecordReader()
    reader.feed(record(5, 1, 'abcdef').subarray(0, 11))
    expect(reader.next()).toBe(Step.Piece)
    expect([reader.start, reader.end, reader.last]).toEqual([8, 11, false])
    expect(reader.next()).toBe(Step.NeedMore)
    expect(reader.atBoundary).toBe(false)
  })

  it('knows whether it stands between records', () => {
    const input = record(5, 1, 'ab', 2)
    for (let length = 0; length <= input.length; length++) {
      const reader = new RecordReader()
      reader.feed(input.subarray(0, length))
      while (reader.next() !== Step.NeedMore);
      expect(reader.atBoundary, String(length)).toBe(length === 0 || length === input.length)
    }
  })
})
