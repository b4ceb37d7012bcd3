import { describe, expect, it } from 'vitest'
import { hasControl, inWords, memoryOf, sameWords } from './words.ts'

/** The bytes of a text somewhere in a larger buffer, as a block lies in what was read. */
function placed(text: string, before = 5, behind = 3): Buffer {
  const whole = Buffer.alloc(before + text.length + behind, 1)
  whole.write(text, before, 'latin1')
  return whole.subarray(before, before + text.length)
}

describe('hasControl', () => {
  it('tells every byte in every place of a value, and looks at nothing beside it', () => {
    const wrong: string[] = []
    for (let length = 1; length <= 9; length++) {
      for (let place = 0; place < length; place++) {
        for (let byte = 0; byte < 256; byte++) {
          const text =
            'x'.repeat(place) + String.fromCharCode(byte) + 'x'.repeat(length - place - 1)
          const block = placed(text)
          const { byteOffset } = block
          const found = hasControl(memoryOf(block), byteOffset, byteOffset + length)
          const control = (byte < 32 && byte !== 9) || byte === 127
          if (found !== control) wrong.push(`${byte} at ${place} of ${length}`)
        }
      }
    }
    expect(wrong).toEqual([])
  })

  it('goes on behind a tab, and behind bytes above 127', () => {
    for (const start of ['\t\t\t\t\t\t', '\xff\x80\x9f\xa0\xff\xff', '\x20~\xa0\t\x80 ']) {
      const [clean, bad] = [placed(start + 'abc'), placed(start + 'a\x1f')]
      const tell = (block: Buffer): boolean =>
        hasControl(memoryOf(block), block.byteOffset, block.byteOffset + block.length)
      expect([tell(clean), tell(bad)]).toEqual([false, true])
    }
  })

  it('finds nothing in nothing', () => {
    const block = placed('')
    expect(hasControl(memoryOf(block), block.byteOffset, block.byteOffset)).toBe(false)
  })
})

describe('sameWords', () => {
  it('is true for the same bytes only, wherever they differ', () => {
    for (const name of ['HTTP', 'HTTPS', 'HTTP_A', 'HTTP_AB', 'HTTP_ABC', 'REQUEST_METHOD']) {
      const known = inWords(Buffer.from(name))
      expect(known.length).toBe(name.length)
      const same = (text: string): boolean => {
        const block = placed(text)
        return sameWords(memoryOf(block), block.byteOffset, block.byteOffset + block.length, known)
      }
      expect([name, same(name)]).toEqual([name, true])
      for (let i = 0; i < name.length; i++) {
        const other = name.slice(0, i) + '\xff' + name.slice(i + 1)
        expect([other, same(other)]).toEqual([other, false])
      }
    }
  })

  it('is not for names of less than four bytes', () => {
    for (const name of ['', 'A', 'AB', 'ABC']) expect(inWords(Buffer.from(name)).length).toBe(-1)
  })
})
