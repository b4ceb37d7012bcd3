/** A Koa app with the middleware people use, none of it changed. */
import fs from 'node:fs'
import { Readable } from 'node:stream'

import type { Surroundings } from './express-app.ts'
import { load, type Anything } from './load.ts'

export function makeKoaApp(packageName: 'koa' | 'koa2', { folder, log }: Surroundings): Anything {
  const Koa = load(packageName)
  const bodyParser = load('koa-bodyparser')
  const koaBody = load('koa-body')
  const serveStatic = load('koa-static')
  const mount = load('koa-mount')
  const session = load('koa-session')
  const compress = load('koa-compress')
  const { Router } = load('@koa/router')

  const app = new Koa()
  app.keys = ['key one']
  app.silent = true
  app.on('error', (error: Error) => log.push(`error ${error.message}`))
  app.use(async (ctx: Anything, next: Anything) => {
    ctx.res.on('finish', () => log.push(`finish ${ctx.originalUrl} ${ctx.status}`))
    ctx.res.on('close', () => log.push(`close ${ctx.originalUrl}`))
    await next()
  })
  app.use(compress({ threshold: 100, br: false }))
  const sessionNumber = { last: 0 }
  app.use(session({ maxAge: 'session', genid: () => `id-${++sessionNumber.last}` }, app))
  app.use(mount('/static', serveStatic(folder)))
  app.use(
    mount('/mounted', (ctx: Anything) => {
      ctx.body = [ctx.path, ctx.mountPath, ctx.originalUrl, ctx.url]
    }),
  )

  const router = new Router()
  router.get('/told', (ctx: Anything) => {
    const { url, originalUrl, path, querystring, host, hostname, protocol, ip, secure, origin } =
      ctx
    ctx.body = {
      ...{ url, originalUrl, path, querystring, host, hostname, protocol, ip, secure, origin },
      href: ctx.href.replace(/:\d+/, ''),
      length: ctx.request.length ?? null,
      type: ctx.request.type,
      accepts: ctx.accepts('json', 'html'),
      fresh: ctx.fresh,
      idempotent: ctx.request.idempotent,
      writable: ctx.writable,
      respond: ctx.respond ?? null,
    }
  })
  router.all('/method', (ctx: Anything) => {
    ctx.body = ctx.method
  })
  router.post('/parsed', bodyParser({ enableTypes: ['json', 'form', 'text'] }), (ctx: Anything) => {
    ctx.body = { parsed: ctx.request.body, raw: ctx.request.rawBody ?? null }
  })
  router.post('/body', koaBody({ multipart: true }), (ctx: Anything) => {
    const files = [ctx.request.files?.files ?? []].flat() as Anything[]
    ctx.body = {
      body: ctx.request.body ?? null,
      // In the order in which the disk had them.
      files: files.map((file) => [file.originalFilename, file.mimetype, file.size]).sort(),
    }
    for (const file of files) fs.rmSync(file.filepath, { force: true })
  })
  router.get('/count', (ctx: Anything) => {
    ctx.session.count = (ctx.session.count ?? 0) + 1
    ctx.body = { count: ctx.session.count }
  })
  router.get('/cookies', (ctx: Anything) => {
    ctx.cookies.set('plain', 'value', { signed: false })
    ctx.cookies.set('signed', 'value', { signed: true })
    ctx.body = [ctx.cookies.get('plain') ?? null, ctx.cookies.get('signed') ?? null]
  })
  router.get('/redirect', (ctx: Anything) => ctx.redirect('/told'))
  router.get('/page', (ctx: Anything) => {
    ctx.body = '<p>page</p>'.repeat(100)
  })
  router.get('/buffer', (ctx: Anything) => {
    ctx.body = Buffer.alloc(1000, 'b')
  })
  router.get('/stream', (ctx: Anything) => {
    ctx.type = 'text'
    ctx.body = Readable.from(['one ', 'two ', 'three'])
  })
  router.get('/file', (ctx: Anything) => {
    ctx.type = 'text'
    ctx.body = fs.createReadStream(`${folder}/large.txt`)
  })
  router.get('/attachment', (ctx: Anything) => {
    ctx.attachment('grün.txt')
    ctx.body = fs.createReadStream(`${folder}/grün.txt`)
  })
  router.get('/events', (ctx: Anything) => {
    ctx.type = 'text/event-stream'
    ctx.set('Cache-Control', 'no-transform')
    ctx.compress = false
    ctx.body = Readable.from(
      (async function* events() {
        for (let left = 3; left > 0; left--) {
          await new Promise((resolve) => setImmediate(resolve))
          yield `data: ${left}\n\n`
        }
      })(),
    )
  })
  router.get('/nothing', (ctx: Anything) => {
    ctx.status = 204
  })
  router.get('/null', (ctx: Anything) => {
    ctx.body = null
  })
  router.get('/unchanged', (ctx: Anything) => {
    ctx.status = 200
    ctx.etag = 'a'
    ctx.body = 'changed'
    if (ctx.fresh) ctx.status = 304
  })
  router.get('/own', (ctx: Anything) => {
    ctx.respond = false
    ctx.res.writeHead(203, { 'X-Own': '1' })
    ctx.res.end('own')
  })
  router.get('/throws', (ctx: Anything) =>
    ctx.throw(403, 'not for you', { headers: { 'X-E': '1' } }),
  )
  router.get('/broken', () => {
    throw new Error('broken')
  })
  app.use(router.routes())
  app.use(router.allowedMethods())
  return app
}
