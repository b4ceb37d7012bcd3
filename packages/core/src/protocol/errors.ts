// The one class of errors for faults of the peer: bytes that FastCGI 1.0 does not allow, or more of
// them than a limit does. A caller's misuse throws a plain TypeError or RangeError instead.

/**
 * Why a peer was found at fault. The codes are stable: match on them, not on the message.
 *
 * | code | fault | specification |
 * |---|---|---|
 * | `FCGI_BAD_VERSION` | a record's version is not 1 | §3.3 |
 * | `FCGI_NULL_REQUEST_ID` | a record of a request carries id 0 | §3.3 |
 * | `FCGI_BAD_LENGTH` | BEGIN_REQUEST, END_REQUEST or UNKNOWN_TYPE whose content is not 8 bytes | §5.1, §5.5, §4.2 |
 * | `FCGI_ID_IN_USE` | BEGIN_REQUEST for an id whose request has not been ended | §3.3 |
 * | `FCGI_OUT_OF_ORDER` | STDIN before PARAMS has ended, or DATA of a Filter before STDIN has | §6.2, §6.4 |
 * | `FCGI_TOO_MANY_PENDING` | more requests begun without complete PARAMS than the limit | limit |
 * | `FCGI_BAD_PAIR` | a name-value pair reaches beyond the end of its block | §3.4 |
 * | `FCGI_TOO_MANY_PAIRS` | more pairs in a block than the limit | limit |
 * | `FCGI_NAME_TOO_LONG` | the name of a pair is longer than the limit | limit |
 * | `FCGI_VALUE_TOO_LONG` | the value of a pair is longer than the limit | limit |
 */
export type ProtocolErrorCode =
  | 'FCGI_BAD_VERSION'
  | 'FCGI_NULL_REQUEST_ID'
  | 'FCGI_BAD_LENGTH'
  | 'FCGI_ID_IN_USE'
  | 'FCGI_OUT_OF_ORDER'
  | 'FCGI_TOO_MANY_PENDING'
  | 'FCGI_BAD_PAIR'
  | 'FCGI_TOO_MANY_PAIRS'
  | 'FCGI_NAME_TOO_LONG'
  | 'FCGI_VALUE_TOO_LONG'

/**
 * The peer broke the protocol or a limit. Never thrown by `receive()` of a connection, which hands
 * it on in an event of type `error`; thrown by the decoders of pairs.
 */
export class ProtocolError extends Error {
  override readonly name: string = 'ProtocolError'
  /** Stable and machine-readable, see {@link ProtocolErrorCode}. */
  readonly code: ProtocolErrorCode
  /** Id in the offending record; undefined where the fault belongs to no record. */
  readonly requestId: number | undefined

  constructor(code: ProtocolErrorCode, message: string, requestId?: number) {
    super(message)
    this.code = code
    this.requestId = requestId
  }
}
