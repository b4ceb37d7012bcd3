// The tables of the FastCGI 1.0 specification, in its own words (§8 "Types and Constants").
// Objects with literal types instead of enums: they erase to plain JavaScript.

/**
 * Record types (§3.3, §8). 1, 2, 4, 5, 8 and 9 come from the web server; 3, 6, 7, 10 and 11 go to
 * it.
 */
export const RecordType = {
  BeginRequest: 1,
  AbortRequest: 2,
  EndRequest: 3,
  Params: 4,
  Stdin: 5,
  Stdout: 6,
  Stderr: 7,
  Data: 8,
  GetValues: 9,
  GetValuesResult: 10,
  UnknownType: 11,
} as const

/** One of the numbers in {@link RecordType}. A peer may send any other number from 0 to 255. */
export type RecordType = (typeof RecordType)[keyof typeof RecordType]

/** What a request asks the application to be (§5.1, §6). */
export const Role = { Responder: 1, Authorizer: 2, Filter: 3 } as const

/** One of the numbers in {@link Role}. A peer may send any other number from 0 to 65535. */
export type Role = (typeof Role)[keyof typeof Role]

/** How the protocol, not the application, ended a request (§5.5). */
export const ProtocolStatus = {
  RequestComplete: 0,
  CantMultiplex: 1,
  Overloaded: 2,
  UnknownRole: 3,
} as const

/** One of the numbers in {@link ProtocolStatus}. */
export type ProtocolStatus = (typeof ProtocolStatus)[keyof typeof ProtocolStatus]

/** The only version of the protocol (§3.3); a record with another one ends the connection. */
export const VERSION = 1

/**
 * Flag of BEGIN_REQUEST (§5.1): the application must leave the connection open after END_REQUEST.
 */
export const KEEP_CONNECTION = 1

/** Bytes of a record header (§3.3). */
export const HEADER_LENGTH = 8

/** The most content one record can carry, in bytes: its length is 16 bits wide (§3.3). */
export const MAX_CONTENT_LENGTH = 65535

/** The most content of a record that needs no padding to end on 8 bytes, as §3.3 recommends. */
export const MAX_ALIGNED_CONTENT = 65528

/** The request id of management records (§3.3, §4): no request ever has it. */
export const NULL_REQUEST_ID = 0
