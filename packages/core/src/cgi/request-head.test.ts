import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headOptions } from '../../../../test/support/head-options.ts'
import { propertyRuns } from '../../../../test/support/property.ts'
import { pair, pairs } from '../../../../test/support/raw.ts'
import {
  bodyArrived,
  HeadError,
  readParams,
  readRequestHead,
  type HeadOptions,
  type RequestHead,
} from './request-head.ts'

type Pairs = readonly (readonly [string, string])[]

const least: Pairs = [
  ['REQUEST_METHOD', 'GET'],
  ['REQUEST_URI', '/'],
]

function block(list: Pairs): Buffer {
  return Buffer.concat(list.map(([name, value]) => pair(name, value)))
}

/** A request with these params after (and so over) the least one. */
function read(
  list: Pairs | Record<string, string>,
  options: Partial<HeadOptions> = {},
): RequestHead {
  const more = Array.isArray(list)
    ? (list as Pairs)
    : Object.entries(list as Record<string, string>)
  return readRequestHead(block([...least, ...more]), headOptions(options))
}

/** `status code` of the error, or what came instead. */
function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return error instanceof HeadError ? `${error.status} ${error.code}` : String(error)
  }
  return 'accepted'
}

describe('readRequestHead: pairs', () => {
  it('reads lengths of one byte and of four', () => {
    const long = 'v'.repeat(200)
    const bytes = Buffer.concat([
      pair('REQUEST_METHOD', 'GET', true),
      pair('REQUEST_URI', '/x'),
      pair('HTTP_X', long),
      pair('HTTP_' + 'Y'.repeat(130), '1'),
    ])
    const head = readRequestHead(bytes, headOptions())
    expect([head.method, head.url]).toEqual(['GET', '/x'])
    expect(head.headers).toEqual({ x: long, ['y'.repeat(130)]: '1' })
  })

  it('refuses a block that is cut anywhere as no FastCGI', () => {
    const whole = block([...least, ['HTTP_X', 'v'.repeat(130)]])
    const ends = new Set([0])
    for (const size of [1, 2]) ends.add(block(least.slice(0, size)).length)
    for (let length = 1; length < whole.length; length++) {
      if (ends.has(length)) continue
      let error: unknown
      try {
        readRequestHead(whole.subarray(0, length), headOptions())
      } catch (thrown) {
        error = thrown
      }
      expect(error).toMatchObject({ status: 400, code: 'FCGI_BAD_PAIR', protocol: true })
    }
  })

  it('refuses a length beyond the block, without believing it', () => {
    const bytes = Buffer.concat([block(least), Buffer.from('01ffffffff4100', 'hex')])
    expect(refusal(() => readRequestHead(bytes, headOptions()))).toBe('400 FCGI_BAD_PAIR')
  })

  it('refuses NUL in a value and in a name, wherever it stands', () => {
    for (const list of [
      [['X', 'a\0b']],
      [['X', '\0']],
      [['A\0B', '']],
      [['\0', '']],
      [
        ['EMPTY', ''],
        ['ALSO', ''],
        ['PATH_INFO', '/x\0'],
      ],
    ] as Pairs[]) {
      expect(refusal(() => read(list))).toBe('400 FCGI_NUL_IN_PARAM')
    }
    expect(
      refusal(() =>
        read([
          ['EMPTY', ''],
          ['', ''],
          ['LAST', ''],
        ]),
      ),
    ).toBe('accepted')
  })

  it('lets the last value win where a name that is no header comes twice', () => {
    const head = read([
      ['SCRIPT_NAME', '/hello'],
      ['REQUEST_URI', '/hello'],
      ['CONTENT_LENGTH', '3'],
      ['SCRIPT_NAME', ''],
      ['PATH_INFO', '/hello'],
      ['CONTENT_LENGTH', ''],
    ])
    expect([head.mount, head.url, head.contentLength]).toEqual(['', '/hello', -1])
  })

  it('has limits, and says which', () => {
    const many = Array.from({ length: 9 }, (_, i) => ['P' + i, ''] as const)
    expect(refusal(() => read(many, { maxPairs: 11 }))).toBe('accepted')
    expect(() => read(many, { maxPairs: 10 })).toThrow('more than 10 params (option maxParams)')
    expect(() => read([['N'.repeat(21), '']], { maxNameLength: 20 })).toThrow(
      '20 bytes (option maxParamNameLength)',
    )
    expect(() => read([['N', 'v'.repeat(31)]], { maxValueLength: 30 })).toThrow(
      '30 bytes (option maxParamValueLength)',
    )
    expect(refusal(() => read(many, { maxPairs: 10 }))).toBe('431 FCGI_TOO_MANY_PAIRS')
    expect(refusal(() => read([['N'.repeat(21), '']], { maxNameLength: 20 }))).toBe(
      '431 FCGI_NAME_TOO_LONG',
    )
    expect(refusal(() => read([['N', 'v'.repeat(31)]], { maxValueLength: 30 }))).toBe(
      '431 FCGI_VALUE_TOO_LONG',
    )
  })

  it('counts target, header names and values as node:http does', () => {
    // '/' + 'host' + 'a' + 'x-y' + 'bc' = 11 bytes
    const list = { HTTP_HOST: 'a', HTTP_X_Y: 'bc', SERVER_NAME: 'not counted' }
    expect(refusal(() => read(list, { maxHeaderSize: 12 }))).toBe('accepted')
    expect(refusal(() => read(list, { maxHeaderSize: 11 }))).toBe('431 FCGI_HEADERS_TOO_LARGE')
    expect(() => read(list, { maxHeaderSize: 11 })).toThrow('maxHeaderSize (11')
    // 11 + 'content-type' + 'd' + 'content-length' + '0'; the copies nginx adds do not count
    const body = {
      ...list,
      CONTENT_TYPE: 'd',
      CONTENT_LENGTH: '0',
      HTTP_CONTENT_TYPE: 'd',
      HTTP_CONTENT_LENGTH: '0',
      REQUEST_METHOD: 'POST',
    }
    expect(refusal(() => read(body, { maxHeaderSize: 40 }))).toBe('accepted')
    expect(refusal(() => read(body, { maxHeaderSize: 39 }))).toBe('431 FCGI_HEADERS_TOO_LARGE')
  })

  it('knows the names of the request before, short ones and those that nearly are the same', () => {
    // Each list twice, since the first time teaches what comes next.
    const lists: Pairs[] = [
      [
        ['', 'a'],
        ['', 'b'],
        ['X', 'c'],
        ['XY', 'd'],
        ['XYZ', 'e'],
        ['WXYZ', 'f'],
      ],
      [
        ['HTTP_AB', '1'],
        ['HTTP_ABCD', '2'],
        ['HTTP_ABCDEFGHI', '3'],
      ],
      [
        ['HTTP_XB', '1'],
        ['HTTP_ABCX', '2'],
        ['HTTP_ABCDEXGHI', '3'],
      ],
      [
        ['HTTP_AX', '1'],
        ['HTTP_ABXD', '2'],
        ['HTTP_XBCDEFGHI', '3'],
      ],
    ]
    for (const list of [...lists, ...lists, ...lists.toReversed()]) {
      const { headers, text } = read(list)
      expect(Object.entries(readParams(Buffer.from(text, 'latin1')))).toEqual(
        Object.entries(Object.fromEntries([...least, ...list])),
      )
      const wanted = list.filter(([name]) => name.startsWith('HTTP_'))
      expect(Object.entries(headers)).toEqual(
        wanted.map(([name, value]) => [name.slice(5).toLowerCase(), value]),
      )
    }
  })

  it('never lets the table of names grow, whatever a peer invents', () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const options = headOptions()
    function flood(from: number, to: number): void {
      for (let i = from; i < to; i++) {
        read([
          ['HTTP_INVENTED_' + i + '_' + 'X'.repeat(60), 'v'],
          ['INVENTED_' + i, 'v'.repeat(2000)],
        ])
      }
    }
    flood(0, 3000)
    gc()
    const before = process.memoryUsage().heapUsed
    flood(3000, 23_000)
    gc()
    // Remembered they would be more than 10 MB, and 50 MB with the blocks they came in.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8_000_000)
    expect(readRequestHead(block([...least, ['HTTP_HOST', 'a']]), options).headers).toEqual({
      host: 'a',
    })
  })
})

