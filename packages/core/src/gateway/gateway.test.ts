import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { http, openHttp } from '../../../../test/support/http-client.ts'
import {
  type RawRequest,
  type RawResponder,
  rawEnd,
  rawRecord,
  rawResponder,
  rawStdout,
} from '../../../../test/support/raw-responder.ts'
import { until } from '../../../../test/support/until.ts'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'

const OK = 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n'

interface Bench {
  app: RawResponder
  gateway: Gateway
  port: number
  lines: string[]
}

async function bench(
  onRequest: (request: RawRequest) => void,
  options: Partial<GatewayOptions> = {},
): Promise<Bench> {
  const app = await rawResponder(onRequest)
  const lines: string[] = []
  const gateway = await startGateway({
    connect: { socketPath: app.socketPath },
    port: 0,
    env: {},
    log: (line) => lines.push(line),
    ...options,
  })
  onTestFinished(() => gateway.close(0))
  return { app, gateway, port: gateway.port, lines }
}

const echo = (req: RawRequest): void => {
  void req.when('stdin-end').then(() => req.answer(OK + req.stdin.toString('latin1')))
}

describe('startGateway', () => {
  it('turns a request into variables and the answer into a response', async () => {
    const { app, port, gateway } = await bench((req) =>
      req.answer(
        'Content-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: close\r\n' +
          'Keep-Alive: x\r\nTransfer-Encoding: chunked\r\nStatus: 418 Teapot\r\n\r\nshort',
      ),
    )
    expect(gateway.url).toBe(`http://127.0.0.1:${port}/`)
    const response = await http({
      port,
      target: '/a//b/../c%20d?x=%2F',
      headers: [
        ['Host', `localhost:${port}`],
        ['X-A', '1'],
        ['X-A', '2'],
        ['Accept', 'caf\xe9'],
      ],
    })
    expect([response.status, response.reason, response.text]).toEqual([418, 'Teapot', 'short'])
    expect(response.cookies).toEqual(['a=1', 'b=2'])
    expect(response.headers['keep-alive']).toBeUndefined()
    const got = app.requests[0]!
    expect(got.keep).toBe(false)
    for (const [name, value] of Object.entries({
      REQUEST_METHOD: 'GET',
      REQUEST_URI: '/a//b/../c%20d?x=%2F',
      SCRIPT_NAME: '',
      PATH_INFO: '/a/c d',
      QUERY_STRING: 'x=%2F',
      SERVER_PROTOCOL: 'HTTP/1.1',
      SERVER_NAME: 'localhost',
      SERVER_PORT: String(port),
      SERVER_ADDR: '127.0.0.1',
      REMOTE_ADDR: '127.0.0.1',
      GATEWAY_INTERFACE: 'CGI/1.1',
      HTTP_HOST: `localhost:${port}`,
      HTTP_ACCEPT: 'caf\xe9',
      CONTENT_LENGTH: '',
    })) {
      expect([name, got.param(name)]).toEqual([name, value])
    }
    expect(got.params.filter(([name]) => name === 'HTTP_X_A').map(([, value]) => value)).toEqual([
      '1',
      '2',
    ])
  })

  it('tells mount and rest apart, and answers 404 elsewhere', async () => {
    const { app, port, gateway } = await bench((req) => req.answer(OK), { mount: '/app' })
    expect(gateway.url).toBe(`http://127.0.0.1:${port}/app/`)
    for (const target of ['/app', '/app/', '/app/x?y', '/app%2fx']) await http({ port, target })
    const seen = app.requests.map((req) => [req.param('SCRIPT_NAME'), req.param('PATH_INFO')])
    expect(seen).toEqual([
      ['/app', ''],
      ['/app', '/'],
      ['/app', '/x'],
      ['/app', '/x'],
    ])
    expect((await http({ port, target: '/application' })).status).toBe(404)
    expect((await http({ port, target: '/' })).text).toContain('/app/')
    expect(app.requests.length).toBe(4)
  })

  it('passes a body with its length, and one in chunks as it comes', async () => {
    const { app, port } = await bench(echo)
    const sized = await http({ port, method: 'POST', body: 'hello' })
    expect(sized.text).toBe('hello')
    expect(app.requests[0]!.param('CONTENT_LENGTH')).toBe('5')
    let started!: () => void
    const go = new Promise<void>((resolve) => {
      started = resolve
    })
    const chunked = http({
      port,
      method: 'POST',
      body: (async function* () {
        yield 'first '
        await go
        yield 'second'
      })(),
    })
    await until(() => app.requests[1]?.stdin.toString() === 'first ', 'the first piece')
    started()
    expect((await chunked).text).toBe('first second')
    expect(app.requests[1]!.param('CONTENT_LENGTH')).toBe('')
    expect(app.requests[1]!.param('HTTP_TRANSFER_ENCODING')).toBe('chunked')
  })

  it('answers Expect: 100-continue by itself', async () => {
    const { port } = await bench(echo)
    const client = connect(port, '127.0.0.1')
    let text = ''
    client.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    client.write(
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    )
    await until(() => text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'), 'the go-ahead')
    client.write('hello')
    await until(() => text.endsWith('\r\n\r\n5\r\nhello\r\n0\r\n\r\n'), 'the echo')
    client.destroy()
  })

  it('streams both ways without gathering', async () => {
    const body = Buffer.alloc(3_000_000, 'abcdefg')
    const { port } = await bench((req) => {
      req.write(rawStdout(req.id, OK))
      void req.when('stdin-end').then(() => {
        req.write(Buffer.concat([rawStdout(req.id, req.stdin), rawEnd(req.id)]))
      })
    })
    const response = await http({ port, method: 'POST', body })
    expect(response.complete).toBe(true)
    expect(response.body.equals(body)).toBe(true)
  })

  it('sends the head of an event stream before its first event', async () => {
    const held: RawRequest[] = []
    const { port } = await bench((req) => {
      held.push(req)
      req.write(rawStdout(req.id, 'Content-Type: text/event-stream\r\n\r\n'))
    })
    const stream = await openHttp({ port })
    expect(stream.headers['content-type']).toBe('text/event-stream')
    held[0]!.write(rawStdout(1, 'data: 1\n\n'))
    for await (const chunk of stream.chunks()) {
      expect(chunk.toString()).toBe('data: 1\n\n')
      break
    }
    stream.destroy()
    await held[0]!.when('abort')
  })

  it('aborts the request when the client goes away before the head', async () => {
    const { app, port, lines } = await bench(() => {})
    const client = connect(port, '127.0.0.1')
    client.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => app.requests.length === 1, 'the request')
    client.destroy()
    await app.requests[0]!.when('abort')
    await until(() => lines.length === 1, 'the line')
    expect(lines[0]).toMatch(/^GET \/slow - 0 B .*the client went away$/)
  })

  it('aborts the request when the client goes away within its upload', async () => {
    const { app, port, lines } = await bench(() => {})
    const upload = connect(port, '127.0.0.1')
    await once(upload, 'connect')
    upload.write('POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\npart')
    await until(() => app.requests[0]?.stdin.length === 4, 'the part')
    upload.destroy()
    await app.requests[0]!.when('abort')
    await until(() => lines.length === 1, 'the line')
    expect(lines[0]).toMatch(/^POST \/up - 0 B .*the client went away$/)
  })

  it.each([
    ['HEAD', `Content-Length: 5\r\n${OK}`, 200, '5'],
    ['GET', 'Status: 304 Not Modified\r\nETag: "a"\r\n\r\n', 304, undefined],
    ['GET', 'Status: 204 No Content\r\nContent-Length: 0\r\n\r\n', 204, undefined],
  ])('%s: no body for %j', async (method, output, status, length) => {
    const { port } = await bench((req) => req.answer(`${output}stray`))
    const response = await http({ port, method })
    expect([response.status, response.text, response.complete]).toEqual([status, '', true])
    expect(response.headers['content-length']).toBe(length)
  })

  it('makes a redirect of a Location without Status', async () => {
    const { port } = await bench((req) => req.answer('Location: /there\r\n\r\n'))
    const response = await http({ port })
    expect([response.status, response.headers['location']]).toEqual([302, '/there'])
  })

  it('never lets a cut response look complete', async () => {
    const { port, lines } = await bench((req) => {
      const length = req.param('QUERY_STRING') === 'length' ? 'Content-Length: 100\r\n' : ''
      req.write(rawStdout(req.id, `${length}${OK}part`))
      if (req.param('QUERY_STRING') === 'end') req.write(rawRecord(6, req.id))
      req.socket.end()
    })
    for (const target of ['/', '/?end', '/?length']) {
      const response = await http({ port, target })
      expect([target, response.text, response.complete]).toEqual([target, 'part', false])
    }
    expect(lines.every((line) => line.includes('in the middle of its response'))).toBe(true)
  })

  it('keeps the connection usable when the application answers before the upload', async () => {
    const { port } = await bench((req) => req.answer(`${OK}early`))
    const client = connect(port, '127.0.0.1')
    let text = ''
    client.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    client.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n')
    await until(() => text.includes('early'), 'the early answer')
    client.write(Buffer.alloc(2_000_000))
    client.write('GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => text.split('early').length === 3, 'the next answer')
    client.destroy()
  })

  it('reads an upload away that the application has stopped to take', async () => {
    const { port } = await bench((req) => {
      req.socket.pause()
      // Long enough for every buffer on the way to fill up.
      setTimeout(() => {
        req.write(Buffer.concat([rawStdout(req.id, `${OK}enough`), rawEnd(req.id)]))
        req.socket.resume()
      }, 200)
    })
    const client = connect(port, '127.0.0.1')
    let text = ''
    client.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    const length = 20_000_000
    client.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`)
    await new Promise<void>((resolve) => client.write(Buffer.alloc(length), () => resolve()))
    await until(() => text.includes('enough'), 'the answer')
    client.destroy()
  })
})

describe('the gateway explains', () => {
  it.each([
    [502, 'FCGI_CLOSED', (req: RawRequest) => void req.socket.end()],
    [502, 'FCGI_EMPTY_RESPONSE', (req: RawRequest) => req.answer('')],
    [502, 'FCGI_BAD_RESPONSE', (req: RawRequest) => req.answer('console output <b>\n\n')],
    [502, 'FCGI_PROTOCOL', (req: RawRequest) => void req.socket.end('HTTP/1.1 200 OK\r\n\r\n')],
    [503, 'FCGI_OVERLOADED', (req: RawRequest) => req.write(rawEnd(req.id, 0, 2))],
    [504, 'FCGI_TIMEOUT', () => {}],
  ])('%i %s', async (status, code, onRequest) => {
    const { port, lines } = await bench(onRequest, status === 504 ? { timeout: 100 } : {})
    const response = await http({ port })
    expect(response.status).toBe(status)
    expect(response.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(response.text).toContain(code)
    expect(response.text).not.toContain('<b>')
    await until(() => lines.length === 1, 'the line')
    expect(lines[0]).toContain(`GET / ${status}`)
    expect(lines[0]).toContain(code)
  })

  it('that nobody listens, with the path', async () => {
    const { port } = await bench(() => {}, { connect: { socketPath: '/nowhere/app.sock' } })
    const response = await http({ port })
    expect(response.status).toBe(502)
    expect(response.text).toContain('/nowhere/app.sock')
    expect((await http({ port, method: 'HEAD' })).text).toBe('')
  })

  it('with the error stream, escaped, in page and log', async () => {
    const { port, lines } = await bench((req) => {
      req.write(rawRecord(7, req.id, 'Error: <x>\n\u001b[31mat y\n'))
      req.answer('')
    })
    expect((await http({ port })).text).toContain('Error: &#60;x&#62;')
    expect(lines.slice(0, 2)).toEqual(['[stderr] Error: <x>', '[stderr] \\x1b[31mat y'])
  })
})

describe('the gateway is guarded', () => {
  it.each([
    ['evil.example', 421],
    ['localhost.evil.example', 421],
    ['127.0.0.1.nip.io:80', 421],
    ['localhost', 200],
    ['LOCALHOST:8080', 200],
    ['127.0.0.1:1', 200],
    ['[::1]:8080', 200],
  ])('Host %s gets %i', async (host, status) => {
    const { app, port } = await bench((req) => req.answer(OK))
    const response = await http({ port, headers: { Host: host } })
    expect(response.status).toBe(status)
    expect(app.requests.length).toBe(status === 200 ? 1 : 0)
  })

  it('against a foreign authority in the target, and against asking before it is known', async () => {
    const { app, port } = await bench((req) => req.answer(OK))
    const headers = { Host: 'localhost' }
    const absolute = await http({ port, target: 'http://evil.example/', headers })
    expect(absolute.status).toBe(421)
    const own = await http({ port, target: 'http://localhost/x', headers })
    expect(own.status).toBe(200)
    expect(app.requests[0]!.param('REQUEST_URI')).toBe('/x')
    expect(
      (await http({ port, version: 'HTTP/1.0', headers: [['Connection', 'close']] })).status,
    ).toBe(200)
  })

  it('and listens on 127.0.0.1 alone', async () => {
    const { gateway } = await bench(() => {})
    expect(gateway.server.address()).toMatchObject({ address: '127.0.0.1' })
  })

  it('refuses NODE_ENV=production unless asked', async () => {
    const env = { NODE_ENV: 'production', PORT: '0' }
    const connect = { port: 1 }
    await expect(startGateway({ connect, env })).rejects.toMatchObject({
      code: 'FCGI_GATEWAY_PRODUCTION',
    })
    const gateway = await startGateway({ connect, env, allowProduction: true })
    await gateway.close()
  })

  it('says which port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    const started = startGateway({ connect: { port: 1 }, env: { PORT: String(port) } })
    await expect(started).rejects.toMatchObject({
      code: 'FCGI_GATEWAY_PORT',
      message: expect.stringContaining(`Port ${port}`) as string,
      cause: { code: 'EADDRINUSE' },
    })
    other.close()
  })

  it.each([
    [{ as: 'iis' as 'nginx' }],
    [{ mount: 'app' }],
    [{ port: -1 }],
    [{ port: 70_000 }],
    [{ env: { PORT: 'http' } }],
    [{ connect: {} }],
    [{ timeout: 1.5 }],
  ])('refuses %j', async (options) => {
    await expect(startGateway({ connect: { port: 1 }, env: {}, ...options })).rejects.toThrow(
      /must|exactly|mount/,
    )
  })
})

describe('close', () => {
  it('lets a running request finish', async () => {
    const held: RawRequest[] = []
    const { gateway, port } = await bench((req) => void held.push(req))
    const response = http({ port })
    await until(() => held.length === 1, 'the request')
    const closed = gateway.close(30_000)
    held[0]!.answer(`${OK}done`)
    expect((await response).text).toBe('done')
    await closed
  })

  it('cuts what does not end', async () => {
    const { gateway, port, app } = await bench((req) => req.write(rawStdout(req.id, `${OK}part`)))
    const stream = await openHttp({ port })
    await gateway.close(20)
    let text = ''
    for await (const chunk of stream.chunks()) text += chunk.toString()
    expect([text, stream.complete]).toEqual(['part', false])
    await app.requests[0]!.when('closed')
  })
})
