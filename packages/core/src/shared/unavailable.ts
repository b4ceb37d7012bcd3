// What a relay answers itself: a 503 for a request whose host has gone. Loaded when that happens.
import { errorPage } from '../cgi/response-head.ts'
import { RecordType } from '../protocol/constants.ts'
import { endRecords, streamRecords } from '../protocol/record-writer.ts'

/** The records of a complete 503 for a request. */
export function unavailable(requestId: number, reference: string): Buffer {
  const text = 'The application has ended before it answered. Try again in a moment.'
  const { head, body } = errorPage(503, '', text, reference)
  const page = Buffer.from(head + body, 'latin1')
  return Buffer.concat([
    ...streamRecords(RecordType.Stdout, requestId, page),
    endRecords(requestId, 0, 0, false),
  ])
}
