import fs from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'

import { request, type ClientResponse, type RequestInit } from '@fastcgi/core/client'
import Koa3 from 'koa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { serve, type KoaApp, type Server } from './index.ts'

// The types of Koa 3 stand in for those of 2.
const Koa2 = createRequire(import.meta.url)('koa2') as typeof Koa3
const frameworks = [
  ['Koa 3', Koa3],
  ['Koa 2', Koa2],
] as const

describe.each(frameworks)('serve with %s', (_name, Koa) => {
  let folder: string
  let socketPath: string
  let server: Server | undefined

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-koa-'))
    socketPath = path.join(folder, 'app.sock')
  })
  afterEach(async () => {
    await server?.drain(1000)
    server = undefined
    fs.rmSync(folder, { recursive: true, force: true })
  })

  async function start(app: Parameters<typeof serve>[0]): Promise<void> {
    server = await serve(app, { listen: socketPath, signals: false, env: false, log: () => {} })
  }

  async function ask(target: string, init: RequestInit = {}): Promise<ClientResponse> {
    return request({ socketPath, path: target, ...init })
  }

  /** As Koa's own `listen` does it. */
  function nodeServer(app: Koa3): http.Server {
    const listener = app.callback()
    return http.createServer((req, res) => void listener(req, res))
  }

  /** Tells what a context says of the URL. */
  function where(): Koa3 {
    const app = new Koa()
    app.silent = true
    app.use((ctx) => {
      const { url, path, originalUrl, mountPath, href, querystring } = ctx
      const request = { originalUrl: ctx.request.originalUrl, href: ctx.request.href }
      ctx.body = { url, path, originalUrl, mountPath, href, querystring, request }
    })
    return app
  }

  it('has url, originalUrl, href and mountPath right at the root', async () => {
    await start(where())
    expect(await (await ask('/a%2Fb?x=1')).json()).toMatchObject({
      url: '/a%2Fb?x=1',
      path: '/a%2Fb',
      originalUrl: '/a%2Fb?x=1',
      mountPath: '',
      querystring: 'x=1',
    })
  })

  it('has them right below a mount', async () => {
    await start(where())
    const seen = await (await ask('/app/a/b?x=1', { mount: '/app' })).json()
    expect(seen).toMatchObject({
      url: '/a/b?x=1',
      path: '/a/b',
      originalUrl: '/app/a/b?x=1',
      mountPath: '/app',
      request: { originalUrl: '/app/a/b?x=1' },
    })
    expect(seen).toMatchObject({ href: expect.stringMatching(/^http:\/\/[^/]+\/app\/a\/b\?x=1$/) })
  })

  it('has ctx.fastcgi, the same as req.fastcgi', async () => {
    const app = new Koa()
    app.use((ctx) => {
      const { role, mount, params } = ctx.fastcgi
      ctx.body = { role, mount, name: params['SERVER_NAME'], same: ctx.fastcgi === ctx.req.fastcgi }
    })
    await start(app)
    const response = await ask('/app/', { mount: '/app', params: { SERVER_NAME: 'a.example' } })
    expect(await response.json()).toEqual({
      role: 'responder',
      mount: '/app',
      name: 'a.example',
      same: true,
    })
  })

  it('is no different on node:http and served twice', async () => {
    const app = where()
    await start(app)
    const second = path.join(folder, 'second.sock')
    const twice = await serve(app, { listen: second, signals: false, env: false, log: () => {} })
    const response = await request({ socketPath: second, path: '/app/x', mount: '/app' })
    expect(await response.json()).toMatchObject({ originalUrl: '/app/x', mountPath: '/app' })
    await twice.drain(1000)

    const plain = nodeServer(app)
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    const { port } = plain.address() as { port: number }
    const seen = await fetch(`http://127.0.0.1:${String(port)}/x?y`)
    expect(await seen.json()).toMatchObject({ url: '/x?y', originalUrl: '/x?y', mountPath: '' })
    await new Promise((resolve) => plain.close(resolve))
  })

  it.each([
    ['a loader of the app', () => where()],
    ['a loader of a module', () => Promise.resolve({ default: where() })],
    ['a loader of a module within a module', () => ({ default: { default: where() } })],
    ['a loader of an http.Server', () => nodeServer(where())],
  ] as const)('takes %s', async (_what, load) => {
    await start(load as () => KoaApp)
    const response = await ask('/x')
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ url: '/x' })
  })

  it.each([
    ['nothing', () => ({}), 'an empty object'],
    ['its class', () => Koa, 'the class Application'],
    [
      'its listener',
      () => new Koa().callback(),
      'a function: give the app itself, not its callback',
    ],
    ['its callback, not called', () => new Koa().callback, "Koa's app.callback, not called: give"],
  ])('says what is wrong with %s', async (_what, make, said) => {
    const lines: string[] = []
    const log = (line: string): number => lines.push(line)
    server = await serve((() => ({ default: make() })) as never, {
      listen: socketPath,
      signals: false,
      env: false,
      log,
    })
    expect((await ask('/')).status).toBe(503)
    expect(lines.join('\n')).toContain(`No Koa app, but ${said}`)
  })

  it('answers 500 for what a middleware throws, and goes on', async () => {
    const app = new Koa()
    app.silent = true
    app.use((ctx) => {
      if (ctx.path === '/throw') throw new Error('a detail that no visitor must see')
      ctx.body = 'fine'
    })
    await start(app)
    const broken = await ask('/throw')
    expect(broken.status).toBe(500)
    expect(await broken.text()).not.toContain('detail')
    expect(await (await ask('/')).text()).toBe('fine')
  })

  it('streams a body, and ends it when the client leaves', async () => {
    const app = new Koa()
    app.silent = true
    const body = new PassThrough()
    const closed = new Promise<void>((resolve) => {
      app.use((ctx) => {
        ctx.res.on('close', resolve)
        ctx.body = body
      })
    })
    await start(app)
    body.write('one')
    const leave = new AbortController()
    const response = await ask('/', { signal: leave.signal })
    const { value } = await response.body[Symbol.asyncIterator]().next()
    expect(String(value)).toBe('one')
    leave.abort()
    await closed
  })

  it('takes X-Forwarded-For for what the web server makes of it', async () => {
    const app = new Koa({ proxy: true, maxIpsCount: 1 })
    app.use((ctx) => (ctx.body = { ip: ctx.ip, protocol: ctx.protocol }))
    await start(app)
    const response = await ask('/', {
      headers: { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-proto': 'https' },
      params: { REMOTE_ADDR: '192.0.2.7' },
    })
    expect(await response.json()).toEqual({ ip: '192.0.2.7', protocol: 'http' })
  })
})
