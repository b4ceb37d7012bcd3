import { once } from 'node:events'
import { createServer } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import {
  rawEnd,
  rawRecord,
  rawResponder,
  rawStdout,
} from '../../../../test/support/raw-responder.ts'
import type { ClientError } from './errors.ts'
import { request } from './request.ts'

const OK = 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n'

async function failure(promise: Promise<unknown>): Promise<ClientError> {
  try {
    await promise
  } catch (error) {
    return error as ClientError
  }
  throw new Error('it did not fail')
}

describe('request', () => {
  it('sends the variables of a request and gives the response', async () => {
    const app = await rawResponder((req) =>
      req.answer(
        'Content-Type: application/json\r\nX-A: 1\r\nStatus: 201 Made\r\n\r\n{"a":"ü"}',
        7,
      ),
    )
    const response = await request({
      socketPath: app.socketPath,
      path: '/app/a%20b/c?x=1&y',
      mount: '/app',
      headers: {
        Host: 'example.org:8443',
        'X-Id': ['1', '2'],
        cookie: ['a=1', 'b=2'],
        n: 3,
        gone: undefined,
      },
      params: { REMOTE_USER: 'ann', REMOTE_PORT: undefined },
    })
    expect(response.status).toBe(201)
    expect(response.statusText).toBe('Made')
    expect(response.ok).toBe(true)
    expect(response.headers['x-a']).toBe('1')
    expect(await response.bytes()).toEqual(Buffer.from('{"a":"ü"}', 'latin1'))
    expect([response.appStatus, response.protocolStatus]).toEqual([7, 0])
    const got = app.requests[0]!
    expect([got.role, got.keep, got.id]).toEqual([1, false, 1])
    expect(Object.fromEntries(got.params)).toEqual({
      GATEWAY_INTERFACE: 'CGI/1.1',
      SERVER_SOFTWARE: 'fastcgi-client',
      SERVER_PROTOCOL: 'HTTP/1.1',
      REQUEST_METHOD: 'GET',
      REQUEST_URI: '/app/a%20b/c?x=1&y',
      SCRIPT_NAME: '/app',
      PATH_INFO: '/a b/c',
      QUERY_STRING: 'x=1&y',
      REQUEST_SCHEME: 'http',
      SERVER_NAME: 'example.org',
      SERVER_PORT: '8443',
      SERVER_ADDR: '127.0.0.1',
      REMOTE_ADDR: '127.0.0.1',
      HTTP_HOST: 'example.org:8443',
      HTTP_X_ID: '1, 2',
      HTTP_COOKIE: 'a=1; b=2',
      HTTP_N: '3',
      REMOTE_USER: 'ann',
    })
    await got.when('stdin-end')
    expect(got.stdin.length).toBe(0)
  })

  it('sends pairs exactly as they are given', async () => {
    const app = await rawResponder((req) => req.answer(OK))
    const params = [
      ['B', '2'],
      ['A', ''],
      ['B', 'ü'],
      ['LONG', 'x'.repeat(70_000)],
    ] as const
    await (await request({ socketPath: app.socketPath, params })).discard()
    expect(app.requests[0]!.params).toEqual(params)
  })

  it.each([
    ['a string', 'grüße'],
    ['bytes', new Uint8Array(Buffer.from('grüße'))],
    ['a stream', Readable.from([Buffer.from('grü'), Buffer.from('ße')])],
    [
      'an async iterable',
      (async function* () {
        yield 'grü'
        yield new Uint8Array(Buffer.from('ße'))
      })(),
    ],
    ['a web stream', new Blob(['grüße']).stream()],
  ])('sends a body that is %s', async (kind, body) => {
    const app = await rawResponder((req) => {
      void req.when('stdin-end').then(() => req.answer(OK + req.stdin.toString('latin1')))
    })
    const response = await request({ socketPath: app.socketPath, body })
    expect(await response.text()).toBe('grüße')
    const sized = kind === 'a string' || kind === 'bytes'
    expect(app.requests[0]!.param('CONTENT_LENGTH')).toBe(sized ? '7' : undefined)
    expect(app.requests[0]!.param('REQUEST_METHOD')).toBe('POST')
  })

  it('sends a large body in records that end on eight bytes, and gives a large response', async () => {
    const body = Buffer.alloc(1_000_003, 'abcdefgh')
    const app = await rawResponder((req) => {
      void req.when('stdin-end').then(() => req.answer(Buffer.concat([Buffer.from(OK), req.stdin])))
    })
    const response = await request({ socketPath: app.socketPath, body })
    expect((await response.bytes()).equals(body)).toBe(true)
    for (const record of app.records) expect((record.content.length + record.padding) % 8).toBe(0)
  })

  it('stops reading while the body is not read, and goes on', async () => {
    let written = 0
    const app = await rawResponder((req) => {
      req.write(rawStdout(req.id, OK))
      const chunk = rawRecord(6, req.id, Buffer.alloc(65_528))
      const more = (): void => {
        while (written < 300) {
          written++
          if (!req.socket.write(chunk)) {
            req.socket.once('drain', more)
            return
          }
        }
        req.write(rawEnd(req.id))
      }
      more()
    })
    const response = await request({ socketPath: app.socketPath, timeout: 5_000 })
    // Written means taken by the kernel or by us; 20 MB fit into neither unless we buffer them.
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(written).toBeLessThan(150)
    expect((await response.bytes()).length).toBe(300 * 65_528)
  })

  it('stops reading its body while the application does not take it', async () => {
    let read = 0
    const source = new Readable({
      read() {
        if (read < 300) {
          read++
          this.push(Buffer.alloc(65_528))
        } else this.push(null)
      },
    })
    const app = await rawResponder((req) => {
      req.socket.pause()
      setTimeout(() => {
        const stalled = read
        req.socket.resume()
        void req.when('stdin-end').then(() => req.answer(`${OK}${stalled} ${req.stdin.length}`))
      }, 200)
    })
    const response = await request({ socketPath: app.socketPath, body: source })
    const [stalled, received] = (await response.text()).split(' ').map(Number)
    expect(stalled).toBeLessThan(150)
    expect(received).toBe(300 * 65_528)
  })

  it('takes an answer before the body is sent, and destroys the body it no longer needs', async () => {
    const source = new Readable({ read() {} })
    source.push('first')
    const app = await rawResponder((req) => req.answer(OK + 'early'))
    const response = await request({ socketPath: app.socketPath, body: source })
    expect(await response.text()).toBe('early')
    expect(source.destroyed).toBe(true)
  })

  it('leaves such a body alone when told to', async () => {
    const source = new Readable({ read() {} })
    const app = await rawResponder((req) => req.answer(OK + 'early'))
    const response = await request({ socketPath: app.socketPath, body: source, destroyBody: false })
    expect(await response.text()).toBe('early')
    expect(source.destroyed).toBe(false)
  })

  it('aborts when the body stream fails', async () => {
    const source = new Readable({ read() {} })
    const app = await rawResponder(() => source.destroy(new Error('disk')))
    const error = await failure(request({ socketPath: app.socketPath, body: source }))
    expect([error.code, (error.cause as Error).message]).toEqual(['FCGI_REQUEST_BODY', 'disk'])
    await app.requests[0]!.when('abort')
  })

  it('collects STDERR, and hands it on as it comes', async () => {
    const heard: string[] = []
    const app = await rawResponder((req) => {
      const text = Buffer.from('warn ü')
      req.write(rawRecord(7, req.id, text.subarray(0, 6)))
      req.write(rawStdout(req.id, OK + 'x'))
      req.write(rawRecord(7, req.id, text.subarray(6)))
      req.write(rawRecord(7, req.id))
      req.answer('')
    })
    const response = await request({
      socketPath: app.socketPath,
      onStderr: (text) => heard.push(text),
    })
    expect(await response.text()).toBe('x')
    expect(response.stderr).toBe('warn ü')
    expect(heard.join('')).toBe('warn ü')
  })

  it.each([
    ['HEAD', `${OK}body`, ''],
    ['GET', 'Status: 204\r\nX: y\r\n\r\nbody', ''],
    ['GET', 'Status: 304\r\nContent-Length: 9\r\n\r\n', ''],
    ['GET', 'Status: 200\r\nContent-Length: 3\r\n\r\nbody', 'bod'],
    ['GET', 'Status: 200\r\nContent-Length: 0\r\n\r\nbody', ''],
  ])('%s with %j has the body %j', async (method, output, expected) => {
    const app = await rawResponder((req) => req.answer(output))
    const response = await request({ socketPath: app.socketPath, method })
    expect(await response.text()).toBe(expected)
  })

  it('asks as Authorizer without STDIN, and as Filter with DATA', async () => {
    const app = await rawResponder((req) => {
      if (req.role === 2) return req.answer('Status: 200\r\nVariable-USER_id: 7\r\n\r\n')
      void req.when('data-end').then(() => req.answer(`${OK}${req.stdin}|${req.data}`))
    })
    const allowed = await request({ socketPath: app.socketPath, role: 'authorizer' })
    await allowed.discard()
    expect(allowed.rawHeaders).toEqual(['Variable-USER_id', '7'])
    expect(app.records.some((record) => record.type === 5)).toBe(false)
    expect(app.requests[0]!.param('PATH_INFO')).toBeUndefined()
    const filtered = await request({
      socketPath: app.socketPath,
      role: 'filter',
      body: 'in',
      data: Readable.from([Buffer.from('fi'), Buffer.from('le')]),
    })
    expect(await filtered.text()).toBe('in|file')
  })

  it('shows the bytes that go and come', async () => {
    const seen: Record<string, Buffer[]> = { sent: [], received: [] }
    const app = await rawResponder((req) => req.answer(OK))
    const response = await request({
      socketPath: app.socketPath,
      trace: (direction, bytes) => seen[direction]!.push(Buffer.from(bytes)),
    })
    await response.discard()
    expect(Buffer.concat(seen['sent']!).subarray(0, 4).toString('hex')).toBe('01010001')
    expect(Buffer.concat(seen['received']!).subarray(0, 4).toString('hex')).toBe('01060001')
  })

  it('parses JSON, and says so when it is none', async () => {
    const app = await rawResponder((req) =>
      req.answer(OK + (req.param('QUERY_STRING') === 'bad' ? '{' : '{"a":1}')),
    )
    const { socketPath } = app
    expect(await (await request({ socketPath })).json()).toEqual({ a: 1 })
    const bad = await request({ socketPath, path: '/?bad' })
    expect((await failure(bad.json())).code).toBe('FCGI_BAD_RESPONSE')
  })

  it('reaches an application over TCP, and through a stream of the caller', async () => {
    const app = await rawResponder((req) => req.answer(OK + 'x'))
    const { connect } = await import('node:net')
    const relay = createServer((socket) => {
      const to = connect(app.socketPath)
      socket.pipe(to).pipe(socket)
      socket.on('error', () => to.destroy())
      to.on('error', () => socket.destroy())
    }).listen(0, '127.0.0.1')
    await once(relay, 'listening')
    const { port } = relay.address() as { port: number }
    expect(await (await request({ port })).text()).toBe('x')
    expect(await (await request({ connect: () => connect(app.socketPath) })).text()).toBe('x')
    expect(await (await request({ connect: async () => connect(app.socketPath) })).text()).toBe('x')
    relay.close()
  })
})

