/**
 * Who may talk to the gateway. It listens on 127.0.0.1, but a page from anywhere can make a browser ask there under a
 * name of its own (DNS rebinding); so only the names of this machine are answered.
 */

const LOCAL = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i

/** True for `localhost`, `127.0.0.1` or `[::1]`, with or without a port. */
export function isLocalHost(host: string): boolean {
  return LOCAL.test(host)
}

/**
 * Whether a request is for this machine: each Host it names, and the authority in an absolute target. None at all is
 * HTTP/1.0, which no browser sends.
 */
export function isForThisMachine(target: string, rawHeaders: readonly string[]): boolean {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() === 'host' && !isLocalHost(rawHeaders[index + 1]!))
      return false
  }
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)
  return authority === null || isLocalHost(authority[1]!)
}