describe('readRequestHead: request line', () => {
  it('takes the methods of node:http and no other', () => {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'PURGE', 'M-SEARCH', 'PROPFIND']) {
      expect(read({ REQUEST_METHOD: method }).method).toBe(method)
    }
    for (const method of ['', 'get', 'GETT', 'CONNECT', 'constructor', 'G T', 'PRI']) {
      expect(refusal(() => read({ REQUEST_METHOD: method }))).toBe('400 FCGI_BAD_METHOD')
    }
    expect(refusal(() => readRequestHead(pairs({ REQUEST_URI: '/' }), headOptions()))).toBe(
      '400 FCGI_BAD_METHOD',
    )
  })

  it('reads the version', () => {
    const versions: Record<string, string> = {
      'HTTP/1.1': '1.1',
      'HTTP/1.0': '1.0',
      'HTTP/2.0': '2.0',
      'HTTP/2': '2.0',
      'HTTP/3.0': '3.0',
      INCLUDED: '1.0',
      '': '1.1',
      'http/1.0': '1.1',
      'HTTP/x': '1.1',
      'HTTP/1.1.1': '1.1',
      SPDY: '1.1',
    }
    for (const [told, version] of Object.entries(versions)) {
      const head = read({ SERVER_PROTOCOL: told })
      expect([told, head.httpVersion]).toEqual([told, version])
      expect(`${head.httpVersionMajor}.${head.httpVersionMinor}`).toBe(version)
    }
    expect(read({}).httpVersion).toBe('1.1')
  })

  it('keeps a path as the client wrote it', () => {
    for (const uri of [
      '/',
      '/a%2Fb//c/../d;e=1?x=%20&y=?z',
      '/%',
      '/%zz',
      '/?',
      '//a',
      '/a?',
      '/\xe4\xff',
      '/"<>|{}^`\\',
      '/:x',
      '/http://x/',
    ]) {
      const head = read({ REQUEST_URI: uri })
      expect([head.url, head.originalUrl]).toEqual([uri, uri])
    }
  })

  it('reduces an absolute URL to its path and drops a fragment', () => {
    const forms: Record<string, string> = {
      'http://host/abs?q=1': '/abs?q=1',
      'HTTPS://u:p@host:81/x': '/x',
      'http://host': '/',
      'http://host?q': '/?q',
      'http://host#f': '/',
      '/a#b?c': '/a',
      '/a?b#c': '/a?b',
      '/#': '/',
      'http://': '/',
      'svn+ssh://h/x': '/x',
    }
    for (const [uri, url] of Object.entries(forms)) {
      expect([uri, read({ REQUEST_URI: uri }).url]).toEqual([uri, url])
    }
  })

  it('hands on the asterisk', () => {
    const head = read({
      REQUEST_METHOD: 'OPTIONS',
      REQUEST_URI: '*',
      PATH_INFO: '/*',
      SCRIPT_NAME: '',
    })
    expect([head.url, head.originalUrl, head.mount]).toEqual(['*', '*', ''])
  })

  it('refuses what node:http refuses', () => {
    for (const uri of [
      'x',
      'host:443',
      '*x',
      '?q',
      '#',
      'a/b',
      '/a b',
      '/a\tb',
      '/a\r\nHost: x',
      '/a\nb',
      '/\x01',
      '/\x7f',
      'http:/x',
      '1http://x/',
      ' /x',
      '/x ',
    ]) {
      expect([uri, refusal(() => read({ REQUEST_URI: uri }))]).toEqual([uri, '400 FCGI_BAD_TARGET'])
    }
    expect(refusal(() => read({ REQUEST_URI: '/a\0b' }))).toBe('400 FCGI_NUL_IN_PARAM')
  })

  it('builds a target where there is no REQUEST_URI', () => {
    const method = ['REQUEST_METHOD', 'GET'] as const
    function target(more: Pairs): string {
      return readRequestHead(block([method, ...more]), headOptions()).originalUrl
    }
    expect(target([])).toBe('/')
    expect(
      target([
        ['REQUEST_URI', ''],
        ['PATH_INFO', '/x'],
      ]),
    ).toBe('/x')
    expect(
      target([
        ['SCRIPT_NAME', '/app'],
        ['PATH_INFO', '/a b/%/ü?#'],
        ['QUERY_STRING', 'q=%20'],
      ]),
    ).toBe('/app/a%20b/%25/%FC%3F%23?q=%20')
    expect(target([['PATH_INFO', 'x']])).toBe('/x')
    expect(
      target([
        ['PATH_INFO', '/x'],
        ['QUERY_STRING', 'a#b'],
      ]),
    ).toBe('/x?a')
    expect(
      refusal(() =>
        target([
          ['PATH_INFO', '/x'],
          ['QUERY_STRING', 'a b'],
        ]),
      ),
    ).toBe('400 FCGI_BAD_TARGET')
    expect(target([['PATH_INFO', '/x\r\ny']])).toBe('/x%0D%0Ay')
  })
})

