/** A Fastify app with the plugins people use, none of them changed. */
import fs from 'node:fs'
import type http from 'node:http'
import { Readable } from 'node:stream'

import type { Surroundings } from './express-app.ts'
import { load, type Anything } from './load.ts'

export interface FastifyChoices extends Surroundings {
  readonly serverFactory?: (handler: http.RequestListener) => http.Server
}

export async function makeFastifyApp(
  packageName: 'fastify' | 'fastify4',
  { folder, upstream, log, serverFactory }: FastifyChoices,
): Promise<Anything> {
  const app = load(packageName)({
    bodyLimit: 300_000,
    genReqId: () => 'request',
    ...(serverFactory === undefined ? {} : { serverFactory }),
    rewriteUrl: (request: Anything) => request.url,
  })
  app.addHook('onRequest', async (request: Anything) => {
    log.push(`onRequest ${request.method} ${request.url}`)
  })
  app.addHook('onSend', async (_request: Anything, reply: Anything, payload: Anything) => {
    reply.header('x-on-send', typeof payload)
    return payload
  })
  app.addHook('onResponse', async (request: Anything, reply: Anything) => {
    log.push(`onResponse ${request.url} ${reply.statusCode}`)
  })
  app.addHook('onError', async (request: Anything, _reply: Anything, error: Error) => {
    log.push(`onError ${request.url} ${error.message}`)
  })
  // The plugins for Fastify 4 are earlier versions, installed under other names.
  const plugin = (name: string): Anything =>
    load(packageName === 'fastify' ? `@fastify/${name}` : `fastify4-${name}`)
  await plugins(app, plugin, folder, upstream)
  routes(app, folder)
  return app
}

async function plugins(
  app: Anything,
  plugin: (name: string) => Anything,
  folder: string,
  upstream: string,
): Promise<void> {
  let sessions = 0
  await app.register(plugin('under-pressure'), { exposeStatusRoute: '/alive' })
  await app.register(plugin('middie'))
  await app.register(plugin('helmet'))
  await app.register(plugin('cors'), { origin: 'https://other.test', credentials: true })
  await app.register(plugin('cookie'), { secret: 'cookie secret' })
  await app.register(plugin('session'), {
    secret: 'a secret of more than thirty-two characters',
    cookie: { secure: false },
    saveUninitialized: false,
    idGenerator: () => `session-${++sessions}`,
  })
  await app.register(plugin('compress'), { threshold: 100, encodings: ['gzip', 'identity'] })
  await app.register(plugin('multipart'), { limits: { fileSize: 200_000 } })
  await app.register(plugin('static'), { root: folder, prefix: '/static/' })
  await app.register(plugin('reply-from'), { base: upstream })

  app.use('/middle', (request: Anything, response: Anything, next: Anything) => {
    response.setHeader('x-middle', request.url)
    next()
  })
  app.use((_request: Anything, response: Anything, next: Anything) => {
    load('on-headers')(response, function seen(this: http.ServerResponse) {
      this.setHeader('x-status-seen', String(this.statusCode))
    })
    next()
  })
  app.get('/middle', async () => 'through the middle')
  app.get('/count', async (request: Anything) => {
    request.session.count = (request.session.count ?? 0) + 1
    return { count: request.session.count }
  })
  app.get('/cookies', async (request: Anything, reply: Anything) => {
    reply.setCookie('plain', 'value', { path: '/' })
    reply.setCookie('signed', 'value', { signed: true, path: '/' })
    const signed = request.cookies.signed
    return { plain: request.cookies.plain, valid: signed && request.unsignCookie(signed).valid }
  })
  app.post('/upload', async (request: Anything) => {
    const seen: unknown[] = []
    for await (const part of request.parts()) {
      if (part.type === 'file') {
        const content = await part.toBuffer()
        seen.push([part.fieldname, part.filename, part.mimetype, content.length])
      } else seen.push([part.fieldname, part.value])
    }
    return seen
  })
  app.all('/from', (request: Anything, reply: Anything) =>
    reply.from(`/any?from=${request.method}`, {
      rewriteHeaders: (headers: Record<string, unknown>) => ({ ...headers, date: undefined }),
    }),
  )
  app.get('/from/large', (_request: Anything, reply: Anything) => reply.from('/large'))
}

function routes(app: Anything, folder: string): void {
  app.get('/told', async (request: Anything) => {
    const { url, originalUrl, hostname, host, protocol, ip, ips, method, id, query } = request
    return { url, originalUrl, hostname, host, protocol, ip, ips, method, id, query }
  })
  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url: '/method',
    handler: async (request: Anything) => request.method,
  })
  const schema = {
    body: { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } },
    response: { 200: { type: 'object', properties: { a: { type: 'integer' } } } },
  }
  app.post('/checked', { schema }, async (request: Anything) => request.body)
  app.post('/json', async (request: Anything) => ({ body: request.body ?? null }))
  app.get('/page', (_request: Anything, reply: Anything) => {
    reply.type('text/html').send('<p>page</p>'.repeat(100))
  })
  app.get('/buffer', async () => Buffer.alloc(1000, 'b'))
  app.get('/stream', async (_request: Anything, reply: Anything) => {
    reply.type('text/plain')
    return Readable.from(['one ', 'two ', 'three'])
  })
  app.get('/file', async (_request: Anything, reply: Anything) => {
    reply.type('text/plain')
    return fs.createReadStream(`${folder}/large.txt`)
  })
  app.get('/nofile', async () => fs.createReadStream(`${folder}/none.txt`))
  app.get('/hijack', (_request: Anything, reply: Anything) => {
    reply.hijack()
    reply.raw.writeHead(203, { 'X-Own': '1' })
    reply.raw.end('own')
  })
  app.get('/events', (_request: Anything, reply: Anything) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'Content-Type': 'text/event-stream' })
    let left = 3
    const more = (): void => {
      reply.raw.write(`data: ${left}\n\n`)
      if (--left > 0) setImmediate(more)
      else reply.raw.end()
    }
    more()
  })
  app.get('/redirect', async (_request: Anything, reply: Anything) => reply.redirect('/told'))
  app.get('/nothing', async (_request: Anything, reply: Anything) => reply.code(204).send())
  app.get('/headers', async (_request: Anything, reply: Anything) => {
    reply.header('x-list', ['1', '2']).header('set-cookie', ['a=1', 'b=2'])
    return { headers: Object.keys(reply.getHeaders()) }
  })
  app.get('/trailer', async (_request: Anything, reply: Anything) => {
    reply.trailer('x-sum', async () => '1')
    return 'with a trailer'
  })
  app.get('/broken', async () => {
    throw Object.assign(new Error('broken'), { statusCode: 503 })
  })
  app.get('/later', (_request: Anything, reply: Anything) => {
    setImmediate(() => reply.send(new Error('broken later')))
  })
}
