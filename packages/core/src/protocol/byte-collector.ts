// Gathers a stream or a record that arrives in pieces (PARAMS §5.2, GET_VALUES §4.1) into one
// block. In one piece it stays a view of the chunk; else it is copied once into memory that grows
// by doubling, so cost stays linear.

const EMPTY: Buffer = Buffer.alloc(0)

/** Smallest block of own memory, in bytes: what a short request's variables take. */
const FIRST_CAPACITY = 512

/** Collects bytes; keeps at most one view of a chunk, until {@link ByteCollector.own} is called. */
export class ByteCollector {
  /** Bytes collected so far. */
  length = 0
  #bytes: Buffer = EMPTY
  #borrowed = false

  /** Adds `chunk[start, end)`. The first piece is kept as a view. */
  append(chunk: Buffer, start: number, end: number): void {
    const added = end - start
    if (this.length === 0) {
      this.#bytes = chunk.subarray(start, end)
      this.#borrowed = true
      this.length = added
      return
    }
    const needed = this.length + added
    // A view is full, and so never written into.
    if (this.#bytes.length < needed) {
      this.#grow(Math.max(needed, this.length * 2, FIRST_CAPACITY))
    }
    // A call into C++ costs more than a few stores: records of one byte are a way to attack.
    if (added < 16) {
      for (let i = 0; i < added; i++) this.#bytes[this.length + i] = chunk[start + i]!
    } else {
      chunk.copy(this.#bytes, this.length, start, end)
    }
    this.length = needed
  }

  /** Makes the bytes its own, so that no chunk (up to 64 KiB for one byte of it) is kept alive. */
  own(): void {
    if (this.#borrowed) this.#grow(this.length)
  }

  /** Hands the block over and starts again from nothing. */
  take(): Buffer {
    const bytes =
      this.#bytes.length === this.length ? this.#bytes : this.#bytes.subarray(0, this.length)
    this.clear()
    return bytes
  }

  /** Forgets everything. */
  clear(): void {
    this.length = 0
    this.#bytes = EMPTY
    this.#borrowed = false
  }

  #grow(capacity: number): void {
    const bytes = Buffer.allocUnsafe(capacity)
    this.#bytes.copy(bytes, 0, 0, this.length)
    this.#bytes = bytes
    this.#borrowed = false
  }
}
