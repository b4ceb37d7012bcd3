/**
 * The application that everything serves: the same routes written for a plain listener, Express, Koa and Fastify, each
 * in the way that framework's own documentation writes them.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Express } from 'express'
import type { FastifyInstance } from 'fastify'
import type Koa from 'koa'
import { CHUNK_BYTES, DOCUMENT, EVENT, EVENT_COUNT, HELLO, TRANSFER_BYTES } from '../cases.ts'

const chunk = Buffer.alloc(CHUNK_BYTES, 'x')

/** Counts the body as it arrives and answers its length. */
export function countUpload(req: IncomingMessage, res: ServerResponse): void {
  let bytes = 0
  req.on('data', (data: Buffer) => {
    bytes += data.length
  })
  req.on('end', () => res.end(String(bytes)))
}

/** Sends 100 MB in chunks of 64 KiB and heeds backpressure. */
export function sendDownload(res: ServerResponse): void {
  let left = TRANSFER_BYTES
  res.setHeader('Content-Type', 'application/octet-stream')
  const write = (): void => {
    while (left > 0) {
      left -= CHUNK_BYTES
      if (!res.write(chunk)) {
        res.once('drain', write)
        return
      }
    }
    res.end()
  }
  write()
}

/** One small chunk a turn of the event loop, as a server that pushes events does. */
export function sendEvents(res: ServerResponse): void {
  let left = EVENT_COUNT
  res.setHeader('Content-Type', 'text/event-stream')
  const write = (): void => {
    if (left === 0) {
      res.end()
      return
    }
    left--
    if (res.write(EVENT)) setImmediate(write)
    else res.once('drain', write)
  }
  write()
}

function readJson(req: IncomingMessage, done: (value: { total: number }) => void): void {
  const parts: Buffer[] = []
  req.on('data', (data: Buffer) => parts.push(data))
  req.on('end', () => done(JSON.parse(Buffer.concat(parts).toString()) as { total: number }))
}

/** Answer to the POST case; eleven bytes in every implementation. */
function total(value: { total: number }): string {
  return `{"total":${value.total}}`
}

/** The listener without a framework. */
export const rawListener: RequestListener = (req, res) => {
  switch (req.url) {
    case '/hello':
      res.setHeader('Content-Type', 'text/plain')
      res.end(HELLO)
      break
    case '/json?page=1':
      res.setHeader('Content-Type', 'application/json')
      res.end(JSON.stringify(DOCUMENT))
      break
    case '/post':
      readJson(req, (value) => {
        res.setHeader('Content-Type', 'application/json')
        res.end(total(value))
      })
      break
    case '/upload':
      countUpload(req, res)
      break
    case '/download':
      sendDownload(res)
      break
    case '/events':
      sendEvents(res)
      break
    default:
      res.statusCode = 404
      res.end()
  }
}

/** The Express 5 app. */
export async function expressApp(): Promise<Express> {
  const { default: express } = await import('express')
  const app = express()
  app.get('/hello', (_req, res) => {
    res.type('text/plain').send(HELLO)
  })
  app.get('/json', (_req, res) => {
    res.json(DOCUMENT)
  })
  app.post('/post', express.json(), (req, res) => {
    res.json({ total: (req.body as { total: number }).total })
  })
  app.post('/upload', countUpload)
  app.get('/download', (_req, res) => sendDownload(res))
  app.get('/events', (_req, res) => sendEvents(res))
  return app
}

/** The Koa 3 app. */
export async function koaApp(): Promise<Koa> {
  const { default: Application } = await import('koa')
  const app = new Application()
  // Koa prints every write to a client that has gone; at the end of a round there are some.
  app.silent = true
  app.use(async (ctx) => {
    switch (ctx.path) {
      case '/hello':
        ctx.body = HELLO
        break
      case '/json':
        ctx.body = DOCUMENT
        break
      case '/post':
        ctx.body = await new Promise((resolve) =>
          readJson(ctx.req, (value) => resolve({ total: value.total })),
        )
        break
    }
  })
  return app
}

/** The Fastify 5 app. */
export async function fastifyApp(): Promise<FastifyInstance> {
  const { fastify } = await import('fastify')
  const app = fastify()
  app.get('/hello', (_request, reply) => {
    reply.type('text/plain').send(HELLO)
  })
  app.get('/json', (_request, reply) => {
    reply.send(DOCUMENT)
  })
  app.post('/post', (request, reply) => {
    reply.send({ total: (request.body as { total: number }).total })
  })
  return app
}

/** The listener of a framework's app by the framework's name, as node:http takes it. */
export async function listenerOf(framework: string): Promise<RequestListener> {
  switch (framework) {
    case 'express':
      return expressApp()
    case 'koa': {
      const handle = (await koaApp()).callback()
      return (req, res) => void handle(req, res)
    }
    case 'fastify': {
      const app = await fastifyApp()
      await app.ready()
      return (req, res) => app.routing(req, res)
    }
    default:
      return rawListener
  }
}
