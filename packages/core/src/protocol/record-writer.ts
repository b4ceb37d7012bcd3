// Content into records (§3.3), each padded with zeros to a multiple of 8. Streams (§3.3, §5.2,
// §5.3) are cut into pieces; a stream's content never yields an empty record, because that is what
// ends it.

import { HEADER_LENGTH, MAX_ALIGNED_CONTENT, ProtocolStatus, RecordType } from './constants.ts'
import { checkRequestId, paddingLength, wholeRecord, writeHeader } from './header.ts'
import { encodePairs } from './pairs.ts'

const NO_CONTENT: Uint8Array = new Uint8Array(0)

/** Zeros to pad with: one shared view for each length. Only ever read. */
const PADDING: readonly Buffer[] = Array.from({ length: 8 }, (_, length) => Buffer.alloc(length))
const PADDING_TEXT: readonly string[] = Array.from({ length: 8 }, (_, length) =>
  '\0'.repeat(length),
)

/**
 * Records of a stream: for every 65528 bytes of content a header, a view of the content (not a
 * copy) and, where needed, padding; empty for empty content. For one `writev`: whoever lends the
 * content must not change it before that.
 */
export function streamRecords(type: number, requestId: number, content: Uint8Array): Uint8Array[] {
  const length = content.length
  if (length === 0) return []
  if (length <= MAX_ALIGNED_CONTENT) {
    const header = Buffer.allocUnsafe(HEADER_LENGTH)
    writeHeader(header, 0, type, requestId, length)
    const padding = paddingLength(length)
    return padding === 0 ? [header, content] : [header, content, PADDING[padding]!]
  }
  const parts: Uint8Array[] = []
  for (let start = 0; start < length; start += MAX_ALIGNED_CONTENT) {
    const piece = content.subarray(start, start + MAX_ALIGNED_CONTENT)
    parts.push(...streamRecords(type, requestId, piece))
  }
  return parts
}

/**
 * The same for text in latin1, as one latin1 string: header, text, padding. '' for an empty text.
 *
 * @throws RangeError if the text is longer than 65528 characters. That each character is below 256
 * is the caller's care.
 */
export function streamRecordText(type: number, requestId: number, text: string): string {
  const length = text.length
  if (length === 0) return ''
  if (length > MAX_ALIGNED_CONTENT) {
    throw new RangeError(`a record of text holds at most 65528 characters, not ${length}`)
  }
  return headerText(type, requestId, length) + text + PADDING_TEXT[paddingLength(length)]!
}

function headerText(type: number, requestId: number, length: number): string {
  return String.fromCharCode(
    1,
    type,
    requestId >> 8,
    requestId & 255,
    length >> 8,
    length & 255,
    paddingLength(length),
    0,
  )
}

/** The empty record that ends a stream (§3.3). */
export function streamEnd(type: number, requestId: number): Buffer {
  const record = Buffer.allocUnsafe(HEADER_LENGTH)
  writeHeader(record, 0, type, requestId, 0)
  return record
}

/**
 * The last word of a request: STDOUT's end (§6.1: always sent), STDERR's end if something was
 * written there (`stderrOpen`), END_REQUEST (§5.5).
 *
 * @param appStatus what exit() of a CGI program would have said, as unsigned 32 bits.
 */
export function endRecords(
  requestId: number,
  appStatus: number,
  protocolStatus: number,
  stderrOpen: boolean,
): Buffer {
  const ends = stderrOpen ? 2 * HEADER_LENGTH : HEADER_LENGTH
  const records = Buffer.allocUnsafe(ends + 2 * HEADER_LENGTH)
  writeHeader(records, 0, RecordType.Stdout, requestId, 0)
  if (stderrOpen) writeHeader(records, HEADER_LENGTH, RecordType.Stderr, requestId, 0)
  writeEndRequest(records, ends, requestId, appStatus, protocolStatus)
  return records
}

/** END_REQUEST alone (§5.5): for a request refused before any output. */
export function endRequest(requestId: number, appStatus: number, protocolStatus: number): Buffer {
  const record = Buffer.allocUnsafe(2 * HEADER_LENGTH)
  writeEndRequest(record, 0, requestId, appStatus, protocolStatus)
  return record
}

function writeEndRequest(
  target: Buffer,
  offset: number,
  requestId: number,
  appStatus: number,
  protocolStatus: number,
): void {
  writeHeader(target, offset, RecordType.EndRequest, requestId, 8)
  target.writeUInt32BE(appStatus >>> 0, offset + HEADER_LENGTH)
  target.writeUInt32BE((protocolStatus << 24) >>> 0, offset + HEADER_LENGTH + 4)
}

/**
 * Ids from 1 on are what web servers use; above this the text is made anew, so that the cache stays
 * small.
 */
const CACHED_IDS = 256
const endTexts: (string | undefined)[] = []

/**
 * {@link endRecords} in its common form, appStatus 0, REQUEST_COMPLETE, no STDERR, as a latin1
 * string.
 */
export function endRecordsText(requestId: number): string {
  const cached = endTexts[requestId]
  if (cached !== undefined) return cached
  const text = endRecords(requestId, 0, ProtocolStatus.RequestComplete, false).latin1Slice()
  if (requestId < CACHED_IDS) endTexts[requestId] = text
  return text
}

/** GET_VALUES_RESULT (§4.1): the answer to {@link getValues}. */
export function getValuesResult(pairs: Iterable<readonly [string, string]>): Buffer {
  return wholeRecord(RecordType.GetValuesResult, 0, encodePairs(pairs))
}

/** UNKNOWN_TYPE (§4.2): the answer to a management record of a type we do not know. */
export function unknownType(type: number): Buffer {
  return wholeRecord(RecordType.UnknownType, 0, Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0))
}

/**
 * BEGIN_REQUEST (§5.1).
 *
 * @param flags 0, or {@link KEEP_CONNECTION}.
 * @throws RangeError for an id outside 1 to 65535.
 */
export function beginRequest(requestId: number, role: number, flags: number): Buffer {
  checkRequestId(requestId)
  const content = Uint8Array.of(role >> 8, role & 255, flags, 0, 0, 0, 0, 0)
  return wholeRecord(RecordType.BeginRequest, requestId, content)
}

/** ABORT_REQUEST (§5.4). @throws RangeError for an id outside 1 to 65535. */
export function abortRequest(requestId: number): Buffer {
  checkRequestId(requestId)
  return wholeRecord(RecordType.AbortRequest, requestId, NO_CONTENT)
}

/**
 * The whole PARAMS stream (§5.2), its end record included.
 *
 * @throws RangeError for an id outside 1 to 65535.
 */
export function paramsRecords(
  requestId: number,
  pairs: Iterable<readonly [string, string | Uint8Array]>,
): Buffer[] {
  checkRequestId(requestId)
  const records = streamRecords(RecordType.Params, requestId, encodePairs(pairs))
  records.push(streamEnd(RecordType.Params, requestId))
  return [Buffer.concat(records)]
}

/**
 * GET_VALUES (§4.1): asks the application for variables such as FCGI_MAX_CONNS.
 *
 * @throws RangeError if the names do not fit into one record.
 */
export function getValues(names: Iterable<string>): Buffer {
  const pairs = Array.from(names, (name) => [name, ''] as const)
  return wholeRecord(RecordType.GetValues, 0, encodePairs(pairs))
}
