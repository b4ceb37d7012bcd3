// The parts of a CGI response (RFC 3875 §6) that are not Node's: the Status line, and a page for requests the app never
// answered.

/** Reason phrases as registered for HTTP (IANA); the same as node:http's STATUS_CODES. */
const reasons: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  102: 'Processing',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  203: 'Non-Authoritative Information',
  204: 'No Content',
  205: 'Reset Content',
  206: 'Partial Content',
  207: 'Multi-Status',
  208: 'Already Reported',
  226: 'IM Used',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  305: 'Use Proxy',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Payload Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  418: "I'm a Teapot",
  421: 'Misdirected Request',
  422: 'Unprocessable Entity',
  423: 'Locked',
  424: 'Failed Dependency',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  506: 'Variant Also Negotiates',
  507: 'Insufficient Storage',
  508: 'Loop Detected',
  509: 'Bandwidth Limit Exceeded',
  510: 'Not Extended',
  511: 'Network Authentication Required',
}

const usualLines = new Map<number, string>(
  Object.entries(reasons).map(([status, reason]) => [
    Number(status),
    'Status: ' + status + ' ' + reason + '\r\n',
  ]),
)

/** The registered reason phrase of a status, `Unknown` for one that has none; never empty. */
export function reasonPhrase(status: number): string {
  return reasons[status] ?? 'Unknown'
}

/**
 * The Status line of a header block, such as `Status: 404 Not Found` with its line end. It must stand last in the
 * block: HAProxy lets a Location line after it change the status. There is always a reason, since nginx makes a
 * malformed status line of a Status without one; an empty reason becomes the registered one. Control characters become
 * spaces and characters above latin1 `?`, so that no reason can begin another line.
 */
export function statusLine(status: number, reason: string): string {
  const usual = usualLines.get(status)
  if (usual !== undefined && (reason === '' || reason === reasons[status])) return usual
  const clean = reason
    .replace(/[\0-\x08\x0a-\x1f\x7f]+/g, ' ')
    .replace(/[^\0-\xff]/g, '?')
    .trim()
  return 'Status: ' + status + ' ' + (clean === '' ? reasonPhrase(status) : clean) + '\r\n'
}

/** A complete response: both parts are plain ASCII, so `length` is their size in bytes. */
export interface ErrorPage {
  /** Header block with the blank line that ends it. */
  readonly head: string
  /** HTML; leave it out for HEAD. */
  readonly body: string
}

/**
 * A neutral page for a request that the app never answered: small, without a word about the software, and with
 * everything escaped.
 *
 * @param status    such as 400, 408, 431, 500, 503
 * @param title     heading; '' for the registered reason
 * @param detail    a sentence for the reader; '' for none. Never put what the client sent, or a path, in here.
 * @param reference id under which the log tells more; '' for none
 * @param trace     shown as it is, for the gateway during development only; '' for none
 */
export function errorPage(
  status: number,
  title = '',
  detail = '',
  reference = '',
  trace = '',
): ErrorPage {
  const heading = escapeHtml(title === '' ? reasonPhrase(status) : title)
  const body =
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width">' +
    `<title>${status} ${heading}</title>` +
    '<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem}' +
    'pre{white-space:pre-wrap}small{opacity:.7}</style></head><body>' +
    `<h1>${heading}</h1>` +
    (detail === '' ? '' : `<p>${escapeHtml(detail)}</p>`) +
    (trace === '' ? '' : `<pre>${escapeHtml(trace)}</pre>`) +
    `<p><small>${status}${reference === '' ? '' : ' &middot; ' + escapeHtml(reference)}</small></p>` +
    '</body></html>\n'
  const head =
    'Content-Type: text/html; charset=utf-8\r\n' +
    `Content-Length: ${body.length}\r\n` +
    'Cache-Control: no-store\r\n' +
    'X-Content-Type-Options: nosniff\r\n' +
    statusLine(status, '') +
    '\r\n'
  return { head, body }
}

/** HTML text in ASCII: markup, control characters and everything beyond ASCII as references. */
function escapeHtml(text: string): string {
  return text.replace(/[^\t\n -~]|[&<>"']/gu, (character) => {
    const code = character.codePointAt(0)!
    // HTML has no reference for most control characters, nor for half a surrogate pair.
    if (code < 32 || (code > 126 && code < 160) || (code > 0xd7ff && code < 0xe000)) return '?'
    return '&#' + code + ';'
  })
}
