// Who the web server says the user is (RFC 3875 §4.1.1, §4.1.11), and when that may be believed.

/** A user the web server has authenticated. */
export interface Identity {
  /** REMOTE_USER, UTF-8 where its bytes are, else latin1; undefined when nobody vouches for it. */
  readonly remoteUser: string | undefined
  /** AUTH_TYPE, such as `Basic`; undefined together with the user. */
  readonly authType: string | undefined
}

/** How far a web server is believed. */
export interface IdentityOptions {
  /** Believe REMOTE_USER of servers that pass on a name nobody checked. */
  readonly trustRemoteUser: boolean
}

/** Servers that set REMOTE_USER only for a user they, or an authorizer they asked, have let in. */
const checking = /^(?:Apache|lighttpd|Caddy|h2o|LiteSpeed|Microsoft-IIS)\b/i

/** What an old recipe for PHP puts there, `E=REMOTE_USER:%{HTTP:Authorization}`: a header of the client, not a user. */
const credentials = /^(?:Basic|Bearer|Digest|Negotiate|NTLM)\s/i

/**
 * The authenticated user. nginx and HAProxy put the user name of any Basic header into REMOTE_USER, checked by nobody:
 * there, and under a server that does not say what it is, both are undefined unless `trustRemoteUser` is set. The
 * raw value stays in `params.REMOTE_USER`. HTTP_REMOTE_USER is a client's header and never looked at.
 *
 * Nobody either, whatever the option says, while Apache is asking an authorizer whether the password is right: the name
 * in REMOTE_USER is then what the client claims.
 */
export function readIdentity(
  params: Readonly<Record<string, string | undefined>>,
  options: IdentityOptions,
): Identity {
  const software = params['SERVER_SOFTWARE'] ?? ''
  const user = params['REMOTE_USER'] ?? ''
  const isBelieved = options.trustRemoteUser || checking.test(software)
  if (user === '' || !isBelieved || credentials.test(user) || isQuestion(params)) {
    return { remoteUser: undefined, authType: undefined }
  }
  return { remoteUser: fromUtf8(user), authType: params['AUTH_TYPE'] || undefined }
}

/**
 * mod_fcgid and mod_authnz_fcgi hand the password along with the name that is to be checked; the former's authenticator
 * also says that it is one.
 */
function isQuestion(params: Readonly<Record<string, string | undefined>>): boolean {
  return params['REMOTE_PASSWD'] !== undefined || params['FCGI_APACHE_ROLE'] === 'AUTHENTICATOR'
}

/** Latin-1 text whose bytes are UTF-8 as the text they mean; other text as it is. */
export function fromUtf8(text: string): string {
  if (!/[\x80-\xff]/.test(text)) return text
  const decoded = Buffer.from(text, 'latin1').toString('utf8')
  return decoded.includes('\ufffd') ? text : decoded
}