describe('readRequestHead: addresses', () => {
  it('reads them', () => {
    const head = read({
      REMOTE_ADDR: '::1',
      REMOTE_PORT: '50978',
      SERVER_ADDR: '192.0.2.1',
      SERVER_PORT: '443',
    })
    expect(head).toMatchObject({
      remoteAddress: '::1',
      remotePort: 50978,
      localAddress: '192.0.2.1',
      localPort: 443,
    })
  })

  it('leaves out what a unix socket has not, and nonsense', () => {
    const head = read({
      REMOTE_ADDR: 'unix:',
      REMOTE_PORT: '',
      SERVER_ADDR: 'unix:/run/x',
      SERVER_PORT: '80x',
    })
    expect([head.remoteAddress, head.remotePort, head.localAddress, head.localPort]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    for (const port of ['65536', '-1', '1e3', '000080', ' 80'])
      expect(read({ REMOTE_PORT: port }).remotePort).toBe(undefined)
    expect(read({ REMOTE_PORT: '65535' }).remotePort).toBe(65535)
  })

  it('tells encrypted from HTTPS and REQUEST_SCHEME, never from a port or a client header', () => {
    for (const https of ['on', 'ON', '1', 'true'])
      expect(read({ HTTPS: https }).encrypted).toBe(true)
    for (const https of ['', 'off', '0', 'no']) expect(read({ HTTPS: https }).encrypted).toBe(false)
    expect(read({ REQUEST_SCHEME: 'https' }).encrypted).toBe(true)
    expect(read({ REQUEST_SCHEME: 'http' }).encrypted).toBe(false)
    expect(
      read({ SERVER_PORT: '443', HTTP_HTTPS: 'on', HTTP_REQUEST_SCHEME: 'https' }).encrypted,
    ).toBe(false)
  })
})

describe('readRequestHead: headers', () => {
  it('names them as CGI does in reverse, latin1, in order', () => {
    const head = read(
      [
        ['HTTP_HOST', 'a'],
        ['SERVER_NAME', 'b'],
        ['HTTP_USER_AGENT', 'c'],
        ['HTTP_X_FÜR', 'd'],
      ].slice(0, 3) as [string, string][],
    )
    expect(head.headers).toEqual({ host: 'a', 'user-agent': 'c' })
    expect(head.rawHeaders).toEqual(['Host', 'a', 'User-Agent', 'c'])
    expect(read({ HTTP_X: 'gr\xfc\xdf' }).headers).toEqual({ x: 'gr\xfc\xdf' })
    expect(read({ 'HTTP_X.DOT': '1', 'HTTP_X~TILDE': '2', 'HTTP_X!BANG': '3' }).headers).toEqual({
      'x.dot': '1',
      'x~tilde': '2',
      'x!bang': '3',
    })
  })

  it('joins repeated ones as IncomingMessage does', () => {
    const names = [
      'accept',
      'age',
      'authorization',
      'cookie',
      'date',
      'etag',
      'expires',
      'from',
      'host',
      'if-match',
      'if-modified-since',
      'if-none-match',
      'if-unmodified-since',
      'last-modified',
      'location',
      'max-forwards',
      'origin',
      'proxy-authorization',
      'referer',
      'retry-after',
      'server',
      'set-cookie',
      'user-agent',
      'vary',
      'via',
      'x-any',
      'constructor',
      'to-string',
      'accept-encoding',
      'cache-control',
      'expect',
    ]
    const header = fc.tuple(fc.constantFrom(...names), fc.stringMatching(/^[!-~]{1,8}$/))
    fc.assert(
      fc.property(fc.array(header, { maxLength: 12 }), (list) => {
        const message = new IncomingMessage(new Socket())
        const raw = list.flat()
        const add = message as unknown as {
          _addHeaderLines: (lines: string[], count: number) => void
        }
        add._addHeaderLines(raw, raw.length)
        const head = read(
          list.map(
            ([name, value]) => ['HTTP_' + name.toUpperCase().replaceAll('-', '_'), value] as const,
          ),
        )
        expect(head.headers).toEqual({ ...message.headers })
        expect(head.rawHeaders.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))).toEqual(
          raw,
        )
      }),
      propertyRuns(500),
    )
  })

  it('leaves behind what speaks of another connection, and httpoxy', () => {
    const head = read({
      HTTP_PROXY: 'http://evil',
      HTTP_CONNECTION: 'close',
      HTTP_UPGRADE: 'websocket',
      HTTP_KEEP_ALIVE: '5',
      HTTP_TE: 'trailers',
      HTTP_ACCEPT: '*/*',
    })
    expect(head.headers).toEqual({ accept: '*/*' })
    expect(head.rawHeaders).toEqual(['Accept', '*/*'])
  })

  it('takes content type and length from the server, not from their copies', () => {
    const head = read({
      REQUEST_METHOD: 'POST',
      HTTP_CONTENT_TYPE: 'text/evil',
      HTTP_CONTENT_LENGTH: '9',
      CONTENT_TYPE: 'text/plain',
      CONTENT_LENGTH: '3',
    })
    expect(head.headers).toEqual({ 'content-type': 'text/plain', 'content-length': '3' })
    expect(head.rawHeaders).toEqual(['Content-Type', 'text/plain', 'Content-Length', '3'])
    expect(
      read({
        HTTP_CONTENT_TYPE: 'a/b',
        HTTP_CONTENT_LENGTH: '9',
        CONTENT_TYPE: '',
        CONTENT_LENGTH: '',
      }).headers,
    ).toEqual({})
  })

  it('does not take the type that Caddy invents for one the client sent', () => {
    const form = {
      SERVER_SOFTWARE: 'Caddy/2.6.2',
      REQUEST_METHOD: 'DELETE',
      CONTENT_TYPE: 'application/x-www-form-urlencoded',
      CONTENT_LENGTH: '0',
    }
    expect(read(form).headers['content-type']).toBe(undefined)
    expect(read({ ...form, HTTP_CONTENT_TYPE: form.CONTENT_TYPE }).headers['content-type']).toBe(
      form.CONTENT_TYPE,
    )
    expect(read({ ...form, SERVER_SOFTWARE: 'nginx/1.22.1' }).headers['content-type']).toBe(
      form.CONTENT_TYPE,
    )
  })

  it('recovers Authorization from the names it comes in', () => {
    const name = 'authorization'
    expect(
      read({ HTTP_AUTHORIZATION: 'a', REDIRECT_HTTP_AUTHORIZATION: 'b', Authorization: 'c' })
        .headers[name],
    ).toBe('a')
    expect(
      read({ HTTP_AUTHORIZATION: '', REDIRECT_HTTP_AUTHORIZATION: 'b', Authorization: 'c' })
        .headers[name],
    ).toBe('b')
    expect(read({ REDIRECT_HTTP_AUTHORIZATION: '', Authorization: 'c' }).headers[name]).toBe('c')
    expect(read({ REDIRECT_REDIRECT_HTTP_AUTHORIZATION: 'd' }).headers[name]).toBe('d')
    expect(read({ Authorization: 'c' }).rawHeaders).toEqual(['Authorization', 'c'])
    expect(read({ HTTP_AUTHORIZATION: '', REDIRECT_HTTP_AUTHORIZATION: '' }).headers).toEqual({})
  })

  it('keeps empty values, but no empty Host', () => {
    expect(read({ HTTP_X: '', HTTP_HOST: '' }).headers).toEqual({ x: '' })
    expect(read({ HTTP_X: '', HTTP_HOST: '' }).rawHeaders).toEqual(['X', ''])
  })

  it('refuses control bytes in values and names that are no token', () => {
    for (const value of ['a\r\nb', 'a\nb', '\x01', 'a\x7f', '\x1b[2J']) {
      expect(refusal(() => read({ HTTP_X: value }))).toBe('400 FCGI_BAD_HEADER')
      expect(refusal(() => read({ REQUEST_METHOD: 'POST', CONTENT_TYPE: value }))).toBe(
        '400 FCGI_BAD_HEADER',
      )
      expect(refusal(() => read({ Authorization: value }))).toBe('400 FCGI_BAD_HEADER')
      expect(refusal(() => read({ HTTP_TRANSFER_ENCODING: value }))).toBe('400 FCGI_BAD_HEADER')
    }
    expect(read({ HTTP_X: 'a\tb' }).headers).toEqual({ x: 'a\tb' })
    for (const name of ['HTTP_', 'HTTP_A B', 'HTTP_A:B', 'HTTP_\xfc', 'HTTP_(', 'HTTP_A\n']) {
      expect([name, refusal(() => read({ [name]: 'v' }))]).toEqual([name, '400 FCGI_BAD_HEADER'])
    }
  })

  it('is safe with the names that objects inherit', () => {
    const head = read([
      ['HTTP___PROTO__', 'a'],
      ['__proto__', 'b'],
      ['constructor', 'c'],
      ['HTTP_CONSTRUCTOR', 'd'],
      ['HTTP_CONSTRUCTOR', 'e'],
    ])
    expect(Object.getPrototypeOf(head.headers)).toBe(Object.prototype)
    expect(Object.entries(head.headers)).toEqual([
      ['--proto--', 'a'],
      ['constructor', 'd, e'],
    ])
    expect(({} as Record<string, unknown>)['a']).toBe(undefined)
  })
})

