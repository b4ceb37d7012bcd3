/** What the app is told of a request. */
import http from 'node:http'
import { Readable } from 'node:stream'

import type { Headers, Request } from '../answer.ts'
import type { Scenario } from '../scenario.ts'
import { attempt, describeRequest, echo } from './common.ts'

function told(
  name: string,
  request: Request,
  more: Partial<Omit<Scenario, 'name' | 'request'>> = {},
): Scenario {
  return { name, request, handler: echo, ...more }
}

function withHeaders(name: string, headers: Headers, more: Partial<Scenario> = {}): Scenario {
  return told(name, { headers }, more)
}

export const requestScenarios: readonly Scenario[] = [
  told('GET', {}),
  told('HEAD', { method: 'HEAD' }),
  told('POST without a body and without a length', { method: 'POST' }),
  told('POST of length 0', { method: 'POST', body: '' }),
  told('POST', { method: 'POST', body: 'a=1&b=2' }),
  told('PUT', { method: 'PUT', body: 'put' }),
  told('PATCH', { method: 'PATCH', body: 'patch' }),
  told('DELETE without a body', { method: 'DELETE' }),
  told('DELETE with a body', { method: 'DELETE', body: 'delete' }),
  told('OPTIONS', { method: 'OPTIONS' }),
  told('OPTIONS *', { method: 'OPTIONS', target: '*' }),
  told('PROPFIND', { method: 'PROPFIND', headers: [['Depth', '1']] }),
  told('M-SEARCH', { method: 'M-SEARCH' }),
  told('GET with a body', { body: 'body of a GET' }),
  told('a method nobody knows', { method: 'BREW' }, { open: true, differs: ['page of a refusal'] }),
  told('query', { target: '/a/b?x=1&y=%20&z' }),
  told('empty query', { target: '/a?' }),
  told('query with a question mark', { target: '/a?b?c' }),
  told('percent-encoded path', { target: '/a%20b/%e4%b8%96/%2f/%25' }),
  told('lower and upper case in percent codes', { target: '/%C3%A4%c3%a4' }),
  told('double slashes', { target: '//a//b//' }),
  told('dots in the path', { target: '/a/../b/./c/..' }),
  told('unwise characters', { target: '/a|b"c<d>e{f}g`h^i\\j' }),
  told(
    'UTF-8 bytes in the path',
    { target: Buffer.from('/grüße').latin1Slice() },
    {
      open: true,
      differs: ['bytes beyond ASCII in a target'],
      // 20.19.0 lets them pass, as we do.
      since: [20, 20],
    },
  ),
  told('long target', { target: `/${'x'.repeat(8000)}?${'y'.repeat(4000)}` }),
  told(
    'target in absolute form',
    { target: 'http://example.test/a?b' },
    { differs: ['target in absolute form'] },
  ),
  told('HTTP/1.0', { version: '1.0' }),
  withHeaders('a header repeated', [
    ['Accept', 'text/html'],
    ['Accept', 'text/plain'],
    ['X-Own', '1'],
    ['x-own', '2'],
    ['X-OWN', '3'],
  ]),
  withHeaders('cookies in several lines', [
    ['Cookie', 'a=1'],
    ['Cookie', 'b=2; c=3'],
  ]),
  withHeaders('set-cookie in a request', [
    ['Set-Cookie', 'a=1'],
    ['Set-Cookie', 'b=2'],
  ]),
  withHeaders('headers of which there is one', [
    ['User-Agent', 'one'],
    ['User-Agent', 'two'],
    ['Referer', '/one'],
    ['Referer', '/two'],
    ['Authorization', 'Basic YTpi'],
    ['Authorization', 'Basic Yzpk'],
    ['If-Modified-Since', 'Sat, 01 Jan 2000 00:00:00 GMT'],
    ['If-Modified-Since', 'Sun, 02 Jan 2000 00:00:00 GMT'],
    ['Max-Forwards', '1'],
    ['Max-Forwards', '2'],
    ['From', 'a@example.test'],
    ['From', 'b@example.test'],
  ]),
  withHeaders('an empty header', [
    ['X-Empty', ''],
    ['X-Blank', '   '],
    ['Accept', ''],
  ]),
  withHeaders('an empty header, repeated', [
    ['X-Empty', ''],
    ['X-Empty', 'a'],
    ['X-Empty', ''],
  ]),
  withHeaders('latin1 in a header', [['X-Latin', 'gr\xfc\xdfe \xe9']]),
  withHeaders('UTF-8 in a header', [['X-Utf', Buffer.from('世界').latin1Slice()]]),
  withHeaders('tabs and blanks in a header', [['X-Tab', 'a\tb  c']]),
  withHeaders('blanks round a header', [['X-Round', '   value \t ']]),
  withHeaders('a long header', [['X-Long', 'l'.repeat(12_000)]]),
  withHeaders('a header too long', [['X-Long', 'l'.repeat(20_000)]], {
    open: true,
    differs: ['page of a refusal'],
  }),
  withHeaders(
    'many headers',
    Array.from({ length: 150 }, (_, at) => [`X-Number-${at}`, `${at}`]),
  ),
  withHeaders(
    'names that every object has',
    [
      ['Constructor', '1'],
      ['ToString', '2'],
      ['HasOwnProperty', '3'],
      ['ValueOf', '4'],
    ],
    {
      // 20.19.0 takes what every object inherits for a header that was there before, and throws.
      since: [20, 20],
    },
  ),
  withHeaders('odd names', [
    ['X', '1'],
    ['1', '2'],
    ['X-', '3'],
    ['A-B-C-D', '4'],
    ['X!#$%&', '5'],
  ]),
  withHeaders('a name with an underscore', [['X_Under', '1']], {
    differs: ['underscore in a name'],
  }),
  withHeaders('a content type without a body', [['Content-Type', 'text/plain']]),
  withHeaders('the usual of a browser', [
    ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:102.0) Gecko/20100101 Firefox/102.0'],
    ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
    ['Accept-Language', 'en-US,en;q=0.5'],
    ['Accept-Encoding', 'gzip, deflate, br'],
    ['DNT', '1'],
    ['Upgrade-Insecure-Requests', '1'],
    ['Sec-Fetch-Dest', 'document'],
    ['If-None-Match', 'W/"abc"'],
    ['Range', 'bytes=0-9'],
  ]),
  withHeaders('X-Forwarded-For', [['X-Forwarded-For', '192.0.2.1']], {
    differs: ['forwarded for'],
  }),
  withHeaders(
    'headers of the connection',
    [
      ['TE', 'trailers'],
      ['Keep-Alive', 'timeout=5'],
    ],
    { differs: ['headers of the connection'] },
  ),
  withHeaders('Proxy', [['Proxy', 'http://evil.test']], { differs: ['Proxy header'] }),
  told('a body with a type', {
    method: 'POST',
    body: '{"a":1}',
    headers: [['Content-Type', 'application/json; charset=utf-8']],
  }),
  told(
    'a body of unknown length',
    { method: 'POST', framing: 'chunked' },
    {
      client: async (open) => {
        const answer = open({ method: 'POST', framing: 'chunked' })
        answer.send('one')
        answer.send('two')
        answer.sendEnd()
        await answer.ended()
        return answer
      },
    },
  ),
  {
    name: 'Expect: 100-continue',
    client: async (open, trace) => {
      const answer = open({
        method: 'POST',
        framing: 4,
        headers: [['Expect', '100-continue']],
      })
      await trace.logged('handler')
      answer.send('body')
      answer.sendEnd()
      await answer.ended()
      return answer
    },
    handler: (request, response, trace) => {
      trace.note('handler')
      echo(request, response, trace)
    },
    differs: ['interim responses'],
  },
  {
    name: 'Expect: 100-continue with a checkContinue listener',
    server: (server, trace) => {
      const listener: http.RequestListener = (request, response) => {
        trace.watch(request, response, false)
        trace.note('checkContinue')
        response.writeContinue()
        echo(request, response, trace)
      }
      server.on('checkContinue', listener)
      return () => server.off('checkContinue', listener)
    },
    client: async (open, trace) => {
      const answer = open({
        method: 'POST',
        framing: 4,
        headers: [['Expect', '100-continue']],
      })
      await trace.logged('checkContinue')
      answer.send('body')
      answer.sendEnd()
      await answer.ended()
      return answer
    },
    handler: (_request, _response, trace) => trace.note('request'),
    differs: ['interim responses'],
  },
  {
    name: 'Expect of something else',
    request: { headers: [['Expect', 'magic']] },
    open: true,
    handler: (_request, _response, trace) => trace.note('request'),
  },
  {
    name: 'Expect of something else with a checkExpectation listener',
    request: { headers: [['Expect', 'magic']] },
    server: (server, trace) => {
      const listener: http.RequestListener = (request, response) => {
        trace.watch(request, response, false)
        trace.note('checkExpectation')
        response.end('fine')
      }
      server.on('checkExpectation', listener)
      return () => server.off('checkExpectation', listener)
    },
    handler: (_request, _response, trace) => trace.note('request'),
  },
  {
    name: 'what req.socket says',
    handler: (request, response, trace) => {
      const { socket } = request
      trace.value('addresses', {
        remoteAddress: socket.remoteAddress,
        remoteFamily: socket.remoteFamily,
        remotePort: typeof socket.remotePort,
        localAddress: socket.localAddress,
        localFamily: (socket as { localFamily?: string }).localFamily,
        localPort: typeof socket.localPort,
        address: Object.keys(socket.address()).sort(),
      })
      trace.value('flags', {
        encrypted: (socket as { encrypted?: boolean }).encrypted,
        authorized: (socket as { authorized?: boolean }).authorized,
        destroyed: socket.destroyed,
        connecting: socket.connecting,
        pending: socket.pending,
        readable: socket.readable,
        writable: socket.writable,
        readyState: socket.readyState,
        writableEnded: socket.writableEnded,
        writableFinished: socket.writableFinished,
        writableLength: socket.writableLength,
        writableCorked: socket.writableCorked,
        writableNeedDrain: socket.writableNeedDrain,
        writableHighWaterMark: socket.writableHighWaterMark,
        readableHighWaterMark: socket.readableHighWaterMark,
        errored: (socket as { errored?: unknown }).errored,
        timeout: socket.timeout ?? 0,
        isPaused: socket.isPaused(),
        bytesRead: typeof socket.bytesRead,
        bytesWritten: socket.bytesWritten >= 0,
      })
      trace.value('same', {
        connection: request.connection === socket,
        response: response.socket === socket,
        responseConnection: response.connection === socket,
        request: (response as { req?: unknown }).req === request,
        server: (socket as unknown as { server: unknown }).server instanceof http.Server,
      })
      response.end()
    },
  },
  {
    name: 'what the socket does without complaint',
    handler: (request, response, trace) => {
      const { socket } = request
      for (const name of [
        'setNoDelay',
        'setKeepAlive',
        'ref',
        'unref',
        'cork',
        'uncork',
      ] as const) {
        attempt(trace, name, () => socket[name]())
      }
      attempt(trace, 'setTimeout', () => socket.setTimeout(0))
      attempt(trace, 'setMaxListeners', () => socket.setMaxListeners(50))
      attempt(trace, 'listenerCount', () => typeof socket.listenerCount('close'))
      attempt(trace, 'once', () => socket.once('x', () => {}))
      attempt(trace, 'off', () => socket.off('x', () => {}))
      response.end()
    },
  },
  {
    name: 'properties that are set on the socket',
    handler: (request, response, trace) => {
      const socket = request.socket as unknown as Record<string, unknown>
      for (const name of ['encrypted', 'authorized', 'own']) {
        attempt(trace, name, () => {
          socket[name] = 'set'
        })
        trace.value(name, socket[name])
      }
      for (const name of ['remoteAddress', 'localPort', 'readyState']) {
        try {
          socket[name] = 'set'
        } catch (error) {
          trace.note(`${name} ${(error as Error).name}`)
        }
      }
      Object.defineProperty(socket, 'remoteAddress', { value: '192.0.2.9' })
      trace.value('remoteAddress', socket['remoteAddress'])
      response.end()
    },
  },
  {
    name: 'what the objects are',
    handler: (request, response, trace) => {
      trace.value('request', {
        message: request instanceof http.IncomingMessage,
        readable: request instanceof Readable,
        name: request.constructor.name,
        prototype: Object.getPrototypeOf(request) === http.IncomingMessage.prototype,
        statusCode: request.statusCode,
        statusMessage: request.statusMessage,
        readableHighWaterMark: request.readableHighWaterMark,
        readableObjectMode: request.readableObjectMode,
        readableEncoding: request.readableEncoding,
        readableFlowing: request.readableFlowing,
        readableLength: request.readableLength,
        readable2: request.readable,
        signal: 'signal' in request,
      })
      trace.value('response', {
        response: response instanceof http.ServerResponse,
        outgoing: response instanceof http.OutgoingMessage,
        name: response.constructor.name,
        prototype: Object.getPrototypeOf(response) === http.ServerResponse.prototype,
        statusCode: response.statusCode,
        statusMessage: response.statusMessage,
        sendDate: response.sendDate,
        finished: response.finished,
        writable: response.writable,
        writableHighWaterMark: response.writableHighWaterMark,
        writableObjectMode: response.writableObjectMode,
        writableLength: response.writableLength,
        writableCorked: response.writableCorked,
        strictContentLength: response.strictContentLength,
        shouldKeepAlive: typeof response.shouldKeepAlive,
        useChunkedEncodingByDefault: response.useChunkedEncodingByDefault,
        headerNames: response.getHeaderNames(),
      })
      response.end()
    },
  },
  {
    name: 'headers are the same object each time and can be changed',
    request: { headers: [['X-A', '1']] },
    handler: (request, response, trace) => {
      trace.value('same', request.headers === request.headers)
      request.headers['x-b'] = '2'
      delete request.headers['x-a']
      trace.value('a', request.headers['x-a'])
      trace.value('b', request.headers['x-b'])
      trace.value('distinct', request.headersDistinct['x-a'])
      request.headers = { only: 'this' }
      trace.value('replaced', request.headers)
      trace.value('prototype', Object.getPrototypeOf(request.headers) === Object.prototype)
      response.end()
    },
  },
  {
    name: 'url and method can be changed',
    request: { target: '/a' },
    handler: (request, response, trace) => {
      request.url = '/b'
      request.method = 'HEAD'
      describeRequest(request, trace)
      response.end('body')
    },
  },
  {
    name: 'trailers of a request',
    client: async (open) => {
      const answer = open({ method: 'POST', framing: 'chunked' })
      answer.send('body')
      answer.sendEnd()
      await answer.ended()
      return answer
    },
    handler: (request, response, trace) => {
      request.resume()
      request.on('end', () => {
        trace.value('trailers', request.trailers)
        trace.value('rawTrailers', request.rawTrailers)
        trace.value('trailersDistinct', request.trailersDistinct)
        response.end()
      })
    },
  },
]
