import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { propertyRuns } from '../../../../test/support/property.ts'
import { ByteCollector } from './byte-collector.ts'

describe('ByteCollector', () => {
  it('keeps one piece as a view, not a copy', () => {
    const chunk = Buffer.from('..abc..')
    const collector = new ByteCollector()
    collector.append(chunk, 2, 5)
    const block = collector.take()
    expect(block.toString()).toBe('abc')
    expect(block.buffer).toBe(chunk.buffer)
    expect(collector.length).toBe(0)
  })

  it('keeps nothing of the chunk after own()', () => {
    const chunk = Buffer.from('abc')
    const collector = new ByteCollector()
    collector.append(chunk, 0, 3)
    collector.own()
    chunk.fill(0)
    expect(collector.take().toString()).toBe('abc')
  })

  it('never writes into the chunk that it holds a view of', () => {
    const chunk = Buffer.from('abcdef')
    const collector = new ByteCollector()
    collector.append(chunk, 0, 2)
    collector.append(Buffer.from('XY'), 0, 2)
    expect(chunk.toString()).toBe('abcdef')
    expect(collector.take().toString()).toBe('abXY')
  })

  it('never writes into a block that it has handed over', () => {
    const collector = new ByteCollector()
    collector.append(Buffer.from('a'), 0, 1)
    collector.append(Buffer.from('b'), 0, 1)
    const block = collector.take()
    collector.append(Buffer.from('x'), 0, 1)
    collector.append(Buffer.from('y'), 0, 1)
    expect(block.toString()).toBe('ab')
  })

  it('gives back what was appended, in pieces of any size', () => {
    const piece = fc.uint8Array({ minLength: 1, maxLength: 700 })
    fc.assert(
      fc.property(fc.array(fc.tuple(piece, fc.boolean()), { maxLength: 30 }), (pieces) => {
        const collector = new ByteCollector()
        for (const [bytes, own] of pieces) {
          const chunk = Buffer.from(bytes)
          collector.append(chunk, 0, chunk.length)
          if (own) collector.own()
        }
        const all = Buffer.concat(pieces.map(([bytes]) => bytes))
        expect(collector.length).toBe(all.length)
        expect(collector.take().equals(all)).toBe(true)
      }),
      propertyRuns(200),
    )
  })
})
