import fs from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

import { request, type ClientResponse, type RequestInit } from '@fastcgi/core/client'
import express5 from 'express'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { serve, type Server } from './index.ts'

// The types of Express 5 stand in for those of 4.
const express4 = createRequire(import.meta.url)('express4') as typeof express5
const frameworks = [
  ['Express 5', express5],
  ['Express 4', express4],
] as const

describe.each(frameworks)('serve with %s', (_name, express) => {
  let folder: string
  let socketPath: string
  let server: Server | undefined

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-express-'))
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

  function ask(target: string, init: RequestInit = {}): Promise<ClientResponse> {
    return request({ socketPath, path: target, ...init })
  }

  /** What `/echo` below a mount of the app's own tells. */
  function echoing(): ReturnType<typeof express5> {
    const router = express.Router()
    router.get('/echo', (req, res) => {
      const { baseUrl, originalUrl, url, ip, protocol, secure, hostname } = req
      res.json({ baseUrl, originalUrl, url, path: req.path, ip, protocol, secure, hostname })
    })
    const app = express()
    app.get('/where', (req, res) => {
      res.json({ baseUrl: req.baseUrl, originalUrl: req.originalUrl, url: req.url })
    })
    app.get('/away', (req, res) => res.redirect(`${req.baseUrl}/where`))
    app.get('/fastcgi', (req, res) => {
      res.json({
        mount: req.fastcgi.mount,
        name: req.fastcgi.params['SERVER_NAME'],
        role: req.fastcgi.role,
      })
    })
    app.use('/inner', router)
    return app
  }

  it.each([
    ['a listener', false],
    ['the listener of a server of its own', true],
  ])('gets requests and responses that have its prototypes already, as %s', async (_how, own) => {
    const app = express()
    app.get('/', (req, res) => {
      res.json([
        Object.getPrototypeOf(req) === app.request,
        Object.getPrototypeOf(res) === app.response,
      ])
    })
    const ownServer = own ? http.createServer(app) : undefined
    await start(ownServer ?? app)
    const before: boolean[] = []
    const emitter = ownServer ?? server
    emitter?.prependListener('request', (req: object, res: object) => {
      before.push(Object.getPrototypeOf(req) === app.request)
      before.push(Object.getPrototypeOf(res) === app.response)
    })
    const response = await ask('/')
    expect(await response.json()).toEqual([true, true])
    expect(before).toEqual([true, true])
  })

  it('has baseUrl, originalUrl and url right at the root', async () => {
    await start(echoing())
    const where = await ask('/where?a=1')
    expect(await where.json()).toEqual({
      baseUrl: '',
      originalUrl: '/where?a=1',
      url: '/where?a=1',
    })
    const echo = await ask('/inner/echo')
    expect(await echo.json()).toMatchObject({
      baseUrl: '/inner',
      originalUrl: '/inner/echo',
      url: '/echo',
    })
  })

  it('has baseUrl, originalUrl and url right below a mount', async () => {
    await start(echoing())
    const where = await ask('/app/where?a=1', { mount: '/app' })
    expect(await where.json()).toEqual({
      baseUrl: '/app',
      originalUrl: '/app/where?a=1',
      url: '/where?a=1',
    })
    const echo = await ask('/app/inner/echo', { mount: '/app' })
    expect(await echo.json()).toMatchObject({
      baseUrl: '/app/inner',
      originalUrl: '/app/inner/echo',
      url: '/echo',
      path: '/echo',
    })
    const away = await ask('/app/away', { mount: '/app' })
    expect(away.headers['location']).toBe('/app/where')
    await away.text()
  })

  it('lets express.static redirect a folder below the mount', async () => {
    fs.mkdirSync(path.join(folder, 'public/sub'), { recursive: true })
    const app = express()
    app.use('/static', express.static(path.join(folder, 'public')))
    await start(app)
    const response = await ask('/app/static/sub', { mount: '/app' })
    expect(response.status).toBe(301)
    expect(response.headers['location']).toBe('/app/static/sub/')
    await response.text()
  })

  it('gives 404 for what no route takes, by Express itself', async () => {
    await start(echoing())
    const response = await ask('/nothing')
    expect(response.status).toBe(404)
    expect(await response.text()).toContain('Cannot GET /nothing')
  })

  it.each([
    ['off', false, '10.0.0.7'],
    ['1', 1, '10.0.0.7'],
    // The first of the list is the client's own word, as behind any proxy.
    ['true', true, '6.6.6.6'],
  ])('is not deceived by forged headers with trust proxy %s', async (_setting, trust, ip) => {
    const app = echoing()
    app.set('trust proxy', trust)
    await start(app)
    const response = await ask('/inner/echo', {
      headers: {
        host: 'www.example.com:8080',
        'x-forwarded-for': '6.6.6.6',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'evil.example',
      },
      params: { REMOTE_ADDR: '10.0.0.7' },
    })
    expect(await response.json()).toMatchObject({
      ip,
      protocol: 'http',
      secure: false,
      hostname: 'www.example.com',
    })
  })

  it('knows HTTPS', async () => {
    await start(echoing())
    const response = await ask('/inner/echo', { params: { HTTPS: 'on' } })
    expect(await response.json()).toMatchObject({ protocol: 'https', secure: true })
  })

  it('has req.fastcgi, which survives the change of prototype', async () => {
    await start(echoing())
    const response = await ask('/fastcgi', { params: { SERVER_NAME: 'www.example.com' } })
    expect(await response.json()).toEqual({ mount: '', name: 'www.example.com', role: 'responder' })
  })

  it('loads the app by a function, and takes a default export', async () => {
    await start(async () => ({ default: echoing() }))
    expect((await (await ask('/where')).json()) as object).toMatchObject({ url: '/where' })
  })

  it('takes an http.Server', async () => {
    await start(http.createServer(echoing()))
    const where = await ask('/app/where', { mount: '/app' })
    expect(await where.json()).toMatchObject({ baseUrl: '/app', url: '/where' })
  })

  it.each([
    ['a router', () => express.Router(), 'an express.Router(), which answers nothing by itself'],
    ['Express itself', () => express, 'Express itself: give an app, which express() makes'],
    ['a loader of no app', () => async () => ({ default: {} }), 'an empty object, which is what'],
  ])('answers 503 when it was given %s, and logs what to do', async (_what, make, said) => {
    const lines: string[] = []
    server = await serve(make() as never, {
      listen: socketPath,
      signals: false,
      env: false,
      log: (line: string) => void lines.push(line),
    })
    const response = await ask('/')
    expect(response.status).toBe(503)
    await response.text()
    expect(lines.join('\n')).toContain(`No Express app, but ${said}`)
  })

  it('warns of a function with one parameter, which is no listener', async () => {
    const lines: string[] = []
    server = await serve(((_request: unknown) => {}) as never, {
      listen: socketPath,
      signals: false,
      env: false,
      log: (line: string) => void lines.push(line),
    })
    await vi.waitFor(() => expect(lines.join('\n')).toContain('one parameter'), 10_000)
  })

  it('answers 500 for a route that throws', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
    const app = express()
    app.set('env', 'production')
    app.get('/', () => {
      throw new Error('a detail')
    })
    await start(app)
    const response = await ask('/')
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('a detail')
    // Express logs in a later turn than it answers.
    await vi.waitFor(() => expect(String(logged.mock.calls)).toContain('a detail'), 10_000)
    logged.mockRestore()
  })
})
