/** Public names of `@fastcgi/core/protocol`: FastCGI 1.0 as pure functions and classes, without any I/O. */
export {
  HEADER_LENGTH,
  KEEP_CONNECTION,
  MAX_ALIGNED_CONTENT,
  MAX_CONTENT_LENGTH,
  NULL_REQUEST_ID,
  ProtocolStatus,
  RecordType,
  Role,
  VERSION,
} from './protocol/constants.ts'
export { ClientConnection, type BeginOptions } from './protocol/client-connection.ts'
export { Connection, type ConnectionLimits } from './protocol/connection.ts'
export { ProtocolError, type ProtocolErrorCode } from './protocol/errors.ts'
export type {
  ClientEvent,
  ClientRequest,
  ConnectionEvent,
  ConnectionRequest,
} from './protocol/events.ts'
export { decodePairs, encodePairs, PairReader, type PairLimits } from './protocol/pairs.ts'
export {
  abortRequest,
  beginRequest,
  endRecords,
  endRecordsText,
  endRequest,
  getValues,
  getValuesResult,
  paramsRecords,
  streamEnd,
  streamRecords,
  streamRecordText,
  unknownType,
} from './protocol/record-writer.ts'
