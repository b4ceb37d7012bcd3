/**
 * What a web server says on one connection, as records that can be changed before they become bytes: valid requests in
 * any order of interleaving, then mutations that know where lengths, ids and pairs are.
 */
import { begin, pair, record } from '../../support/raw.ts'
import type { Random } from './random.ts'
import { cgiVariables } from './variables.ts'

export interface Conversation {
  readonly chunks: Buffer[]
  /** Nothing was changed: every request must be answered, by the status that its params deserve. */
  readonly valid: boolean
  /** Requests in a valid conversation, with what their answer must be. */
  readonly requests: readonly ValidRequest[]
}

export interface ValidRequest {
  readonly id: number
  readonly keep: boolean
  readonly body: Buffer
}

interface Piece {
  bytes: Buffer
  /** Where the record's type stands among the mutations: only whole records are moved. */
  readonly kind: 'record' | 'junk'
}

/** One conversation. */
export function conversation(random: Random): Conversation {
  const valid = random.percent(25)
  const count = 1 + (random.percent(50) ? 0 : random.below(6))
  const requests: ValidRequest[] = []
  const queues: Buffer[][] = []
  for (let n = 0; n < count; n++) {
    // Only the last one may ask for the close, or those after it would rightly get no answer.
    const keep = n < count - 1 || random.percent(60)
    const id = random.percent(70) ? n + 1 : 10 + n * 9000 + random.below(8990)
    const body = random.percent(50)
      ? Buffer.alloc(0)
      : random.bytes(random.size(valid ? 100_000 : 30_000))
    requests.push({ id, keep, body })
    queues.push(records(random, { id, keep, body }, valid))
  }
  const pieces: Piece[] = []
  const management = (): Buffer =>
    record(random.pick([9, 9, 9, 11, 50, 255]), 0, pair('FCGI_MAX_REQS', ''))
  if (random.percent(60)) {
    // One behind the other; ids differ, so that none has to wait.
    for (const queue of queues) for (const bytes of queue) pieces.push({ bytes, kind: 'record' })
  } else {
    let open = queues.filter((queue) => queue.length > 0)
    while (open.length > 0) {
      pieces.push({ bytes: random.pick(open).shift()!, kind: 'record' })
      open = open.filter((queue) => queue.length > 0)
      if (random.percent(3)) pieces.push({ bytes: management(), kind: 'record' })
    }
    // A request that asks for the close must end last.
    if (valid && requests.some(({ keep }) => !keep)) return conversation(random)
  }
  if (!valid) {
    const changes = 1 + (random.percent(50) ? 0 : random.below(8))
    for (let n = 0; n < changes; n++) mutate(random, pieces)
  }
  const bytes = Buffer.concat(pieces.map((piece) => piece.bytes))
  return { chunks: cut(random, bytes), valid, requests }
}

/** The records of a request. */
function records(random: Random, { id, keep, body }: ValidRequest, valid: boolean): Buffer[] {
  const role = valid ? 1 : random.pick([1, 1, 1, 1, 2, 3, 0, 9])
  const padding = (): number => (random.percent(50) ? 0 : random.below(256))
  const variables = valid
    ? validVariables(random, body)
    : cgiVariables(random, body.length, random.below(1_000_000))
  const list: Buffer[] = [begin(id, role, keep ? 1 : 0, padding())]
  const block = Buffer.concat(
    variables.map(([name, value]) => pair(name, value, random.percent(5))),
  )
  for (const part of parts(random, block)) list.push(record(4, id, part, padding()))
  list.push(record(4, id, '', padding()))
  for (const part of parts(random, body)) list.push(record(5, id, part, padding()))
  list.push(record(5, id, '', padding()))
  if (role === 3) {
    for (const part of parts(random, random.bytes(random.size(10_000))))
      list.push(record(8, id, part, padding()))
    list.push(record(8, id, '', padding()))
  }
  return list
}

/** Variables of a request that must be answered 200 by an echo. */
function validVariables(random: Random, body: Buffer): [string, string][] {
  const list: [string, string][] = [
    ['REQUEST_METHOD', 'POST'],
    ['REQUEST_URI', random.pick(['/echo', '/echo?a=b', '/echo/%2F//x'])],
    ['SERVER_PROTOCOL', random.pick(['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0'])],
    ['SERVER_SOFTWARE', random.pick(['nginx/1.22.1', 'Apache/2.4.62 (Debian)', 'HAProxy 2.6.12'])],
    ['HTTP_X_LONG', 'x'.repeat(random.size(6000))],
  ]
  if (random.percent(70)) list.push(['CONTENT_LENGTH', String(body.length)])
  return list
}