describe('readRequestHead: body', () => {
  function body(more: Record<string, string>): unknown[] {
    const { body: kind, contentLength, headers } = read({ REQUEST_METHOD: 'POST', ...more })
    return [kind, contentLength, headers['content-length'], headers['transfer-encoding']]
  }

  it('takes a length', () => {
    expect(body({ CONTENT_LENGTH: '10' })).toEqual(['length', 10, '10', undefined])
    expect(body({ CONTENT_LENGTH: '0' })).toEqual(['length', 0, '0', undefined])
    expect(body({ CONTENT_LENGTH: '007' })).toEqual(['length', 7, '007', undefined])
    expect(body({ CONTENT_LENGTH: '9007199254740991' })).toEqual([
      'length',
      9007199254740991,
      '9007199254740991',
      undefined,
    ])
  })

  it('takes 0 for no header where requests have no body', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE']) {
      expect(body({ REQUEST_METHOD: method, CONTENT_LENGTH: '0' })).toEqual([
        'none',
        0,
        undefined,
        undefined,
      ])
      expect(body({ REQUEST_METHOD: method, CONTENT_LENGTH: '3' })).toEqual([
        'length',
        3,
        '3',
        undefined,
      ])
    }
    for (const method of ['PUT', 'DELETE', 'PATCH']) {
      expect(body({ REQUEST_METHOD: method, CONTENT_LENGTH: '0' })).toEqual([
        'length',
        0,
        '0',
        undefined,
      ])
    }
  })

  it('takes 0 for what the client said where nginx passes that on as well', () => {
    for (const [name, said] of Object.entries({
      HTTP_CONTENT_LENGTH: '0',
      HTTP_TRANSFER_ENCODING: 'chunked',
    })) {
      expect(body({ REQUEST_METHOD: 'GET', CONTENT_LENGTH: '0', [name]: said })).toEqual([
        'length',
        0,
        '0',
        undefined,
      ])
    }
  })

  it('never has both a length and a transfer encoding', () => {
    expect(body({ CONTENT_LENGTH: '11', HTTP_TRANSFER_ENCODING: 'chunked' })).toEqual([
      'length',
      11,
      '11',
      undefined,
    ])
    expect(body({ CONTENT_LENGTH: '', HTTP_TRANSFER_ENCODING: 'chunked' })).toEqual([
      'chunked',
      -1,
      undefined,
      'chunked',
    ])
    expect(body({ CONTENT_LENGTH: '-1', HTTP_TRANSFER_ENCODING: 'gzip, Chunked' })).toEqual([
      'chunked',
      -1,
      undefined,
      'gzip, Chunked',
    ])
  })

  it('waits for the body where no length is told', () => {
    for (const more of [
      {},
      { CONTENT_LENGTH: '' },
      { CONTENT_LENGTH: '-1' },
      { HTTP_CONTENT_LENGTH: '3' },
      { HTTP_TRANSFER_ENCODING: '' },
    ]) {
      expect(body(more as Record<string, string>)).toEqual(['undecided', -1, undefined, undefined])
    }
    const head = read({ CONTENT_LENGTH: '' })
    bodyArrived(head)
    expect(head).toMatchObject({
      body: 'chunked',
      contentLength: -1,
      headers: { 'transfer-encoding': 'chunked' },
    })
    expect(head.rawHeaders).toEqual(['Transfer-Encoding', 'chunked'])
  })

  it('lets the last CONTENT_LENGTH win, as nginx means it', () => {
    const head = read([
      ['CONTENT_LENGTH', '3'],
      ['CONTENT_LENGTH', '5'],
      ['HTTP_CONTENT_LENGTH', '7'],
    ])
    expect([head.contentLength, head.headers]).toEqual([5, { 'content-length': '5' }])
  })

  it('refuses a length that is no number of bytes', () => {
    for (const length of [
      '+5',
      '5,5',
      ' 5',
      '5 ',
      '-5',
      '-',
      '--1',
      '0x5',
      '5e3',
      '1.0',
      'a',
      '9007199254740992',
      '9'.repeat(400),
      '\xb2',
      '5\n',
    ]) {
      expect([length, refusal(() => body({ CONTENT_LENGTH: length }))]).toEqual([
        length,
        '400 FCGI_BAD_CONTENT_LENGTH',
      ])
    }
  })

  it('refuses a transfer encoding that does not end in chunked', () => {
    for (const encoding of ['gzip', 'chunked, gzip', 'xchunked', 'chunkedx', 'identity']) {
      expect(refusal(() => body({ HTTP_TRANSFER_ENCODING: encoding }))).toBe(
        '400 FCGI_BAD_TRANSFER_ENCODING',
      )
    }
  })
})

