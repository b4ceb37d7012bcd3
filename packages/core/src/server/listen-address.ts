// The addresses a FastCGI application can listen on, as they are written in the option `listen`, after `--listen` and in
// FASTCGI_LISTEN.
import { isIPv4, isIPv6 } from 'node:net'

/** A place to listen, taken apart. */
export type ListenAddress =
  | { readonly type: 'unix'; readonly path: string }
  /** Linux only; `path` begins with a NUL byte. No file, so no mode: every local user can connect. */
  | { readonly type: 'abstract'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'fd'; readonly fd: number }

/** An address that cannot be used; `serve` prints it with the usage and ends with status 64. */
export class ListenAddressError extends Error {
  /** Stable. */
  readonly code = 'FCGI_LISTEN_ADDRESS'
  override name = 'ListenAddressError'
}

/** `sun_path` has 108 bytes on Linux, the last one a NUL; longer paths are cut silently by some systems. */
export const maxSocketPathBytes = 107

const forms =
  'a path with a slash (/run/app.sock, ./app.sock, unix:app.sock), @name, host:port, :port or fd:N'

/**
 * Takes an address apart.
 *
 * | written | means |
 * | --- | --- |
 * | `/run/app.sock`, `./app.sock`, `unix:app.sock` | a unix socket at that path |
 * | `@name`, `unix:@name`, `\0name` | a unix socket in Linux's abstract namespace |
 * | `:9000`, `9000` (also as a number) | TCP, 127.0.0.1 |
 * | `127.0.0.1:9000`, `[::1]:9000`, `localhost:9000`, `*:9000` | TCP, that address; `*` is every address |
 * | `fd:3` | a listening socket that was inherited under that number |
 *
 * @throws ListenAddressError for anything else, and for a socket path over 107 bytes
 */
export function parseListenAddress(address: string | number): ListenAddress {
  const text = String(address).trim()
  if (text === '' || text === 'unix:') throw problem(address, `expected ${forms}`)
  if (text.startsWith('unix:')) return unix(text.slice(5).replace(/^\/\/(?=\/)/, ''), address)
  if (text.startsWith('@') || text.startsWith('\0')) return unix(text, address)
  const descriptor = /^fd:(\d{1,6})$/.exec(text)
  if (descriptor) return { type: 'fd', fd: Number(descriptor[1]) }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) throw problem(address, `expected ${forms}`)
  if (text.includes('/') || text.startsWith('\\\\')) return unix(text, address)
  const tcp = /^(?:(.*):)?(\d+)$/.exec(text)
  if (!tcp) throw problem(address, `expected ${forms}`)
  const port = Number(tcp[2])
  if (port > 65535) throw problem(address, 'a port is at most 65535')
  return { type: 'tcp', host: hostOf(tcp[1] ?? '', address), port }
}

function unix(path: string, address: string | number): ListenAddress {
  const abstract = path.startsWith('@') || path.startsWith('\0')
  const full = abstract ? `\0${path.slice(1)}` : path
  if (full === '' || full === '\0') throw problem(address, 'the name is empty')
  if (!abstract && path.includes('\0')) throw problem(address, 'a path cannot hold a NUL byte')
  const bytes = Buffer.byteLength(full)
  if (bytes > maxSocketPathBytes) {
    throw problem(
      address,
      `a socket path is at most ${maxSocketPathBytes} bytes, this one has ${bytes}; choose a shorter folder`,
    )
  }
  return { type: abstract ? 'abstract' : 'unix', path: full }
}

function hostOf(written: string, address: string | number): string {
  if (written === '') return '127.0.0.1'
  if (written === '*') return '::'
  const bracketed = /^\[(.*)\]$/.exec(written)
  const host = bracketed ? (bracketed[1] ?? '') : written
  if (bracketed ? !isIPv6(host) : /[^A-Za-z0-9._-]/.test(host)) {
    throw problem(address, 'an IPv6 address stands in brackets: [::1]:9000')
  }
  return host
}

function problem(address: string | number, reason: string): ListenAddressError {
  return new ListenAddressError(`cannot listen on ${JSON.stringify(String(address))}: ${reason}`)
}

/** Whether only this machine can connect to that host: 127.0.0.0/8, ::1 and localhost. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'))
}

/** The address as a person would write it, for the log. */
export function formatListenAddress(address: ListenAddress): string {
  switch (address.type) {
    case 'unix':
      return address.path
    case 'abstract':
      return `@${address.path.slice(1)}`
    case 'fd':
      return `fd:${address.fd}`
    case 'tcp':
      return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
  }
}

/**
 * What the log says about an address that more than this user or this machine can reach, or undefined. FastCGI has no
 * authentication: who reaches the socket names the user, the address and the script.
 *
 * @param guarded an `allow` list or FCGI_WEB_SERVER_ADDRS is in force
 */
export function exposureWarning(address: ListenAddress, guarded: boolean): string | undefined {
  if (address.type === 'abstract') {
    return `${formatListenAddress(address)} has no file mode: every user of this machine can connect and claim to be the web server`
  }
  if (address.type !== 'tcp' || guarded || isLoopback(address.host)) return undefined
  return `${formatListenAddress(address)} can be reached from other machines and FastCGI has no authentication: set the option allow (or FCGI_WEB_SERVER_ADDRS) to the web servers' addresses`
}