function parts(random: Random, bytes: Buffer): Buffer[] {
  const list: Buffer[] = []
  const most = random.percent(20) ? 1 + random.below(40) : 65_535
  // Records of a few bytes only where there are not too many of them.
  const least = Math.ceil(bytes.length / 400)
  for (let at = 0; at < bytes.length;) {
    const length = Math.max(1, least, random.percent(60) ? most : random.below(most))
    list.push(bytes.subarray(at, Math.min(at + length, at + 65_535)))
    at += Math.min(length, 65_535)
  }
  return list
}

/** One change. */
function mutate(random: Random, pieces: Piece[]): void {
  if (pieces.length === 0) return
  const at = random.below(pieces.length)
  const piece = pieces[at]!
  const bytes = Buffer.from(piece.bytes)
  // Junk has no header to change.
  const mutation = bytes.length < 8 ? 5 + random.below(8) : random.below(16)
  switch (mutation) {
    case 0:
      bytes[0] = random.pick([0, 2, 5, 128, 255, 71])
      break
    case 1:
      bytes[1] = random.percent(70) ? random.below(13) : random.below(256)
      break
    case 2:
      bytes.writeUInt16BE(random.pick([0, 1, 2, 3, 255, 256, 65_535]), 2)
      break
    case 3:
      bytes.writeUInt16BE(random.pick([0, 1, 7, 8, 9, 65_535, random.below(65_536)]), 4)
      break
    case 4:
      bytes[6] = random.below(256)
      break
    case 5:
      pieces.splice(at, 1)
      return
    case 6:
      pieces.splice(random.below(pieces.length + 1), 0, { bytes, kind: piece.kind })
      return
    case 7: {
      const other = random.below(pieces.length)
      ;[pieces[at], pieces[other]] = [pieces[other]!, piece]
      return
    }
    case 8:
      // The rest never comes, or goes on in the middle.
      pieces[at] = { bytes: bytes.subarray(0, random.below(bytes.length)), kind: 'junk' }
      return
    case 9: {
      const junk = random.percent(50)
        ? random.bytes(random.size(300))
        : Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      pieces.splice(at, 0, { bytes: junk, kind: 'junk' })
      return
    }
    case 10: {
      const id = piece.bytes.length >= 4 ? piece.bytes.readUInt16BE(2) : 1
      pieces.splice(at, 0, { bytes: record(2, id), kind: 'record' })
      return
    }
    case 11:
      pieces.splice(at, 0, {
        bytes: begin(1 + random.below(3), random.below(5), random.below(4)),
        kind: 'record',
      })
      return
    case 12:
      pieces.splice(at, 0, {
        bytes: record(
          random.pick([9, 10, 11, 12, 255]),
          random.below(3),
          random.bytes(random.size(500)),
        ),
        kind: 'record',
      })
      return
    case 13:
      // In the content, most of all the lengths of pairs.
      for (let n = 0; n <= random.below(4); n++) {
        if (bytes.length > 8) bytes[8 + random.below(bytes.length - 8)] = random.below(256)
      }
      break
    case 14:
      if (bytes.length > 12) {
        // A length of four bytes, as large as they come (CVE-2025-23016).
        bytes.writeUInt32BE(random.pick([0xffffffff, 0x80000000, 0xfffffff0, 0x80010000]), 8)
      }
      break
    case 15:
      pieces.length = at + 1
      return
  }
  pieces[at] = { bytes, kind: piece.kind }
}

/** The chunks in which they are written. */
function cut(random: Random, bytes: Buffer): Buffer[] {
  if (bytes.length === 0) return []
  const style = random.below(10)
  if (style < 4) return [bytes]
  const chunks: Buffer[] = []
  const most = style === 9 ? Math.max(3, Math.ceil(bytes.length / 100)) : Math.max(30, bytes.length)
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random.below(most)
    chunks.push(bytes.subarray(at, at + length))
    at += length
  }
  return chunks
}
