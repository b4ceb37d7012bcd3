/**
 * Counts whole responses in a stream of bytes, as cheaply as can be: HTTP by Content-Length or chunk sizes, FastCGI by
 * END_REQUEST records. Both walk length fields and skip what lies between.
 */

/** Told once for every whole response, with the id of its request (HTTP: always 1). */
export type OnResponse = (id: number) => void

/** A counter for one connection. */
export interface ResponseCounter {
  /** @throws Error when the answer is not a success. */
  feed(bytes: Buffer, length: number, onResponse: OnResponse): void
}

/** FastCGI records; everything but END_REQUEST is skipped. */
export class FastcgiCounter implements ResponseCounter {
  #skip = 0
  #type = 0
  #id = 0
  readonly #header = Buffer.alloc(8)
  #have = 0

  feed(bytes: Buffer, length: number, onResponse: OnResponse): void {
    let at = 0
    while (at < length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, length - at)
        this.#skip -= step
        at += step
        if (this.#skip === 0 && this.#type === 3) onResponse(this.#id)
        continue
      }
      let header = bytes
      let start = at
      if (this.#have > 0 || length - at < 8) {
        const step = Math.min(8 - this.#have, length - at)
        bytes.copy(this.#header, this.#have, at, at + step)
        this.#have += step
        at += step
        if (this.#have < 8) return
        this.#have = 0
        header = this.#header
        start = 0
      } else {
        at += 8
      }
      this.#type = header[start + 1] ?? 0
      this.#id = ((header[start + 2] ?? 0) << 8) | (header[start + 3] ?? 0)
      this.#skip =
        (((header[start + 4] ?? 0) << 8) | (header[start + 5] ?? 0)) + (header[start + 6] ?? 0)
    }
  }
}

const HEAD_END = Buffer.from('\r\n\r\n')

/** HTTP/1.1 responses with a length or in chunks. */
export class HttpCounter implements ResponseCounter {
  #skip = 0
  #chunked = false
  #pending: Buffer | undefined
  /** The head of the last response and its length: the next one of the same bytes needs no parsing. */
  #knownHead = 0
  #knownBody = 0

  feed(chunk: Buffer, chunkLength: number, onResponse: OnResponse): void {
    let bytes = chunk
    let length = chunkLength
    if (this.#pending !== undefined) {
      bytes = Buffer.concat([this.#pending, chunk.subarray(0, chunkLength)])
      length = bytes.length
      this.#pending = undefined
    }
    let at = 0
    while (at < length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, length - at)
        this.#skip -= step
        at += step
        if (this.#skip === 0 && !this.#chunked) onResponse(1)
        continue
      }
      if (this.#chunked) {
        const lineEnd = bytes.indexOf('\r\n', at)
        // The reader's memory is reused by the next read, so what is kept is copied.
        if (lineEnd === -1 || lineEnd >= length) return this.#keep(bytes, at, length)
        const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
        if (size > 0) {
          at = lineEnd + 2
          this.#skip = size + 2
        } else if (length - lineEnd < 4) {
          return this.#keep(bytes, at, length)
        } else {
          at = lineEnd + 4
          this.#chunked = false
          onResponse(1)
        }
        continue
      }
      at = this.#readHead(bytes, at, length, onResponse)
      if (at === -1) return
    }
  }

  #keep(bytes: Buffer, at: number, length: number): void {
    this.#pending = Buffer.from(bytes.subarray(at, length))
  }

  /** Position after the head, or -1 when it is not all there yet. */
  #readHead(bytes: Buffer, at: number, length: number, onResponse: OnResponse): number {
    const known = at + this.#knownHead
    const end = known <= length && this.#knownHead > 0 && this.#isHeadEnd(bytes, known) ? known : -1
    if (end !== -1) {
      this.#skip = this.#knownBody
    } else {
      const found = bytes.indexOf(HEAD_END, at)
      if (found === -1 || found + 4 > length) {
        this.#keep(bytes, at, length)
        return -1
      }
      const head = bytes.toString('latin1', at, found + 4)
      if (!/^HTTP\/1\.[01] 2/.test(head))
        throw new Error(`unexpected answer: ${head.split('\r')[0]}`)
      const size = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
      this.#chunked = size === undefined && /\r\ntransfer-encoding: *chunked/i.test(head)
      this.#skip = Number(size ?? 0)
      this.#knownHead = this.#chunked ? 0 : head.length
      this.#knownBody = this.#skip
      if (this.#skip === 0 && !this.#chunked) onResponse(1)
      return found + 4
    }
    if (this.#skip === 0) onResponse(1)
    return end
  }

  #isHeadEnd(bytes: Buffer, end: number): boolean {
    return (
      bytes[end - 1] === 10 &&
      bytes[end - 2] === 13 &&
      bytes[end - 3] === 10 &&
      bytes[end - 4] === 13
    )
  }
}
