import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { Pool } from '../client/pool.ts'
import { request } from '../client/request.ts'
import { connectInMemory } from './gateway-door.ts'
import { AppGate } from './gate.ts'
import { createServer } from './server.ts'

interface Failure {
  error: unknown
  url: string | undefined
}

function gated(loadTimeout = 60_000) {
  const failures: Failure[] = []
  const handlerError = (error: unknown, req: IncomingMessage, res: ServerResponse): void => {
    failures.push({ error, url: req.url })
    res.statusCode = 500
    res.end()
  }
  const server = createServer({ handlerError })
  const gate = new AppGate(server, { loadTimeout, handlerError })
  const connect = () => connectInMemory(server)
  const get = async (path = '/') => {
    const response = await request({ connect, path })
    return { status: response.status, text: await response.text() }
  }
  return { server, gate, get, connect, failures }
}

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

describe('AppGate', () => {
  it('hands waiting requests over in order, then stands aside', async () => {
    const { server, gate, get } = gated()
    const seen: (string | undefined)[] = []
    const waiting = Promise.all([get('/1'), get('/2')])
    await waitFor(() => gate.waiting === 2)
    gate.open((req, res) => {
      seen.push(req.url)
      res.end(req.url)
    })
    expect((await waiting).map(({ text }) => text)).toEqual(['/1', '/2'])
    expect(await get('/3')).toEqual({ status: 200, text: '/3' })
    expect(seen).toEqual(['/1', '/2', '/3'])
    expect(server.listenerCount('request')).toBe(1)
  })

  it("lets an http.Server take requests, each seen once by a tool that patches 'emit'", async () => {
    const { gate, get } = gated()
    const own = http.createServer((req, res) => {
      res.end(String((req.socket as unknown as { server: unknown }).server === own))
    })
    const { emit } = http.Server.prototype
    let emitted = 0
    http.Server.prototype.emit = function (this: http.Server, ...given: Parameters<typeof emit>) {
      if ((given[0] as string) === 'request') emitted += 1
      return emit.apply(this, given)
    } as typeof emit
    try {
      gate.open(own)
      expect(await get()).toEqual({ status: 200, text: 'true' })
      expect(emitted).toBe(1)
    } finally {
      http.Server.prototype.emit = emit
    }
  })

  it('keeps the async context of each request while it waits', async () => {
    const { server, gate, get } = gated()
    const storage = new AsyncLocalStorage<string>()
    server.prependListener('request', (req) => storage.enterWith(`of ${req.url}`))
    const waiting = Promise.all([get('/a'), get('/b')])
    await waitFor(() => gate.waiting === 2)
    gate.open((_req, res) => res.end(storage.getStore()))
    expect((await waiting).map(({ text }) => text)).toEqual(['of /a', 'of /b'])
  })

  it('forgets a request whose client has gone', async () => {
    const { gate, connect } = gated()
    const controller = new AbortController()
    const lost = request({ connect, signal: controller.signal }).catch((error: unknown) => error)
    await waitFor(() => gate.waiting === 1)
    controller.abort()
    expect(await lost).toBeInstanceOf(Error)
    await waitFor(() => gate.waiting === 0)
    let called = false
    gate.open(() => {
      called = true
    })
    expect(called).toBe(false)
  })

  it('holds 1000 requests and answers one more 503', async () => {
    const { gate, get, connect } = gated()
    const pool = new Pool({ connect, maxConnections: 1000 })
    const waiting = Array.from({ length: 1000 }, () => pool.request({ path: '/' }))
    await waitFor(() => gate.waiting === 1000)
    expect(await get()).toMatchObject({ status: 503 })
    gate.open((_req, res) => res.end('ok'))
    const answers = await Promise.all(waiting)
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(
      Array(1000).fill('ok'),
    )
    await pool.destroy()
  })

  it('answers what waits and what comes with a refusal', async () => {
    const { gate, get } = gated()
    const waiting = get()
    await waitFor(() => gate.waiting === 1)
    gate.refuse({ status: 503, text: 'No.' })
    const page = { status: 503, text: '503 Service Unavailable\n\nNo.\n' }
    expect(await waiting).toEqual(page)
    expect(await get()).toEqual(page)
  })

  it('reports what a handler throws or rejects with, for waiting requests too', async () => {
    const { gate, get, failures } = gated()
    const waiting = get('/waiting')
    await waitFor(() => gate.waiting === 1)
    gate.open((req) => {
      if (req.url === '/rejects') return Promise.reject(new Error('rejected'))
      throw new Error('thrown')
    })
    expect(await waiting).toMatchObject({ status: 500 })
    expect(await get('/throws')).toMatchObject({ status: 500 })
    expect(await get('/rejects')).toMatchObject({ status: 500 })
    expect(failures.map(({ error, url }) => `${url} ${(error as Error).message}`)).toEqual([
      '/waiting thrown',
      '/throws thrown',
      '/rejects rejected',
    ])
  })

  describe('before an authorizer', () => {
    function asked() {
      const calls: (string | undefined)[] = []
      const server = createServer({
        handlerError: (_error, _req, res) => res.writeHead(500).end(),
        authorize: (...both) => authorize(...both),
      })
      const gate = new AppGate(server, {
        loadTimeout: 60_000,
        handlerError: (_error, _req, res) => res.writeHead(500).end(),
      })
      const authorize = gate.behind(async (req) => {
        calls.push(req.url)
        await Promise.resolve()
        if (req.url === '/throw') throw new Error('no')
        req.fastcgi.allow()
      })
      const ask = async (path: string) => {
        const connect = () => connectInMemory(server)
        const response = await request({ connect, path, role: 'authorizer' })
        await response.text()
        return response.status
      }
      return { gate, calls, ask }
    }

    it('asks it once the app is there', async () => {
      const { gate, calls, ask } = asked()
      const waiting = Promise.all([ask('/1'), ask('/throw')])
      await waitFor(() => gate.waiting === 2)
      expect(calls).toEqual([])
      gate.open((_req, res) => res.end())
      expect(await waiting).toEqual([200, 500])
      expect(await Promise.all([ask('/2'), ask('/throw')])).toEqual([200, 500])
      expect(calls).toEqual(['/1', '/throw', '/2', '/throw'])
    })

    it('lets nobody in when the app does not come', async () => {
      const { gate, calls, ask } = asked()
      const waiting = ask('/1')
      await waitFor(() => gate.waiting === 1)
      gate.refuse({ status: 503, text: 'no' })
      expect(await waiting).toBe(503)
      expect(await ask('/2')).toBe(503)
      expect(calls).toEqual([])
    })
  })
})
