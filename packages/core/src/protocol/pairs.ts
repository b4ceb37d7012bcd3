// Name-value pairs (§3.4), the content of PARAMS, GET_VALUES and GET_VALUES_RESULT:
//
//     name length | value length | name | value      a length: 1 byte up to 127, else 4 with the top bit set

import { ProtocolError } from './errors.ts'

/** Bounds for {@link decodePairs}; each is unlimited when left out. Lengths are in bytes. */
export interface PairLimits {
  readonly maxPairs?: number
  readonly maxNameLength?: number
  readonly maxValueLength?: number
}

/**
 * Walks the pairs of a block without allocating: after `next()` returned true the four offsets tell
 * where name and value lie in the block. Lengths are believed only as far as the block reaches, so
 * nothing is ever allocated because a peer declared it.
 */
export class PairReader {
  /** Offset of the first byte of the name. */
  nameStart = 0
  /** Offset behind the name, which is where the value starts. */
  nameEnd = 0
  /** Offset behind the value. */
  valueEnd = 0
  #block: Uint8Array
  #position = 0

  constructor(block: Uint8Array) {
    this.#block = block
  }

  /** Starts again, at the beginning of another block, so that one reader can serve many. */
  reset(block: Uint8Array): void {
    this.#block = block
    this.#position = 0
  }

  /**
   * Moves to the next pair; false at the end of the block.
   *
   * @throws ProtocolError `FCGI_BAD_PAIR` if the pair reaches beyond the block.
   */
  next(): boolean {
    const block = this.#block
    const length = block.length
    let position = this.#position
    if (position >= length) return false
    // A read beyond the end gives undefined, which counts as 0 here; the check below finds it out.
    let nameLength = block[position++] as number
    if (nameLength > 127) {
      nameLength = longLength(block, position - 1)
      position += 3
    }
    let valueLength = block[position++] as number
    if (valueLength > 127) {
      valueLength = longLength(block, position - 1)
      position += 3
    }
    const nameEnd = position + nameLength
    const valueEnd = nameEnd + valueLength
    // Written so that NaN, from a length byte that is missing, fails as well.
    if (!(valueEnd <= length)) throw truncated(this.#position, length)
    this.nameStart = position
    this.nameEnd = nameEnd
    this.valueEnd = valueEnd
    this.#position = valueEnd
    return true
  }
}

function longLength(block: Uint8Array, at: number): number {
  return (
    ((block[at]! & 127) << 24) | (block[at + 1]! << 16) | (block[at + 2]! << 8) | block[at + 3]!
  )
}

function truncated(at: number, length: number): ProtocolError {
  return new ProtocolError(
    'FCGI_BAD_PAIR',
    `the name-value pair at byte ${at} reaches beyond its block of ${length} bytes`,
  )
}

/**
 * All pairs of a block, in order, names and values as latin1 (one character a byte, nothing lost).
 * A name may come twice, or be empty: what that means is not for this layer to say.
 *
 * @throws ProtocolError `FCGI_BAD_PAIR` for a pair cut off by the end of the block;
 * `FCGI_TOO_MANY_PAIRS`, `FCGI_NAME_TOO_LONG`, `FCGI_VALUE_TOO_LONG` above the limits. Nothing is
 * returned in these cases.
 */
export function decodePairs(
  block: Buffer,
  limits: PairLimits = {},
): [name: string, value: string][] {
  const maxPairs = limits.maxPairs ?? Infinity
  const maxNameLength = limits.maxNameLength ?? Infinity
  const maxValueLength = limits.maxValueLength ?? Infinity
  const pairs: [string, string][] = []
  const reader = new PairReader(block)
  while (reader.next()) {
    const { nameStart, nameEnd, valueEnd } = reader
    if (pairs.length >= maxPairs) {
      throw new ProtocolError('FCGI_TOO_MANY_PAIRS', `more than ${maxPairs} name-value pairs`)
    }
    if (nameEnd - nameStart > maxNameLength) {
      throw new ProtocolError(
        'FCGI_NAME_TOO_LONG',
        `a name of ${nameEnd - nameStart} bytes, more than ${maxNameLength}`,
      )
    }
    if (valueEnd - nameEnd > maxValueLength) {
      throw new ProtocolError(
        'FCGI_VALUE_TOO_LONG',
        `a value of ${valueEnd - nameEnd} bytes, more than ${maxValueLength}`,
      )
    }
    pairs.push([block.latin1Slice(nameStart, nameEnd), block.latin1Slice(nameEnd, valueEnd)])
  }
  return pairs
}

/**
 * Pairs as a block, the shorter form of each length. Strings become latin1 where that loses
 * nothing, else UTF-8; give a Uint8Array as value to settle the bytes yourself.
 *
 * @throws RangeError for a name or value of 2 GiB or more.
 */
export function encodePairs(pairs: Iterable<readonly [string, string | Uint8Array]>): Buffer {
  const parts: Uint8Array[] = []
  for (const [name, value] of pairs) {
    const nameBytes = encodeText(name)
    const valueBytes = typeof value === 'string' ? encodeText(value) : value
    parts.push(encodeLengths(nameBytes.length, valueBytes.length), nameBytes, valueBytes)
  }
  return Buffer.concat(parts)
}

function encodeText(text: string): Buffer {
  return Buffer.from(text, /[^\0-\xff]/.test(text) ? 'utf8' : 'latin1')
}

function encodeLengths(nameLength: number, valueLength: number): Buffer {
  const bytes = Buffer.allocUnsafe((nameLength > 127 ? 4 : 1) + (valueLength > 127 ? 4 : 1))
  const position = writeLength(bytes, 0, nameLength)
  writeLength(bytes, position, valueLength)
  return bytes
}

function writeLength(target: Buffer, position: number, length: number): number {
  if (length <= 127) {
    target[position] = length
    return position + 1
  }
  if (length > 0x7fffffff) throw new RangeError(`a name or value of ${length} bytes is too long`)
  return target.writeUInt32BE((length | 0x80000000) >>> 0, position)
}
