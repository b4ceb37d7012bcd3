/**
 * FastCGI bytes written out by hand: a builder of records that shares nothing with the product's
 * encoder, and a strict reader of an application's answer that shares nothing with its decoder, so
 * that no mistake can hide its twin.
 */

export type Bytes = string | Uint8Array

/** A string is latin1: one character, one byte. */
export function bytes(content: Bytes): Buffer {
  return typeof content === 'string' ? Buffer.from(content, 'latin1') : Buffer.from(content)
}

/** `hex('01 06 0001')`: blanks and bars are for the reader's eye. */
export function hex(text: string): Buffer {
  const digits = text.replaceAll(/[\s|]/g, '')
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`no hex: ${text}`)
  return Buffer.from(digits, 'hex')
}

export function toHex(content: Uint8Array): string {
  return Buffer.from(content).toString('hex')
}

/**
 * One record (FastCGI §3.3). `padding` is its length; the padding is not zero, so that a reader
 * that takes it for content is found out.
 */
export function record(type: number, id: number, content: Bytes = '', padding = 0): Buffer {
  const body = bytes(content)
  if (body.length > 0xffff) throw new Error(`${String(body.length)} bytes do not fit a record`)
  const head = [1, type, id >> 8, id & 255, body.length >> 8, body.length & 255, padding, 0]
  return Buffer.concat([Buffer.from(head), body, Buffer.alloc(padding, 0xee)])
}

/** BEGIN_REQUEST (§5.1): role 1 is Responder; flags 1 is KEEP_CONN. */
export function begin(id: number, role = 1, flags = 0, padding = 0): Buffer {
  return record(1, id, Buffer.from([role >> 8, role & 255, flags, 0, 0, 0, 0, 0]), padding)
}

export function abort(id: number, padding = 0): Buffer {
  return record(2, id, '', padding)
}

/** One name-value pair (§3.4). `long` forces the four-byte form of both lengths. */
export function pair(name: Bytes, value: Bytes, long = false): Buffer {
  const parts = [bytes(name), bytes(value)]
  const lengths = parts.map(({ length }) => {
    if (length < 128 && !long) return Buffer.from([length])
    return Buffer.from([
      (length >>> 24) | 128,
      (length >> 16) & 255,
      (length >> 8) & 255,
      length & 255,
    ])
  })
  return Buffer.concat([...lengths, ...parts])
}

export function pairs(object: Record<string, Bytes>): Buffer {
  return Buffer.concat(Object.entries(object).map(([name, value]) => pair(name, value)))
}

/**
 * A stream (§3.3) without its end: records of at most `size` bytes of content each.
 */
export function stream(
  type: number,
  id: number,
  content: Bytes,
  size = 0xffff,
  padding = 0,
): Buffer {
  const body = bytes(content)
  const records: Buffer[] = []
  for (let at = 0; at < body.length; at += size) {
    records.push(record(type, id, body.subarray(at, at + size), padding))
  }
  return Buffer.concat(records)
}

/** PARAMS (§5.2) with its end, in records of at most `size` bytes. */
export function params(
  id: number,
  object: Record<string, Bytes>,
  size = 0xffff,
  padding = 0,
): Buffer {
  return Buffer.concat([stream(4, id, pairs(object), size, padding), paramsEnd(id)])
}

export function paramsEnd(id: number): Buffer {
  return record(4, id)
}

/** A part of STDIN (§5.3) in records of at most `size` bytes; '' gives the end of the stream. */
export function stdin(id: number, content: Bytes, size = 0xffff, padding = 0): Buffer {
  return content.length === 0 ? record(5, id, '', padding) : stream(5, id, content, size, padding)
}

export function stdinEnd(id: number): Buffer {
  return record(5, id)
}

/** DATA (§5.3) for a Filter; '' gives the end of the stream. */
export function data(id: number, content: Bytes): Buffer {
  return record(8, id, content)
}

/** GET_VALUES (§4.1). */
export function getValues(...names: string[]): Buffer {
  return record(9, 0, Buffer.concat(names.map((name) => pair(name, ''))))
}

/** A whole request: BEGIN, PARAMS, STDIN, each with its end. */
export function request(
  id: number,
  options: { params?: Record<string, Bytes>; body?: Bytes; role?: number; keep?: boolean } = {},
): Buffer {
  return Buffer.concat([
    begin(id, options.role ?? 1, options.keep === true ? 1 : 0),
    params(id, options.params ?? {}),
    stream(5, id, options.body ?? ''),
    stdinEnd(id),
  ])
}

/** STDOUT, or with '' its end: what an application sends (§5.3). */
export function stdout(id: number, content: Bytes, padding = 0): Buffer {
  return record(6, id, content, padding)
}

export function stderr(id: number, content: Bytes, padding = 0): Buffer {
  return record(7, id, content, padding)
}

