// Requests that the app does not see as they came: refused before it, failed in it, or without the body they speak of.
import type { HeadError, RequestHead } from '../../cgi/request-head.ts'

/** What a handler gave as the reason of its failure can only be a failure: an authorizer's must never read as 200. */
export function failureStatus(error: Error | undefined): number {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode
  return typeof status === 'number' && status >= 400 && status <= 599 ? Math.trunc(status) : 500
}

const headMethod = Buffer.from('\x0e\x04REQUEST_METHODHEAD', 'latin1')

/** Whether undecoded params are those of a HEAD request, whose answer has no body. */
export function isHead(params: Buffer): boolean {
  return params.includes(headMethod)
}

/** An authorizer sees the head of a request alone (FastCGI §6.3), whatever is said of its body. */
export function withoutBody(head: RequestHead): void {
  head.body = 'none'
  head.contentLength = -1
  delete head.headers['content-length']
  delete head.headers['transfer-encoding']
}

/** What stands for the head of a request whose params could not be read. */
export function unreadableHead(params: Buffer): RequestHead {
  return {
    method: '',
    url: '',
    originalUrl: '',
    mount: '',
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    headers: {},
    rawHeaders: [],
    body: 'none',
    contentLength: -1,
    remoteAddress: undefined,
    remotePort: undefined,
    localAddress: undefined,
    localPort: undefined,
    encrypted: false,
    text: params.latin1Slice(),
    warning: undefined,
  }
}

/** The error under the code that Node's parser has for it: listeners choose their answer by that. */
export function parserError(error: HeadError): Error {
  let code = 'HPE_INVALID_HEADER_TOKEN'
  if (error.status === 431) code = 'HPE_HEADER_OVERFLOW'
  else if (error.message.startsWith('REQUEST_METHOD')) code = 'HPE_INVALID_METHOD'
  return Object.assign(new Error(`Parse Error: ${error.message}`), { code })
}