describe('request fails', () => {
  const partial = rawStdout(1, 'Status: 200\r\nX: y\r\n\r\npart')
  const withLength = rawStdout(1, 'Status: 200\r\nContent-Length: 10\r\n\r\npart')
  it.each([
    ['FCGI_CLOSED', 'closed without a byte', '', true],
    ['FCGI_CLOSED', 'closed in the head', rawStdout(1, 'Status: 2'), false],
    ['FCGI_CUT', 'closed in the body', partial, false],
    [
      'FCGI_CUT',
      'closed after the end of STDOUT',
      Buffer.concat([partial, rawRecord(6, 1)]),
      false,
    ],
    ['FCGI_CUT', 'ended before Content-Length', Buffer.concat([withLength, rawEnd(1)]), false],
    ['FCGI_EMPTY_RESPONSE', 'ended without output', rawEnd(1), false],
    ['FCGI_OVERLOADED', 'OVERLOADED', rawEnd(1, 0, 2), false],
    ['FCGI_CANT_MPX_CONN', 'CANT_MPX_CONN', rawEnd(1, 0, 1), false],
    ['FCGI_UNKNOWN_ROLE', 'UNKNOWN_ROLE', rawEnd(1, 0, 3), false],
    [
      'FCGI_BAD_RESPONSE',
      'no CGI head',
      Buffer.concat([rawStdout(1, 'hello\n\n'), rawEnd(1)]),
      false,
    ],
    [
      'FCGI_BAD_RESPONSE',
      'a head without end',
      Buffer.concat([rawStdout(1, 'A: b'), rawEnd(1)]),
      false,
    ],
    ['FCGI_PROTOCOL', 'no FastCGI', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), false],
  ])('with %s when it is %s', async (code, _, bytes, unanswered) => {
    const app = await rawResponder((req) => {
      req.write(rawRecord(7, req.id, ''))
      req.write(Buffer.from(bytes))
      req.socket.end()
    })
    const error = await failure(
      request({ socketPath: app.socketPath }).then((response) => response.bytes()),
    )
    expect([error.name, error.code, error.unanswered]).toEqual(['ClientError', code, unanswered])
  })

  it('with what stood on STDERR', async () => {
    const app = await rawResponder((req) => {
      req.write(rawRecord(7, 1, 'Primary script unknown'))
      req.answer('')
    })
    const error = await failure(request({ socketPath: app.socketPath }))
    expect([error.code, error.stderr]).toEqual(['FCGI_EMPTY_RESPONSE', 'Primary script unknown'])
  })

  it('when nobody listens', async () => {
    const error = await failure(request({ socketPath: '/nowhere/app.sock' }))
    expect([error.code, (error.cause as { code: string }).code]).toEqual(['FCGI_CONNECT', 'ENOENT'])
    expect(error.message).toContain('/nowhere/app.sock')
    const thrown = await failure(
      request({
        connect: () => {
          throw new Error('no way')
        },
      }),
    )
    expect([thrown.code, (thrown.cause as Error).message]).toEqual(['FCGI_CONNECT', 'no way'])
  })

  it('when the application is silent before the head, or within the body', async () => {
    const app = await rawResponder((req) => {
      if (req.param('QUERY_STRING') === 'body') req.write(rawStdout(1, `${OK}part`))
    })
    const { socketPath } = app
    expect((await failure(request({ socketPath, timeout: 50 }))).code).toBe('FCGI_TIMEOUT')
    const response = await request({ socketPath, path: '/?body', timeout: 1_000 })
    expect((await failure(response.bytes())).code).toBe('FCGI_TIMEOUT')
    await app.requests[0]!.when('abort')
    await app.requests[1]!.when('abort')
  })

  it('but not for the silence of a body that is slow, or of its own reader', async () => {
    const app = await rawResponder((req) => {
      void req.when('stdin-end').then(() => req.answer(OK + 'x'.repeat(3_000_000)))
    })
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 3_000))
    const body = (async function* () {
      yield 'one'
      await pause()
      yield 'two'
    })()
    const { socketPath } = app
    const [slow, unread] = await Promise.all([
      request({ socketPath, body, timeout: 1_500 }),
      request({ socketPath, timeout: 1_500 }).then(async (response) => {
        await pause()
        return response
      }),
    ])
    expect((await slow.text()).length).toBe(3_000_000)
    expect((await unread.text()).length).toBe(3_000_000)
  })

  it('with the reason of the signal, before, during and after the head; the application hears of it', async () => {
    const app = await rawResponder((req) => {
      if (req.param('QUERY_STRING') === 'body') req.write(rawStdout(1, `${OK}part`))
      else stop.abort(new Error('enough'))
    })
    const { socketPath } = app
    const stop = new AbortController()
    expect((await failure(request({ socketPath, signal: stop.signal }))).message).toBe('enough')
    await app.requests[0]!.when('abort')
    expect((await failure(request({ socketPath, signal: stop.signal }))).message).toBe('enough')
    expect(app.requests.length).toBe(1)
    const late = new AbortController()
    const response = await request({ socketPath, path: '/?body', signal: late.signal })
    late.abort(new Error('late'))
    expect((await failure(response.bytes())).message).toBe('late')
    await app.requests[1]!.when('abort')
    await app.requests[1]!.when('closed')
  })

  it('and the request is aborted when its body is destroyed', async () => {
    const app = await rawResponder((req) => req.write(rawStdout(1, `${OK}part`)))
    const response = await request({ socketPath: app.socketPath })
    response.body.destroy()
    await app.requests[0]!.when('abort')
  })

  it.each([
    [{}],
    [{ socketPath: '/a', port: 1 }],
    [{ port: 70_000 }],
    [{ socketPath: '/a', host: 'x' }],
    [{ socketPath: '/a', path: 'x' }],
    [{ socketPath: '/a', path: '/a b' }],
    [{ socketPath: '/a', path: '/b', mount: '/app' }],
    [{ socketPath: '/a', mount: 'app' }],
    [{ socketPath: '/a', method: 'G T' }],
    [{ socketPath: '/a', headers: { 'a b': '1' } }],
    [{ socketPath: '/a', headers: { a: '1\r\nB: 2' } }],
    [{ socketPath: '/a', timeout: -1 }],
    [{ socketPath: '/a', role: -1 }],
    [{ socketPath: '/a', body: 7 as unknown as string }],
  ])('for misuse %j', async (options) => {
    const error = await failure(request(options))
    expect(['TypeError', 'RangeError']).toContain(error.name)
  })
})