describe("readRequestHead with target: 'normalized'", () => {
  function normalized(more: Record<string, string>, options: Partial<HeadOptions> = {}): string[] {
    const { mount, url, originalUrl, warning } = read(more, { target: 'normalized', ...options })
    return [mount, url, originalUrl, ...(warning ? [warning.code] : [])]
  }

  it('puts the slash where a pattern took it away', () => {
    const old = { SERVER_SOFTWARE: 'nginx/1', SCRIPT_NAME: '/app' }
    expect(normalized({ ...old, REQUEST_URI: '/app/x/../y', PATH_INFO: 'y' })).toEqual([
      '/app',
      '/y',
      '/app/y',
    ])
    const loose = { ...old, REQUEST_URI: '/application/x', PATH_INFO: 'lication/x' }
    expect(normalized(loose).slice(0, 3)).toEqual(['', '/application/x', '/application/x'])
  })

  it('does not take a SCRIPT_NAME that is fixed for the whole path', () => {
    const fixed = { SERVER_SOFTWARE: 'nginx/1', SCRIPT_NAME: '/app' }
    const head = normalized({ ...fixed, REQUEST_URI: '/app/x/../%61dmin' })
    expect(head.slice(0, 3)).toEqual(['', '/app/admin', '/app/admin'])
    const env = { SERVER_SOFTWARE: 'Caddy/2.6', SCRIPT_NAME: '/app', PATH_INFO: '' }
    const files = { SCRIPT_FILENAME: '/srv/entry/app.fcgi', DOCUMENT_ROOT: '/srv/entry' }
    expect(normalized({ ...env, ...files, REQUEST_URI: '/app//x' }).slice(0, 3)).toEqual([
      '/app',
      '/x',
      '/app/x',
    ])
  })

  it('shows the path the server judged', () => {
    const nginx = { SERVER_SOFTWARE: 'nginx/1.22.1', SCRIPT_NAME: '' }
    for (const uri of [
      '/admin',
      '/%61dmin',
      '//admin',
      '/public/../admin',
      '/public/%2e%2e/admin',
    ]) {
      expect(normalized({ ...nginx, REQUEST_URI: uri + '?q=%20', PATH_INFO: '/admin' })).toEqual([
        '',
        '/admin?q=%20',
        '/admin?q=%20',
      ])
    }
    expect(
      normalized({ ...nginx, REQUEST_URI: '/a%20b%3Fc%FC%25', PATH_INFO: '/a b?c\xfc%' }),
    ).toEqual(['', '/a%20b%3Fc%FC%25', '/a%20b%3Fc%FC%25'])
  })

  it('takes the whole path from SCRIPT_NAME', () => {
    expect(
      normalized({
        SERVER_SOFTWARE: 'Apache/2.4',
        SCRIPT_NAME: '/public',
        REQUEST_URI: '/admin/../public',
      }).slice(0, 3),
    ).toEqual(['', '/public', '/public'])
  })

  it('keeps the mount', () => {
    const sub = { SERVER_SOFTWARE: 'nginx/1.22.1', SCRIPT_NAME: '/app' }
    expect(normalized({ ...sub, REQUEST_URI: '/app/x/../admin?y', PATH_INFO: '/admin' })).toEqual([
      '/app',
      '/admin?y',
      '/app/admin?y',
    ])
    expect(normalized({ ...sub, REQUEST_URI: '/app', PATH_INFO: '' })).toEqual([
      '/app',
      '/',
      '/app',
    ])
    expect(
      normalized(
        {
          SERVER_SOFTWARE: 'Caddy/2.6',
          SCRIPT_NAME: '',
          REQUEST_URI: '/app/a%2Fb',
          PATH_INFO: '/a/b',
        },
        { mount: '/app' },
      ),
    ).toEqual(['/app', '/a/b', '/app/a/b'])
    expect(
      normalized(
        {
          SERVER_SOFTWARE: 'lighttpd/1.4',
          SCRIPT_NAME: '/app',
          REQUEST_URI: '//app/a',
          PATH_INFO: '/a',
        },
        { mount: '/app' },
      ),
    ).toEqual(['/app', '/a', '/app/a'])
  })

  it('hides the script of a rewrite', () => {
    const own = {
      SERVER_SOFTWARE: 'Apache/2.4',
      SCRIPT_FILENAME: '/srv/entry/app.fcgi',
      DOCUMENT_ROOT: '/srv/entry',
      SCRIPT_NAME: '/app.fcgi',
    }
    expect(normalized({ ...own, REQUEST_URI: '//x/%61', PATH_INFO: '/x/a' })).toEqual([
      '',
      '/x/a',
      '/x/a',
    ])
    expect(normalized({ ...own, REQUEST_URI: '/app.fcgi/x', PATH_INFO: '/x' })).toEqual([
      '/app.fcgi',
      '/x',
      '/app.fcgi/x',
    ])
    // .htaccess decodes twice: the server judged /aA.
    expect(normalized({ ...own, REQUEST_URI: '/a%2541', PATH_INFO: '/aA' })).toEqual([
      '',
      '/aA',
      '/aA',
    ])
    const flask = {
      SERVER_SOFTWARE: 'lighttpd/1.4',
      SCRIPT_NAME: '/app.fcgi',
      SCRIPT_FILENAME: '/var/www/app.fcgi',
    }
    expect(normalized({ ...flask, REQUEST_URI: '//x', PATH_INFO: '/x' })).toEqual(['', '/x', '/x'])
  })

  it('normalises by itself where the server names only its script, and says so', () => {
    const fallback = {
      SERVER_SOFTWARE: 'Apache/2.4',
      SCRIPT_FILENAME: '/srv/entry/app.fcgi',
      DOCUMENT_ROOT: '/srv/entry',
      SCRIPT_NAME: '/app.fcgi',
    }
    expect(normalized({ ...fallback, REQUEST_URI: '/x/../%61dmin/' })).toEqual([
      '',
      '/admin/',
      '/admin/',
      'CGI_TARGET_NOT_NORMALIZED',
    ])
  })

  it('cleans what Caddy only decodes, and leaves what HAProxy judged as it came', () => {
    expect(
      normalized({
        SERVER_SOFTWARE: 'Caddy/2.6',
        SCRIPT_NAME: '',
        REQUEST_URI: '/admin/../public',
        PATH_INFO: '/admin/../public',
      }),
    ).toEqual(['', '/public', '/public'])
    expect(
      normalized({ SERVER_SOFTWARE: 'HAProxy 2.6', REQUEST_URI: '/a/../b', PATH_INFO: '/a/../b' }),
    ).toEqual(['', '/a/../b', '/a/../b'])
  })
})

