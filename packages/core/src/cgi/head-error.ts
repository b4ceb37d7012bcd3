// What is wrong with a request that can never reach the app, and which answer it deserves.

/**
 * Why a request was refused. The codes are stable: match on them, not on the message.
 *
 * | code | status | fault |
 * |---|---|---|
 * | `FCGI_BAD_PAIR` | 400 | a name-value pair reaches beyond its block; `protocol` is true |
 * | `FCGI_NUL_IN_PARAM` | 400 | a name or value holds a NUL byte |
 * | `FCGI_BAD_METHOD` | 400 | REQUEST_METHOD is missing, CONNECT, or no method Node knows |
 * | `FCGI_BAD_TARGET` | 400 | REQUEST_URI is no path, no absolute URL, no `*`, or holds a space or control byte |
 * | `FCGI_BAD_HEADER` | 400 | a header name is no token, or a header value holds a control byte |
 * | `FCGI_BAD_CONTENT_LENGTH` | 400 | CONTENT_LENGTH is not a number of bytes, or above 2^53 - 1 |
 * | `FCGI_BAD_TRANSFER_ENCODING` | 400 | no length, and a Transfer-Encoding that does not end in `chunked` |
 * | `FCGI_TOO_MANY_PAIRS` | 431 | more params than `maxPairs` |
 * | `FCGI_NAME_TOO_LONG` | 431 | a name longer than `maxNameLength` bytes |
 * | `FCGI_VALUE_TOO_LONG` | 431 | a value longer than `maxValueLength` bytes |
 * | `FCGI_HEADERS_TOO_LARGE` | 431 | target and headers together reach `maxHeaderSize` bytes |
 */
export type HeadErrorCode =
  | 'FCGI_BAD_PAIR'
  | 'FCGI_NUL_IN_PARAM'
  | 'FCGI_BAD_METHOD'
  | 'FCGI_BAD_TARGET'
  | 'FCGI_BAD_HEADER'
  | 'FCGI_BAD_CONTENT_LENGTH'
  | 'FCGI_BAD_TRANSFER_ENCODING'
  | 'FCGI_TOO_MANY_PAIRS'
  | 'FCGI_NAME_TOO_LONG'
  | 'FCGI_VALUE_TOO_LONG'
  | 'FCGI_HEADERS_TOO_LARGE'

/** A request that must be answered by an error page instead of the app. The message holds nothing the client sent. */
export class HeadError extends Error {
  override readonly name: string = 'HeadError'
  /** Status of the page: 400 as Node's parser answers, or 431 for a limit. */
  readonly status: 400 | 431
  /** Stable and machine-readable, see {@link HeadErrorCode}. */
  readonly code: HeadErrorCode
  /** True when the bytes are no FastCGI at all: close the connection instead of answering. */
  readonly protocol: boolean

  constructor(status: 400 | 431, code: HeadErrorCode, message: string) {
    super(message)
    this.status = status
    this.code = code
    this.protocol = code === 'FCGI_BAD_PAIR'
  }
}

/** The error for a header that Node's parser refuses. */
export function badHeader(): HeadError {
  return new HeadError(
    400,
    'FCGI_BAD_HEADER',
    'a header name is no token, or a value holds a control byte',
  )
}
