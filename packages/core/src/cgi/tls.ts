// What the web server tells about the client's certificate in SSL_CLIENT_* (mod_ssl's names, which nginx, lighttpd and
// others are configured to send as well), in the shape of Node's `tlsSocket.getPeerCertificate()`.

import { fromUtf8 } from './identity.ts'

/** A subject or issuer: `CN`, `O`, `C`, … ; an attribute that comes more than once is an array, in certificate order. */
export type DistinguishedName = Record<string, string | string[]>

/**
 * Shaped as the object of Node's `getPeerCertificate()`. What the server did not send is missing. `raw`, the
 * fingerprints, the key, `subjectaltname` and `ca` need the whole certificate (Apache `SSLOptions +ExportCertData`,
 * nginx `fastcgi_param SSL_CLIENT_CERT $ssl_client_escaped_cert`).
 */
export interface PeerCertificate {
  subject?: DistinguishedName
  issuer?: DistinguishedName
  subjectaltname?: string
  /** As Node writes it, `Nov 28 17:57:00 2026 GMT`. */
  valid_from?: string
  valid_to?: string
  /** Upper-case hex. */
  serialNumber?: string
  /** SHA-1, `AB:CD:…`. */
  fingerprint?: string
  /** SHA-256, `AB:CD:…`. */
  fingerprint256?: string
  fingerprint512?: string
  /** The certificate in DER. */
  raw?: Buffer
  [name: string]: unknown
}

/** What is known of the client's certificate. */
export interface TlsFacts {
  /** True only when SSL_CLIENT_VERIFY is exactly `SUCCESS`. */
  readonly authorized: boolean
  /** Why not: the text after `FAILED:`, `GENEROUS`, or `NONE`; undefined when authorized or nothing was said. */
  readonly authorizationError: string | undefined
  /** Undefined when the client showed none or the server passes nothing on. */
  readonly peerCertificate: PeerCertificate | undefined
}

type Params = Readonly<Record<string, string | undefined>>

/** Reads SSL_CLIENT_*. Client headers cannot make these names: theirs all begin with HTTP_. */
export function readTls(params: Params): TlsFacts {
  const verify = params['SSL_CLIENT_VERIFY'] ?? ''
  const authorized = verify === 'SUCCESS'
  const authorizationError =
    authorized || verify === '' ? undefined : verify.replace(/^FAILED:/, '')
  // Without a certificate Apache still sends SSL_CLIENT_VERIFY=NONE.
  const peerCertificate = verify === 'NONE' ? undefined : readCertificate(params)
  return { authorized, authorizationError, peerCertificate }
}

function readCertificate(params: Params): PeerCertificate | undefined {
  const pem = params['SSL_CLIENT_CERT'] ?? ''
  const whole = pem === '' ? undefined : parsePem(pem)
  if (whole !== undefined) return whole
  const certificate: PeerCertificate = {}
  const subject = nameOf(params, 'SSL_CLIENT_S_DN')
  if (subject !== undefined) certificate.subject = subject
  const issuer = nameOf(params, 'SSL_CLIENT_I_DN')
  if (issuer !== undefined) certificate.issuer = issuer
  const from = params['SSL_CLIENT_V_START']
  if (from) certificate.valid_from = from
  const to = params['SSL_CLIENT_V_END']
  if (to) certificate.valid_to = to
  const serial = params['SSL_CLIENT_M_SERIAL'] || params['SSL_CLIENT_SERIAL']
  if (serial) certificate.serialNumber = serial.replaceAll(':', '').toUpperCase()
  const fingerprint = params['SSL_CLIENT_FINGERPRINT']
  if (fingerprint && /^[0-9a-f]{40}$/i.test(fingerprint)) {
    certificate.fingerprint = fingerprint.toUpperCase().match(/../g)!.join(':')
  }
  return Object.keys(certificate).length === 0 ? undefined : certificate
}

/**
 * A certificate in PEM, whatever a server did to its line ends: kept (Apache), percent-encoded
 * ($ssl_client_escaped_cert), a tab after each ($ssl_client_cert), or blanks instead; or DER in base64 alone (HAProxy's
 * `ssl_c_der,base64`).
 */
function parsePem(value: string): PeerCertificate | undefined {
  const text = value.replace(/%[0-9a-f]{2}/gi, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
  const base64 =
    /^\s*(?:-----BEGIN CERTIFICATE-----)?([A-Za-z0-9+/=\s]+)(?:-----END CERTIFICATE-----|$)/.exec(
      text,
    )
  if (base64 === null) return undefined
  try {
    // Not imported: few servers send certificates, and this room needs nothing else of Node's.
    const { X509Certificate } = process.getBuiltinModule('node:crypto')
    const certificate = new X509Certificate(Buffer.from(base64[1]!, 'base64'))
    return certificate.toLegacyObject() as unknown as PeerCertificate
  } catch {
    return undefined
  }
}

function nameOf(params: Params, prefix: string): DistinguishedName | undefined {
  const text = params[prefix]
  if (text) return parseName(fromUtf8(text))
  // StdEnvVars also sends each attribute alone: SSL_CLIENT_S_DN_CN, and CN_1 for the second.
  const name: DistinguishedName = Object.create(null)
  const start = prefix + '_'
  for (const key of Object.keys(params)) {
    if (key.startsWith(start))
      add(name, key.slice(start.length).replace(/_\d+$/, ''), fromUtf8(params[key]!))
  }
  return Object.keys(name).length === 0 ? undefined : name
}

/**
 * A distinguished name as text, in either form: RFC 4514, `CN=a,O=b` (most specific first), or OpenSSL's old
 * `/O=b/CN=a`. The keys come out in certificate order, as Node gives them.
 */
export function parseName(text: string): DistinguishedName {
  const name: DistinguishedName = Object.create(null)
  const old = text.startsWith('/')
  const parts = old ? text.slice(1).split(/\/(?=[\w.]+=)/) : splitName(text).reverse()
  for (const part of parts) {
    const equals = part.indexOf('=')
    if (equals <= 0) continue
    const value = part.slice(equals + 1)
    add(name, part.slice(0, equals).trim(), old ? unescapeOld(value) : unescapeValue(value))
  }
  return name
}

/** Splits at `,` and `+` that no backslash or quote protects. */
function splitName(text: string): string[] {
  return text.match(/(?:\\[^]|"(?:\\[^]|[^"\\])*"|[^,+\\"])+/g) ?? []
}

/** Takes back RFC 4514's escapes: `\,` and `\C3\BC`. */
function unescapeValue(value: string): string {
  const bare = /^\s*"([^]*)"\s*$/.exec(value)?.[1] ?? value.trim()
  if (!bare.includes('\\')) return bare
  const bytes = bare.replace(/(?:\\[0-9a-f]{2})+/gi, (codes) =>
    Buffer.from(codes.replaceAll('\\', ''), 'hex').toString('utf8'),
  )
  return bytes.replace(/\\([^])/g, '$1')
}

/** OpenSSL's old form writes bytes beyond ASCII as `\xC3\x9C`. */
function unescapeOld(value: string): string {
  return value.replace(/(?:\\x[0-9a-f]{2})+/gi, (codes) =>
    Buffer.from(codes.replaceAll('\\x', ''), 'hex').toString('utf8'),
  )
}

function add(name: DistinguishedName, attribute: string, value: string): void {
  const present = name[attribute]
  if (present === undefined) name[attribute] = value
  else if (Array.isArray(present)) present.push(value)
  else name[attribute] = [present, value]
}
