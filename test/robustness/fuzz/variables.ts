/** CGI variables as odd as web servers, clients and attackers make them. */
import type { Random } from './random.ts'

const paths = [
  '/',
  '//',
  '/a/../b',
  '/%2e%2e/%2e%2e/etc/passwd',
  '/a%2Fb',
  '/%00',
  '/\n',
  '/evil/app.fcgi',
  '/app.fcgi/x',
  '/hello/',
  '*',
  '',
  'x',
  'http://host/path',
  'http://',
  'https://user:pass@host:1/..',
  '/caf\xc3\xa9',
  '/?',
  '/#frag',
  '/a?b#c',
  '/a b',
  '/;a=b',
  '/\\..\\x',
  '/.%2e/',
  '/%',
  '/%zz',
]

const values = [
  '',
  ' ',
  '0',
  '-1',
  'on',
  'HTTPS',
  '__proto__',
  'constructor',
  'a\r\nInjected: yes',
  'a\0b',
  'caf\xc3\xa9',
  '\xff\xfe',
  '127.0.0.1',
  '::1',
  '[::1]:80',
  'unix:',
  'unknown',
  '999.1.1.1',
  'chunked',
  'gzip, chunked',
  'close',
  'SUCCESS',
  'FAILED:x',
  '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
  'Basic dTpw',
  'for=1.2.3.4;proto=https;host="x"',
]

const names = [
  'REMOTE_ADDR',
  'REMOTE_PORT',
  'SERVER_ADDR',
  'SERVER_PORT',
  'SERVER_NAME',
  'SERVER_PROTOCOL',
  'SERVER_SOFTWARE',
  'HTTPS',
  'REQUEST_SCHEME',
  'REMOTE_USER',
  'AUTH_TYPE',
  'SSL_CLIENT_VERIFY',
  'SSL_CLIENT_CERT',
  'SSL_CLIENT_S_DN',
  'CONTENT_TYPE',
  'HTTP_HOST',
  'HTTP_COOKIE',
  'HTTP_PROXY',
  'HTTP_CONNECTION',
  'HTTP_UPGRADE',
  'HTTP_EXPECT',
  'HTTP_TRANSFER_ENCODING',
  'HTTP_CONTENT_LENGTH',
  'HTTP_CONTENT_TYPE',
  'HTTP_AUTHORIZATION',
  'REDIRECT_HTTP_AUTHORIZATION',
  'Authorization',
  'HTTP_X_FORWARDED_FOR',
  'HTTP_X_FORWARDED_PROTO',
  'HTTP_X_FORWARDED_HOST',
  'HTTP_FORWARDED',
  'HTTP___PROTO__',
  'HTTP_CONSTRUCTOR',
  '__proto__',
  'constructor',
  'HTTP_',
  'HTTP_A B',
  'HTTP_A\r\nB',
  'HTTP_SET_COOKIE',
  'REDIRECT_STATUS',
  'REDIRECT_URL',
  'SCRIPT_NAME',
  'SCRIPT_FILENAME',
  'PATH_INFO',
  'PATH_TRANSLATED',
  'DOCUMENT_ROOT',
  'REQUEST_URI',
  'QUERY_STRING',
  'REQUEST_METHOD',
  'CONTENT_LENGTH',
  'FCGI_ROLE',
  'FCGI_DATA_LENGTH',
  'FCGI_DATA_LAST_MOD',
  'FASTCGI_STATUS',
  'FASTCGI_MOUNT',
]

/** Variables of a request; `page` is what the app under test does with it. */
export function cgiVariables(random: Random, bodyLength: number, page: number): [string, string][] {
  const method = random.pick([
    'GET',
    'POST',
    'PUT',
    'HEAD',
    'OPTIONS',
    'DELETE',
    'CONNECT',
    'BREW',
    '',
  ])
  const list: [string, string][] = [
    ['REQUEST_METHOD', method],
    ['REQUEST_URI', random.percent(60) ? `/do/${page}` : random.pick(paths)],
    ['SERVER_PROTOCOL', random.pick(['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'INCLUDED', 'x', ''])],
  ]
  if (random.percent(40)) list.push(['SCRIPT_NAME', random.pick(paths)])
  if (random.percent(40)) list.push(['PATH_INFO', random.pick(paths)])
  if (random.percent(30)) list.push(['SCRIPT_FILENAME', `/srv${random.pick(paths)}`])
  if (random.percent(60)) {
    const length = random.pick([
      String(bodyLength),
      String(bodyLength),
      String(bodyLength + 1 + random.below(100)),
      String(random.below(bodyLength + 1)),
      '',
      '-1',
      '1e3',
      '+5',
      ' 5',
      '0x10',
      '99999999999999999999',
    ])
    list.push(['CONTENT_LENGTH', length])
  }
  const more = random.below(12)
  for (let n = 0; n < more; n++) {
    const value = random.percent(70)
      ? random.pick(values)
      : random.bytes(random.size(300)).toString('latin1')
    list.push([random.percent(90) ? random.pick(names) : anyName(random), value])
  }
  // The order is not ours to choose.
  if (random.percent(30)) list.reverse()
  return list
}

function anyName(random: Random): string {
  const name = random.bytes(random.size(1200)).toString('latin1')
  return random.percent(50) ? `HTTP_${name}` : name
}
