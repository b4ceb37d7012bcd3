// Looks at the headers of records that pass by (FastCGI §3.3), without their content: enough to know which requests are
// open, and so what a connection still owes when one end of it goes.

const headerLength = 8

/** One direction of a connection. */
export class RecordWatch {
  readonly #header: Buffer = Buffer.alloc(headerLength)
  readonly #record: (type: number, id: number) => void
  #have = 0
  #skip = 0

  /** @param record called for each header */
  constructor(record: (type: number, id: number) => void) {
    this.#record = record
  }

  /** No record is cut at this point. */
  get whole(): boolean {
    return this.#skip === 0 && this.#have === 0
  }

  /** Bytes pass by. */
  see(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at)
        this.#skip -= step
        at += step
        continue
      }
      const step = Math.min(headerLength - this.#have, chunk.length - at)
      chunk.copy(this.#header, this.#have, at, at + step)
      this.#have += step
      at += step
      if (this.#have < headerLength) return
      this.#have = 0
      this.#skip = this.#header.readUInt16BE(4) + (this.#header[6] as number)
      this.#record(this.#header[1] as number, this.#header.readUInt16BE(2))
    }
  }
}
