// The eight bytes at the head of every record (§3.3), and the padding behind its content.
//
//     version 1 | type | request id, 2 bytes | content length, 2 bytes | padding length | reserved 0

import { HEADER_LENGTH, MAX_CONTENT_LENGTH, VERSION } from './constants.ts'

/**
 * Bytes of padding (0 to 7) that let a record with this much content end on 8 bytes, as §3.3
 * recommends.
 */
export function paddingLength(contentLength: number): number {
  return -contentLength & 7
}

/**
 * Writes a record header into `target` at `offset`, with the padding length of {@link
 * paddingLength}. The arguments are not checked: see {@link checkRequestId}.
 */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  type: number,
  requestId: number,
  contentLength: number,
): void {
  target[offset] = VERSION
  target[offset + 1] = type
  target[offset + 2] = requestId >> 8
  target[offset + 3] = requestId & 255
  target[offset + 4] = contentLength >> 8
  target[offset + 5] = contentLength & 255
  target[offset + 6] = paddingLength(contentLength)
  target[offset + 7] = 0
}

/**
 * A whole small record: header, content and padding of zeros in one Buffer.
 *
 * @throws RangeError if the content is longer than 65535 bytes.
 */
export function wholeRecord(type: number, requestId: number, content: Uint8Array): Buffer {
  if (content.length > MAX_CONTENT_LENGTH) {
    throw new RangeError(`a record holds at most 65535 bytes of content, not ${content.length}`)
  }
  // alloc, not allocUnsafe: reserved bytes and padding must be zero, never old memory.
  const record = Buffer.alloc(HEADER_LENGTH + content.length + paddingLength(content.length))
  writeHeader(record, 0, type, requestId, content.length)
  record.set(content, HEADER_LENGTH)
  return record
}

/** @throws RangeError unless `requestId` is a whole number from 1 to 65535 (§3.3). */
export function checkRequestId(requestId: number): void {
  if (!Number.isInteger(requestId) || requestId < 1 || requestId > 65535) {
    throw new RangeError(`a request id is a whole number from 1 to 65535, not ${requestId}`)
  }
}