/** END_REQUEST (§5.5). */
export function end(id: number, appStatus = 0, protocolStatus = 0): Buffer {
  const content = Buffer.alloc(8)
  content.writeUInt32BE(appStatus, 0)
  content[4] = protocolStatus
  return record(3, id, content)
}

export interface RawRecord {
  type: number
  id: number
  content: Buffer
  padding: number
}

/**
 * Records of an application's answer. Strict, since it is our own: throws unless version, reserved
 * byte and padding are as §3.3 has them, and every record ends on 8 bytes. `rest` is an incomplete
 * record at the end.
 */
export function readRecords(answer: Uint8Array): { records: RawRecord[]; rest: Buffer } {
  const all = Buffer.from(answer)
  const records: RawRecord[] = []
  let at = 0
  while (at + 8 <= all.length) {
    const length = all.readUInt16BE(at + 4)
    const padding = all.readUInt8(at + 6)
    const next = at + 8 + length + padding
    if (all.readUInt8(at) !== 1) throw new Error(`version ${String(all[at])} at byte ${String(at)}`)
    if (all.readUInt8(at + 7) !== 0) throw new Error(`reserved byte not 0 at byte ${String(at)}`)
    if ((length + padding) % 8 !== 0) throw new Error(`record not aligned at byte ${String(at)}`)
    if (next > all.length) break
    if (!all.subarray(at + 8 + length, next).every((byte) => byte === 0)) {
      throw new Error(`padding not zero at byte ${String(at)}`)
    }
    const content = all.subarray(at + 8, at + 8 + length)
    records.push({ type: all.readUInt8(at + 1), id: all.readUInt16BE(at + 2), content, padding })
    at = next
  }
  return { records, rest: all.subarray(at) }
}

export interface RawAnswer {
  stdout: string
  stderr: string
  /** Undefined until END_REQUEST came. */
  appStatus: number | undefined
  protocolStatus: number | undefined
}

/**
 * What the records of one request amount to, as latin1. Throws where §6.1 and §5.5 are broken:
 * anything after END_REQUEST, output after its end, or an end of the request before the ends of its
 * streams.
 */
export function readAnswer(records: Iterable<RawRecord>, id: number): RawAnswer {
  const answer: RawAnswer = {
    stdout: '',
    stderr: '',
    appStatus: undefined,
    protocolStatus: undefined,
  }
  let stdoutEnded = false
  let stderrEnded = false
  for (const { type, id: recordId, content } of records) {
    if (recordId !== id) continue
    if (answer.appStatus !== undefined) throw new Error(`type ${String(type)} after END_REQUEST`)
    if (type === 6) {
      if (stdoutEnded) throw new Error('STDOUT after its end')
      stdoutEnded = content.length === 0
      answer.stdout += content.toString('latin1')
    } else if (type === 7) {
      if (stderrEnded) throw new Error('STDERR after its end')
      stderrEnded = content.length === 0
      answer.stderr += content.toString('latin1')
    } else if (type === 3) {
      if (content.length !== 8) throw new Error('END_REQUEST is not 8 bytes long')
      const status = content.readUInt8(4)
      if (status === 0 && !stdoutEnded) throw new Error('END_REQUEST before the end of STDOUT')
      if (answer.stderr !== '' && !stderrEnded)
        throw new Error('END_REQUEST before the end of STDERR')
      answer.appStatus = content.readUInt32BE(0)
      answer.protocolStatus = status
    } else {
      throw new Error(`an application does not send type ${String(type)}`)
    }
  }
  return answer
}

/** A way to cut bytes into chunks. */
export interface Cut {
  name: string
  chunks: Buffer[]
}

/**
 * Every way a reader must bear: whole, byte by byte, cut in two at every point (at `points` of
 * them, evenly spread, for longer input). Chunks are copies, to be overwritten by {@link deliver}.
 */
export function* cuts(input: Uint8Array, points = 2048): Generator<Cut> {
  const copy = (from: number, to: number): Buffer => Buffer.from(input.subarray(from, to))
  yield { name: 'whole', chunks: [copy(0, input.length)] }
  yield {
    name: 'byte by byte',
    chunks: Array.from({ length: input.length }, (_, at) => copy(at, at + 1)),
  }
  const step = Math.max(1, Math.ceil(input.length / points))
  for (let at = 1; at < input.length; at += step) {
    yield { name: `cut at ${String(at)}`, chunks: [copy(0, at), copy(at, input.length)] }
  }
}

/**
 * Gives each chunk to `receive`, then overwrites it, as a socket that reads into the same memory
 * again would: whoever kept a view of it is found out. What `receive` returns must therefore be
 * copies.
 */
export function deliver<T>(chunks: Iterable<Buffer>, receive: (chunk: Buffer) => T[]): T[] {
  const results: T[] = []
  for (const chunk of chunks) {
    results.push(...receive(chunk))
    chunk.fill(0xdd)
  }
  return results
}
