/** Whether a request arrived at the app as the client sent it. */
import { adviceOn, type ServerName } from './advice.ts'
import { failed, type Finding, ok, warning } from './finding.ts'
import type { Arrival } from './secret.ts'

/** A request, as it was sent and as it came. */
export interface Comparison {
  readonly arrival: Arrival
  /** The URL that was asked for. */
  readonly sent: URL
  /** The URL of the app's root. */
  readonly base: URL
  readonly server: ServerName
}

/** Checks `request-uri`, `mount`, `authorization`, `https` and `remote-address`. */
export function checkArrival(comparison: Comparison): Finding[] {
  return [
    checkRequestUri(comparison),
    checkMount(comparison),
    checkAuthorization(comparison),
    checkHttps(comparison),
    checkAddress(comparison),
  ]
}

function checkRequestUri({ arrival, sent, server }: Comparison): Finding {
  const { REQUEST_URI: uri } = arrival.params
  const expected = sent.pathname + sent.search
  if (uri === undefined) {
    return failed(
      'request-uri',
      'REQUEST_URI is not sent: encoded characters in the path are lost',
      adviceOn('request-uri', server),
    )
  }
  if (uri !== expected) {
    return warning(
      'request-uri',
      `REQUEST_URI is not what the client sent: ${uri} for ${expected}`,
      adviceOn('request-uri', server),
    )
  }
  return ok('request-uri', 'REQUEST_URI is what the client sent')
}

/** The app knows its mount if what is left is the path below the app's root. */
function checkMount({ arrival, sent, base, server }: Comparison): Finding {
  const expected = base.pathname.replace(/\/+$/, '')
  const names = ['SCRIPT_NAME', 'PATH_INFO'] as const
  const seen = names
    .map(
      (name) =>
        `${name} ${name in arrival.params ? `is ${JSON.stringify(arrival.params[name])}` : 'is not sent'}`,
    )
    .join(', ')
  const rest = (sent.pathname + sent.search).slice(expected.length)
  if (arrival.mount === expected && arrival.url === rest) {
    return ok(
      'mount',
      `${expected === '' ? 'mounted at the root' : `mounted at ${expected}`}: req.url is ${rest}`,
    )
  }
  return failed(
    'mount',
    `the app is at ${expected || '/'} and takes itself to be at ${arrival.mount || '/'}, so that req.url is ${arrival.url}: ${seen}`,
    adviceOn('mount', server, expected || '/'),
  )
}

function checkAuthorization({ arrival, server }: Comparison): Finding {
  return arrival.authorization === 'Bearer doctor'
    ? ok('authorization', 'the header Authorization reaches the app')
    : warning(
        'authorization',
        'the header Authorization does not reach the app: Bearer tokens and Basic passwords fail',
        `${adviceOn('authorization', server)}\n(where the web server itself asks for the password, that is right)`,
      )
}

function checkHttps({ arrival, sent, server }: Comparison): Finding {
  const secure = sent.protocol === 'https:'
  if (secure === arrival.encrypted)
    return ok(
      'https',
      secure ? 'the app knows that it is HTTPS' : 'plain HTTP, and the app knows it',
    )
  return secure
    ? failed(
        'https',
        'the app takes HTTPS for HTTP: secure cookies are not set, redirects go to http:',
        adviceOn('https', server),
      )
    : warning('https', 'the app takes HTTP for HTTPS', 'HTTPS is set where it should not be')
}

function checkAddress({ arrival }: Comparison): Finding {
  const { REMOTE_ADDR: address } = arrival.params
  return address === undefined || address === ''
    ? warning(
        'remote-address',
        'REMOTE_ADDR is not sent: req.ip is undefined',
        'the server must send REMOTE_ADDR',
      )
    : ok('remote-address', `the app sees the client as ${address}`)
}
