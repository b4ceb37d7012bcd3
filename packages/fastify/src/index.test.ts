import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

import { request, type ClientResponse, type RequestInit } from '@fastcgi/core/client'
import fastify5, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { fastcgi, serve, serverFactory, serverFactoryWith, type Server } from './index.ts'

// The types of Fastify 5 stand in for those of 4.
const fastify4 = createRequire(import.meta.url)('fastify4') as typeof fastify5
const frameworks = [
  ['Fastify 5', fastify5],
  ['Fastify 4', fastify4],
] as const

describe.each(frameworks)('%s', (_name, fastify) => {
  let folder: string
  let socketPath: string
  let server: Server | undefined

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-fastify-'))
    socketPath = path.join(folder, 'app.sock')
  })
  afterEach(async () => {
    await server?.drain(1000)
    server = undefined
    fs.rmSync(folder, { recursive: true, force: true })
  })

  async function start(app: Parameters<typeof serve>[0], log: string[] = []): Promise<Server> {
    server = await serve(app, {
      listen: socketPath,
      signals: false,
      env: false,
      log: (line: string) => void log.push(line),
    })
    return server
  }

  async function ask(target: string, init: RequestInit = {}): Promise<ClientResponse> {
    return request({ socketPath, path: target, ...init })
  }

  /** Tells what a request says of itself. */
  function where(): FastifyInstance {
    const app = fastify()
    app.all('/*', async (request) => ({
      url: request.url,
      originalUrl: request.originalUrl,
      query: request.query,
      body: request.body ?? null,
      mount: request.fastcgi.mount,
      role: request.fastcgi.role,
      same: request.fastcgi === request.raw.fastcgi,
    }))
    return app
  }

  describe('serve', () => {
    it('has url, originalUrl and request.fastcgi right below a mount', async () => {
      await start(where())
      expect(await (await ask('/app/a%2Fb?x=1', { mount: '/app' })).json()).toEqual({
        url: '/a%2Fb?x=1',
        originalUrl: '/app/a%2Fb?x=1',
        query: { x: '1' },
        body: null,
        mount: '/app',
        role: 'responder',
        same: true,
      })
      expect(await (await ask('/x')).json()).toMatchObject({
        url: '/x',
        originalUrl: '/x',
        mount: '',
      })
    })

    it('parses bodies, with a length and without', async () => {
      await start(where())
      const headers = { 'content-type': 'application/json' }
      const whole = await ask('/', { method: 'POST', headers, body: '{"a":1}' })
      expect(await whole.json()).toMatchObject({ body: { a: 1 } })
      async function* parts(): AsyncGenerator<string> {
        yield '{"a"'
        yield ':2}'
      }
      const streamed = await ask('/', { method: 'POST', headers, body: parts() })
      expect(await streamed.json()).toMatchObject({ body: { a: 2 } })
    })

    it.each([
      ['a loader of the app', () => where()],
      ['a loader of a module', () => Promise.resolve({ default: where() })],
    ] as const)('takes %s', async (_what, load) => {
      await start(load)
      expect(await (await ask('/x')).json()).toMatchObject({ url: '/x' })
    })

    it('waits for plugins', async () => {
      const app = fastify()
      let loaded: (() => void) | undefined
      const loading = new Promise<void>((resolve) => (loaded = resolve))
      app.register(async (scope) => {
        await loading
        scope.get('/late', async () => 'here')
      })
      await start(app)
      const response = ask('/late')
      loaded?.()
      expect(await (await response).text()).toBe('here')
    })

    it('answers 503 and logs why when a plugin fails', async () => {
      const log: string[] = []
      await start(() => {
        const app = fastify()
        app.register(async () => {
          throw new Error('no database')
        })
        return app
      }, log)
      expect((await ask('/')).status).toBe(503)
      expect(log.join('\n')).toContain('no database')
    })

    it.each([
      ['nothing', {}, 'an empty object'],
      ['Fastify itself', fastify, 'Fastify itself'],
      ['a plugin', (_app: unknown) => {}, 'a function or server: give what fastify() makes'],
    ])('says what is wrong with %s', async (_what, given, said) => {
      const log: string[] = []
      await start((() => ({ default: given })) as never, log)
      expect((await ask('/')).status).toBe(503)
      expect(log.join('\n')).toContain(`No Fastify app, but ${said}`)
    })

    it('takes an app that is ready already', async () => {
      const app = where()
      app.get('/raw', async (request) => ({ mount: request.raw.fastcgi.mount }))
      await app.ready()
      await start(app)
      expect(await (await ask('/app/raw', { mount: '/app' })).json()).toEqual({ mount: '/app' })
    })

    it('calls onRequestAbort when the client leaves, and onResponse when it does not', async () => {
      const app = fastify()
      let aborted: (() => void) | undefined
      const leaving = new Promise<void>((resolve) => (aborted = resolve))
      let begun: (() => void) | undefined
      const arriving = new Promise<void>((resolve) => (begun = resolve))
      app.addHook('onRequestAbort', async (_request) => aborted?.())
      app.get('/', async (_request, reply) => {
        begun?.()
        await leaving
        return reply.send('too late')
      })
      await start(app)
      const leave = new AbortController()
      const response = ask('/', { signal: leave.signal })
      const failed = expect(response).rejects.toThrow(/abort/i)
      await arriving
      leave.abort()
      await leaving
      await failed
    })

    it('app.close() runs onClose and ends the FastCGI server', async () => {
      const app = where()
      const order: string[] = []
      app.addHook('onClose', async () => void order.push('onClose'))
      const running = await start(app)
      await (await ask('/x')).text()
      const closed = new Promise((resolve) => running.once('close', resolve))
      await app.close()
      await closed
      expect(order).toEqual(['onClose'])
      await expect(ask('/x')).rejects.toThrow(/ENOENT|ECONNREFUSED/)
    })
  })

  describe('serverFactory', () => {
    it('listen() and close() mean FastCGI', async () => {
      const app = fastify({ serverFactory })
      const order: string[] = []
      app.addHook('onListen', async () => void order.push('onListen'))
      app.addHook('onClose', async () => void order.push('onClose'))
      app.get('/x', async (request) => ({ url: request.url, mount: request.raw.fastcgi.mount }))
      expect(await app.listen({ path: socketPath })).toContain(socketPath)
      const response = await ask('/app/x', { mount: '/app' })
      expect(await response.json()).toEqual({ url: '/x', mount: '/app' })
      await app.close()
      await expect(ask('/x')).rejects.toThrow(/ENOENT|ECONNREFUSED/)
      expect(order).toEqual(['onListen', 'onClose'])
    })

    it('listens on a port of the loopback', async () => {
      const app = fastify({ serverFactory })
      app.get('/', async () => 'here')
      await app.listen({ port: 0, host: '127.0.0.1' })
      const { port } = app.server.address() as { port: number }
      expect(await (await request({ port, path: '/' })).text()).toBe('here')
      await app.close()
    })

    it('takes options, and the plugin adds request.fastcgi', async () => {
      const app = fastify({ serverFactory: serverFactoryWith({ mount: '/fixed' }) })
      app.register(fastcgi)
      app.get('/x', async (request) => ({ url: request.url, mount: request.fastcgi.mount }))
      await app.listen({ path: socketPath })
      const response = await ask('/fixed/x')
      expect(await response.json()).toEqual({ url: '/x', mount: '/fixed' })
      await app.close()
    })

    it('while closing finishes what runs and answers 503 to what is new', async () => {
      const app = fastify({ serverFactory })
      let finish: (() => void) | undefined
      const running = new Promise<void>((resolve) => (finish = resolve))
      let begun: (() => void) | undefined
      const arrived = new Promise<void>((resolve) => (begun = resolve))
      app.get('/slow', async () => {
        begun?.()
        await running
        return 'finished'
      })
      app.get('/fast', async () => 'fast')
      // The router is closed by then, and the socket not yet.
      let late: ClientResponse | undefined
      app.addHook('preClose', async () => void (late = await ask('/fast')))
      await app.listen({ path: socketPath })
      const slow = ask('/slow')
      await arrived
      const closing = app.close()
      await vi.waitFor(() => expect(late?.status).toBe(503), 10_000)
      finish?.()
      expect(await (await slow).text()).toBe('finished')
      await closing
    })
  })
})