describe('readParams', () => {
  it('shows every param as the server sent it', () => {
    const params = readParams(block([...least, ['SSL_CLIENT_S_DN', 'CN=\xc3\xbc'], ['EMPTY', '']]))
    expect({ ...params }).toEqual({
      REQUEST_METHOD: 'GET',
      REQUEST_URI: '/',
      SSL_CLIENT_S_DN: 'CN=\xc3\xbc',
      EMPTY: '',
    })
  })

  it('has no prototype and takes any name', () => {
    const params = readParams(
      block([
        ['__proto__', 'a'],
        ['constructor', 'b'],
        ['', 'c'],
      ]),
    )
    expect(Object.getPrototypeOf(params)).toBe(null)
    expect(Object.entries(params)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['', 'c'],
    ])
    expect(params['toString']).toBe(undefined)
  })

  it('lets the last value win, but joins headers', () => {
    const params = readParams(
      block([
        ['SCRIPT_NAME', '/a'],
        ['HTTP_X', '1'],
        ['HTTP_COOKIE', 'a=1'],
        ['HTTP_HOST', 'first'],
        ['SCRIPT_NAME', ''],
        ['HTTP_X', '2'],
        ['HTTP_COOKIE', 'b=2'],
        ['HTTP_HOST', 'second'],
      ]),
    )
    expect({ ...params }).toEqual({
      SCRIPT_NAME: '',
      HTTP_X: '1, 2',
      HTTP_COOKIE: 'a=1; b=2',
      HTTP_HOST: 'first',
    })
  })
})

