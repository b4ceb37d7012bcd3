/** Listeners of every origin: Connect, Polka, Hono's node server, an http.Server with listeners of its own. */
import http from 'node:http'
import type { Socket } from 'node:net'

import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { FastcgiSide } from '../differential/fastcgi-side.ts'
import { HttpSide } from '../differential/http-side.ts'
import { filler } from '../differential/scenarios/common.ts'
import { compare } from './compare.ts'
import { converse, type Step } from './conversation.ts'
import { makeFiles, type Files } from './files.ts'
import { load, type Anything } from './load.ts'

let files: Files

beforeAll(() => {
  files = makeFiles()
})

afterAll(() => files.remove())

const json = [['Content-Type', 'application/json']] as const
const gzip = [['Accept-Encoding', 'gzip']] as const

const steps: readonly Step[] = [
  { path: '/told?a=1', status: 200 },
  { path: '/told', method: 'HEAD', status: 200 },
  { path: '/json', method: 'POST', headers: json, body: '{"a":[1,"ü"]}', status: 200, has: '"a"' },
  { path: '/length', method: 'POST', body: filler(300_000), status: 200, has: '300000' },
  { path: '/stream', status: 200, has: 'one two three' },
  { path: '/redirect', status: 302 },
  { path: '/broken', status: 500 },
  { path: '/none', status: 404 },
]

const staticSteps: readonly Step[] = [
  { path: '/static/hello.txt', status: 200, has: 'hello, world' },
  { path: '/static/large.txt', headers: gzip, status: 200, has: 'line 19999' },
  { path: '/static/large.txt', headers: [['Range', 'bytes=5-14']], status: 206 },
]

/** The same routes for whatever takes paths and handlers. */
function handlers(): Record<string, (request: Anything, response: Anything) => void> {
  const read = (request: Anything, done: (body: Buffer) => void): void => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => done(Buffer.concat(parts)))
  }
  return {
    '/told': (request, response) => {
      const { method, url, originalUrl } = request
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ method, url, originalUrl: originalUrl ?? url }))
    },
    '/json': (request, response) =>
      read(request, (body) => response.end(JSON.stringify(JSON.parse(String(body))))),
    '/length': (request, response) => read(request, (body) => response.end(String(body.length))),
    '/stream': (_request, response) => {
      response.write('one ')
      response.write('two ')
      setImmediate(() => response.end('three'))
    },
    '/redirect': (_request, response) => {
      response.writeHead(302, { Location: '/told' })
      response.end()
    },
  }
}

function connect(): http.RequestListener {
  const app = load('connect')()
  app.use(load('compression')({ threshold: 100 }))
  app.use('/static', load('serve-static')(files.folder))
  for (const [path, handler] of Object.entries(handlers())) app.use(path, handler)
  app.use('/broken', () => {
    throw new Error('broken')
  })
  return app
}

function polka(): http.RequestListener {
  const app = load('polka')({
    onError: (_error: Error, _request: Anything, response: Anything) => {
      response.statusCode = 500
      response.end('broken')
    },
    onNoMatch: (_request: Anything, response: Anything) => {
      response.statusCode = 404
      response.end('none')
    },
  })
  app.use(load('compression')({ threshold: 100 }))
  app.use('static', load('serve-static')(files.folder))
  for (const [path, handler] of Object.entries(handlers())) {
    app.get(path, handler)
    app.head(path, handler)
    app.post(path, handler)
  }
  app.get('/broken', (_request: Anything, _response: Anything, next: Anything) =>
    next(new Error('broken')),
  )
  return app.handler.bind(app)
}

