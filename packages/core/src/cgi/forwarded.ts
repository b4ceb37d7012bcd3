// X-Forwarded-* and Forwarded (RFC 7239): what the client says about itself must not pass for what a proxy says.
// Web servers hand these headers to FastCGI as the client sent them, and apps that came from behind `proxy_pass`
// trust them.

/** What the web server knows of the request, against which claims are set right. */
export interface ForwardedFacts {
  readonly remoteAddress: string | undefined
  readonly encrypted: boolean
  /** SERVER_PORT. */
  readonly localPort: number | undefined
}

type Headers = Record<string, string | string[]>

/**
 * Sets right the forwarding headers of a request that came from no trusted proxy. X-Forwarded-For gets REMOTE_ADDR
 * appended (`unknown` where the server has none, a unix socket), as any HTTP proxy does; X-Forwarded-Proto, -Host,
 * -Port and Forwarded are replaced by what the server says, or removed where it says nothing. None is ever invented.
 */
export function correctForwarded(
  headers: Headers,
  rawHeaders: string[],
  facts: ForwardedFacts,
): void {
  const address = facts.remoteAddress ?? 'unknown'
  const scheme = facts.encrypted ? 'https' : 'http'
  const host = typeof headers['host'] === 'string' ? headers['host'] : ''
  const claimed = headers['x-forwarded-for']
  if (typeof claimed === 'string') {
    headers['x-forwarded-for'] = claimed === '' ? address : claimed + ', ' + address
    const last = rawHeaders.lastIndexOf('X-Forwarded-For')
    const line = rawHeaders[last + 1]!
    rawHeaders[last + 1] = line === '' ? address : line + ', ' + address
  }
  replace(headers, rawHeaders, 'x-forwarded-proto', 'X-Forwarded-Proto', scheme)
  replace(headers, rawHeaders, 'x-forwarded-host', 'X-Forwarded-Host', host)
  replace(
    headers,
    rawHeaders,
    'x-forwarded-port',
    'X-Forwarded-Port',
    String(facts.localPort ?? ''),
  )
  const node = address.includes(':') ? `"[${address}]"` : address
  const about = /^[\w.-]+$/.test(host) ? `;host=${host}` : quotable(host) ? `;host="${host}"` : ''
  replace(headers, rawHeaders, 'forwarded', 'Forwarded', `for=${node}${about};proto=${scheme}`)
}

/** Host with a port, or an IPv6 literal, must be a quoted-string (RFC 7239 §4); what would break out of it goes. */
function quotable(host: string): boolean {
  return /^[\w.:[\]-]+$/.test(host)
}

function replace(
  headers: Headers,
  rawHeaders: string[],
  header: string,
  rawName: string,
  value: string,
): void {
  if (!Object.hasOwn(headers, header)) return
  if (value === '') delete headers[header]
  else headers[header] = value
  let kept = value === ''
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i] !== rawName) continue
    if (kept) {
      rawHeaders.splice(i, 2)
      i -= 2
    } else {
      rawHeaders[i + 1] = value
      kept = true
    }
  }
}