describe('readRequestHead: any bytes', () => {
  const names = fc.constantFrom(
    'REQUEST_METHOD',
    'REQUEST_URI',
    'SCRIPT_NAME',
    'PATH_INFO',
    'SCRIPT_FILENAME',
    'DOCUMENT_ROOT',
    'CONTEXT_PREFIX',
    'CONTEXT_DOCUMENT_ROOT',
    'SERVER_SOFTWARE',
    'SERVER_PROTOCOL',
    'CONTENT_LENGTH',
    'CONTENT_TYPE',
    'HTTPS',
    'REMOTE_ADDR',
    'REMOTE_PORT',
    'QUERY_STRING',
    'HTTP_HOST',
    'HTTP_X_FORWARDED_FOR',
    'HTTP_FORWARDED',
    'HTTP_X_FORWARDED_HOST',
    'HTTP_TRANSFER_ENCODING',
    'HTTP_COOKIE',
    'HTTP___PROTO__',
    '__proto__',
    'HTTP_A',
  )
  const text = fc.oneof(
    fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
      maxLength: 12,
    }),
    fc.constantFrom(
      'GET',
      'POST',
      '/',
      '/app',
      '/app/x',
      '/app.fcgi',
      '/srv/entry/app.fcgi',
      'nginx/1',
      'Apache/2',
      'lighttpd/1',
      'Caddy/2',
      'h2o/2',
      'HAProxy 2',
      'chunked',
      '10',
      '',
      'on',
      'HTTP/1.1',
      '//a/../b%2e',
      '*',
      'http://h/x',
    ),
  )

  it('give a head or a HeadError, nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.oneof(names, text), text), { maxLength: 20 }),
        fc.constantFrom('raw', 'normalized'),
        fc.nat(60),
        (list, target, cut) => {
          const whole = block(list)
          for (const bytes of [whole, whole.subarray(0, Math.max(0, whole.length - cut))]) {
            let head: RequestHead
            try {
              head = readRequestHead(bytes, headOptions({ target: target as 'raw' }))
            } catch (error) {
              if (error instanceof HeadError) continue
              throw error
            }
            expect(head.url === '*' || head.url.startsWith('/')).toBe(true)
            expect(head.mount === '' || /^\/.*[^/]$/.test(head.mount)).toBe(true)
            expect(/[\0-\x20\x7f]/.test(head.url + head.originalUrl + head.mount)).toBe(false)
            for (const value of Object.values(head.headers).flat())
              expect(/[\0-\x08\n-\x1f\x7f]/.test(value)).toBe(false)
          }
        },
      ),
      propertyRuns(3000),
    )
  })

  it('give a head or a HeadError also when they are no pairs at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(refusal(() => readRequestHead(Buffer.from(bytes), headOptions()))).toMatch(
          /^(?:400|431) FCGI_|^accepted$/,
        )
      }),
      propertyRuns(3000),
    )
  })

  it('do not change what is lent', () => {
    const bytes = block([...least, ['HTTP_X_FORWARDED_FOR', 'a'], ['HTTP_X', 'b']])
    const copy = Buffer.from(bytes)
    readRequestHead(bytes, headOptions())
    readParams(bytes)
    expect(bytes).toEqual(copy)
  })
})