function hono(): http.RequestListener {
  const app = new Hono()
  app.get('/told', (context) => {
    return context.json({ method: context.req.method, path: context.req.path })
  })
  app.post('/json', async (context) => context.text(JSON.stringify(await context.req.json())))
  app.post('/length', async (context) =>
    context.text(String((await context.req.arrayBuffer()).byteLength)),
  )
  app.get('/stream', (context) =>
    stream(context, async (out) => {
      for (const part of ['one ', 'two ', 'three']) {
        await out.write(part)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }),
  )
  app.get('/redirect', (context) => context.redirect('/told'))
  app.get('/broken', () => {
    throw new Error('broken')
  })
  app.onError((_error, context) => context.text('broken', 500))
  return getRequestListener(app.fetch) as http.RequestListener
}

it.each([
  ['Connect', connect, [...steps, ...staticSteps]],
  ['Polka', polka, [...steps, ...staticSteps]],
  ["Hono's node server", hono, steps],
] as const)('%s answers as on node:http', async (_name, make, asked) => {
  const onHttp = await HttpSide.start(make(), { kept: true })
  const overFastcgi = await FastcgiSide.start(make(), { kept: true })
  try {
    compare(asked, await converse(onHttp, asked, ''), await converse(overFastcgi, asked, ''))
  } finally {
    await onHttp.close()
    await overFastcgi.close()
  }
})

it('the options of an http.Server hold', async () => {
  const codes: string[] = []
  const make = (): http.Server =>
    http.createServer({ maxHeaderSize: 2000, rejectNonStandardBodyWrites: true }, (_, response) => {
      try {
        response.end('body')
      } catch (error) {
        codes.push(String((error as { code?: string }).code))
        response.end()
      }
    })
  const asked: readonly Step[] = [
    { path: '/', status: 200 },
    { path: '/', method: 'HEAD', status: 200 },
    { path: `/${'x'.repeat(1000)}`, status: 200 },
  ]
  const server = make()
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const onHttp = new HttpSide(server, true)
  const overFastcgi = await FastcgiSide.start(() => {}, { kept: true, emitter: make() })
  try {
    compare(asked, await converse(onHttp, asked, ''), await converse(overFastcgi, asked, ''))
    for (const side of [onHttp, overFastcgi]) {
      const answer = side.open({ target: `/${'x'.repeat(3000)}` })
      await answer.ended()
      expect(answer.status).toBe(431)
    }
    expect(codes).toEqual(['ERR_HTTP_BODY_NOT_ALLOWED', 'ERR_HTTP_BODY_NOT_ALLOWED'])
  } finally {
    await onHttp.close()
    await overFastcgi.close()
  }
})

it('joinDuplicateHeaders joins what else only the first of would count', async () => {
  const repeated = [
    ['User-Agent', 'one'],
    ['User-Agent', 'two'],
    ['Authorization', 'Basic YQ=='],
    ['Authorization', 'Basic Yg=='],
    ['Referer', '/a'],
    ['Referer', '/b'],
    ['Cookie', 'a=1'],
    ['Cookie', 'b=2'],
  ] as const
  const tell: http.RequestListener = ({ headers }, response) => {
    const { referer, cookie, authorization } = headers
    response.end(JSON.stringify([headers['user-agent'], authorization, referer, cookie]))
  }
  const asked = (has: string): readonly Step[] => [
    { path: '/', headers: repeated, status: 200, has },
  ]
  for (const [joinDuplicateHeaders, has] of [
    [true, '["one, two","Basic YQ==, Basic Yg==","/a, /b","a=1; b=2"]'],
    [false, '["one","Basic YQ==","/a","a=1; b=2"]'],
  ] as const) {
    const options = { joinDuplicateHeaders }
    const server = http.createServer(options, tell)
    server.listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const onHttp = new HttpSide(server, true)
    const brought = await FastcgiSide.start(() => {}, {
      kept: true,
      emitter: http.createServer(options, tell),
    })
    const own = await FastcgiSide.start(tell, { kept: true, ...options })
    try {
      const expected = await converse(onHttp, asked(has), '')
      for (const side of [brought, own]) {
        compare(asked(has), expected, await converse(side, asked(has), ''))
      }
    } finally {
      for (const side of [onHttp, brought, own]) await side.close()
    }
  }
})

it('an http.Server with listeners of its own, and classes of its own', async () => {
  let detached = 0
  class Request extends http.IncomingMessage {
    get shouted(): string {
      return (this.url ?? '').toUpperCase()
    }
  }
  class Response extends http.ServerResponse {
    override assignSocket(socket: Socket): void {
      super.assignSocket(socket)
      this.setHeader('X-Assigned', '1')
    }
    override detachSocket(socket: Socket): void {
      detached++
      super.detachSocket(socket)
    }
    shout(text: string): void {
      this.setHeader('X-Own', '1')
      this.end(text)
    }
  }
  const make = (): http.Server => {
    const server = http.createServer({
      IncomingMessage: Request,
      ServerResponse: Response as typeof http.ServerResponse,
    })
    server.on('request', (request: Anything, response: Anything) => {
      if (request.url === '/none') response.writeHead(404).end()
      else response.shout(`${request.shouted} ${request instanceof Request}`)
    })
    return server
  }
  const asked: readonly Step[] = [
    { path: '/a', status: 200, has: '/A true' },
    { path: '/b', method: 'POST', body: 'x', status: 200 },
    { path: '/none', status: 404 },
  ]
  const server = make()
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const onHttp = new HttpSide(server, true)
  const overFastcgi = await FastcgiSide.start(() => {}, { kept: true, emitter: make() })
  try {
    const expected = await converse(onHttp, asked, '')
    expect(detached).toBe(asked.length)
    compare(asked, expected, await converse(overFastcgi, asked, ''))
    expect(detached).toBe(2 * asked.length)
  } finally {
    await onHttp.close()
    await overFastcgi.close()
  }
})
