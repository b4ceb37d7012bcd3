// A response as HTTP/1.1 text, made into what CGI wants (RFC 3875 §6): the head into a header block, chunk framing into
// plain content. The fallback for a Node whose private `_storeHeader` is gone, and for apps that write to the socket.
import { cgiBlock } from './outgoing.ts'

const statusLinePattern = /^HTTP\/1\.[01] (\d{3}) ?([^\r\n]*)\r\n/

/** Rewrites what one response writes. */
export class TextHead {
  #headDone = false
  /** The head as far as it has come, a byte a character. */
  #held = ''
  #dechunker: Dechunker | undefined

  /** One write of Node's, as it should go to STDOUT. */
  rewrite(written: string | Uint8Array, encoding: BufferEncoding | undefined): string | Uint8Array {
    let chunk = written
    if (this.#headDone) {
      return this.#dechunker ? this.#dechunker.take(bytes(chunk, encoding)) : chunk
    }
    if (chunk.length === 0) return chunk
    if (this.#held !== '' || chunk.indexOf('\r\n\r\n' as never) === -1) {
      this.#held += Buffer.from(bytes(chunk, encoding)).latin1Slice()
      if (!this.#held.includes('\r\n\r\n')) return ''
      chunk = Buffer.from(this.#held, 'latin1')
      this.#held = ''
    }
    this.#headDone = true
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).latin1Slice()
    const first = statusLinePattern.exec(text)
    const headEnd = text.indexOf('\r\n\r\n')
    if (first === null) return chunk
    const lines = text.slice(first[0].length, headEnd + 4)
    const rest = text.slice(headEnd + 4)
    const block = cgiBlock(lines, Number(first[1]), first[2] as string)
    if (!/(?:^|\n)transfer-encoding:[^\r\n]*chunked/i.test(lines)) {
      if (typeof chunk === 'string') return block + rest
      return Buffer.from(block + rest, 'latin1')
    }
    this.#dechunker = new Dechunker()
    const content = this.#dechunker.take(
      bytes(rest, typeof chunk === 'string' ? encoding : 'latin1'),
    )
    return Buffer.concat([Buffer.from(block, 'latin1'), content])
  }
}

function bytes(chunk: string | Uint8Array, encoding: BufferEncoding | undefined): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
}

/** Takes chunk framing (RFC 9112 §7.1) as Node writes it, cut anywhere, away; trailers go with it. */
class Dechunker {
  #line = ''
  #left = 0
  #state: 'size' | 'content' | 'end' | 'over' = 'size'

  take(input: Uint8Array): Buffer {
    const content: Uint8Array[] = []
    let at = 0
    while (at < input.length && this.#state !== 'over') {
      if (this.#state === 'content') {
        const part = input.subarray(at, at + this.#left)
        content.push(part)
        at += part.length
        this.#left -= part.length
        if (this.#left === 0) this.#state = 'end'
      } else {
        const byte = input[at++] as number
        if (byte !== 10) {
          if (byte !== 13) this.#line += String.fromCharCode(byte)
        } else if (this.#state === 'end') {
          this.#state = 'size'
        } else {
          this.#left = Number.parseInt(this.#line, 16)
          this.#line = ''
          this.#state = this.#left > 0 ? 'content' : 'over'
        }
      }
    }
    return Buffer.concat(content)
  }
}
