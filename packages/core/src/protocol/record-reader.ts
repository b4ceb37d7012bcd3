// Cuts the bytes of a connection into records (§3.3), however they arrive: content is handed on
// piece by piece as views of the chunk, never copied and never waited for, and padding is skipped.

import { HEADER_LENGTH, VERSION } from './constants.ts'

/** What {@link RecordReader.next} found. */
export const Step = { NeedMore: 0, Piece: 1, BadVersion: 2 } as const

/** One of the numbers in {@link Step}. */
export type Step = (typeof Step)[keyof typeof Step]

/**
 * Reader of records. Feed it a chunk, then call `next()` until it says `NeedMore`: each `Piece` is
 * the part of one record's content that the chunk holds, described by the fields. A record without
 * content gives one empty piece; any other record gives pieces of at least one byte each.
 * `BadVersion` is final (§3.3): what follows cannot be told apart any more.
 *
 * The fields are one set, overwritten by each `next()`, because an object a record would be most of
 * the cost.
 */
export class RecordReader {
  /** The version of the last header, 1 unless the step was `BadVersion`. */
  version = VERSION as number
  /** Type of the record, 0 to 255. */
  type = 0
  /** Request id of the record, 0 to 65535. */
  requestId = 0
  /** Length of the whole content of the record, 0 to 65535. */
  contentLength = 0
  /** Offset in the chunk of the first byte of the piece. */
  start = 0
  /** Offset in the chunk behind the last byte of the piece. */
  end = 0
  /** The piece is the last one of its record: the content is complete. */
  last = false
  #chunk: Uint8Array = NOTHING
  #length = 0
  #position = 0
  #contentLeft = 0
  #paddingLeft = 0
  /**
   * A header that the chunks cut: its bytes so far. Own memory, never lent; made when first needed,
   * since most connections never see one and an idle one should cost little.
   */
  #header: Uint8Array = NOTHING
  #headerLength = 0

  /** True between records: no header begun, no content or padding outstanding. */
  get atBoundary(): boolean {
    return this.#headerLength === 0 && this.#contentLeft === 0 && this.#paddingLeft === 0
  }

  /** Takes the next bytes of the connection, the first `length` of `chunk`; those before must have been read to `NeedMore`. */
  feed(chunk: Uint8Array, length: number = chunk.length): void {
    this.#chunk = chunk
    this.#length = length
    this.#position = 0
  }

  /** Lets go of the chunk, so that a connection at rest keeps no memory alive. */
  release(): void {
    this.#chunk = NOTHING
    this.#length = 0
    this.#position = 0
  }

  /** Moves to the next piece of content, see the class. */
  next(): Step {
    const chunk = this.#chunk
    const length = this.#length
    let position = this.#position
    if (this.#contentLeft === 0) {
      if (this.#paddingLeft > 0) {
        const skipped = Math.min(this.#paddingLeft, length - position)
        position += skipped
        this.#paddingLeft -= skipped
      }
      if (position >= length) return this.#rest(position)
      if (this.#headerLength === 0 && length - position >= HEADER_LENGTH) {
        if (!this.#readHeader(chunk, position)) return Step.BadVersion
        position += HEADER_LENGTH
      } else {
        if (this.#header === NOTHING) this.#header = new Uint8Array(HEADER_LENGTH)
        while (this.#headerLength < HEADER_LENGTH && position < length) {
          this.#header[this.#headerLength++] = chunk[position++]!
        }
        // The version is judged as soon as it is there, so that no peer of another protocol is
        // waited for.
        if (this.#header[0] !== VERSION) {
          this.version = this.#header[0]!
          return Step.BadVersion
        }
        if (this.#headerLength < HEADER_LENGTH) return this.#rest(position)
        this.#headerLength = 0
        this.#readHeader(this.#header, 0)
      }
      if (this.contentLength > 0 && position >= length) return this.#rest(position)
    } else if (position >= length) {
      return this.#rest(position)
    }
    const taken = Math.min(this.#contentLeft, length - position)
    this.start = position
    this.end = position + taken
    this.#contentLeft -= taken
    this.last = this.#contentLeft === 0
    this.#position = this.end
    return Step.Piece
  }

  #rest(position: number): Step {
    this.#position = position
    return Step.NeedMore
  }

  #readHeader(bytes: Uint8Array, at: number): boolean {
    this.version = bytes[at]!
    if (this.version !== VERSION) return false
    this.type = bytes[at + 1]!
    this.requestId = (bytes[at + 2]! << 8) | bytes[at + 3]!
    this.#contentLeft = this.contentLength = (bytes[at + 4]! << 8) | bytes[at + 5]!
    this.#paddingLeft = bytes[at + 6]!
    return true
  }
}

const NOTHING: Uint8Array = new Uint8Array(0)
