import { describe, expect, it, onTestFinished } from 'vitest'
import { type RawRequest, rawResponder, rawStdout } from '../../../../test/support/raw-responder.ts'
import { until } from '../../../../test/support/until.ts'
import type { ClientError } from './errors.ts'
import type { PoolOptions } from './options.ts'
import { Pool } from './pool.ts'

const OK = 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n'

async function failure(promise: Promise<unknown>): Promise<ClientError> {
  try {
    await promise
  } catch (error) {
    return error as ClientError
  }
  throw new Error('it did not fail')
}

function pooled(options: PoolOptions): Pool {
  const pool = new Pool(options)
  onTestFinished(() => pool.destroy())
  return pool
}

describe('Pool', () => {
  it('keeps a connection and uses it again', async () => {
    const app = await rawResponder((req) => req.answer(`${OK}${req.connection} ${req.keep}`))
    const pool = pooled({ socketPath: app.socketPath })
    for (let i = 0; i < 3; i++) expect(await (await pool.request()).text()).toBe('0 true')
    expect(pool.counts).toEqual({ connections: 1, idle: 1, waiting: 0 })
  })

  it('opens as many as allowed, lets the others wait, and answers them all', async () => {
    const held: RawRequest[] = []
    const app = await rawResponder((req) => void held.push(req))
    const pool = pooled({ socketPath: app.socketPath, maxConnections: 2 })
    const answers = Array.from({ length: 5 }, async () => (await pool.request()).text())
    await until(() => held.length === 2, 'held.length === 2')
    expect(pool.counts).toEqual({ connections: 2, idle: 0, waiting: 3 })
    for (let answered = 0; answered < 5; answered++) {
      await until(() => held.length > answered, 'held.length > answered')
      held[answered]!.answer(`${OK}x`)
    }
    expect(await Promise.all(answers)).toEqual(['x', 'x', 'x', 'x', 'x'])
    expect(app.sockets.length).toBe(2)
  })

  it('bounds those that wait, and their time', async () => {
    const app = await rawResponder(() => {})
    const pool = new Pool({
      socketPath: app.socketPath,
      maxConnections: 1,
      maxWaiting: 2,
      waitTimeout: 50,
    })
    const first = failure(pool.request())
    await until(() => app.requests.length === 1, 'app.requests.length === 1')
    const stop = new AbortController()
    const waiting = [failure(pool.request()), failure(pool.request({ signal: stop.signal }))]
    expect((await failure(pool.request())).code).toBe('FCGI_POOL_FULL')
    stop.abort(new Error('enough'))
    expect((await waiting[1]!).message).toBe('enough')
    expect((await waiting[0]!).code).toBe('FCGI_POOL_TIMEOUT')
    await pool.destroy()
    expect((await first).code).toBe('FCGI_POOL_CLOSED')
  })

  it('notices a connection that the application closed while it was idle', async () => {
    const app = await rawResponder((req) => req.answer(`${OK}${req.connection}`))
    const pool = pooled({ socketPath: app.socketPath })
    expect(await (await pool.request()).text()).toBe('0')
    app.sockets[0]!.end()
    await until(() => pool.counts.connections === 0, 'pool.counts.connections === 0')
    expect(await (await pool.request({ method: 'POST', body: 'x' })).text()).toBe('1')
  })

  it('closes a connection on which bytes come that nobody asked for', async () => {
    const app = await rawResponder((req) => req.answer(`${OK}${req.connection}`))
    const pool = pooled({ socketPath: app.socketPath })
    await (await pool.request()).discard()
    app.sockets[0]!.write(rawStdout(1, `${OK}forged`))
    await until(() => pool.counts.connections === 0, 'pool.counts.connections === 0')
    expect(await (await pool.request()).text()).toBe('1')
  })

  // The application closes at the very moment a kept connection is used again.
  const closing = (): ReturnType<typeof rawResponder> =>
    rawResponder((req) => {
      if (app0(req) && req.param('QUERY_STRING') === 'second') req.socket.destroy()
      else req.answer(`${OK}${req.connection}`)
    })
  const app0 = (req: RawRequest): boolean => req.connection === 0

  it('repeats an idempotent request that a stale connection swallowed', async () => {
    const app = await closing()
    const pool = pooled({ socketPath: app.socketPath })
    await (await pool.request()).discard()
    const response = await pool.request({ method: 'PUT', path: '/?second', body: 'x' })
    expect(await response.text()).toBe('1')
  })

  it('does not try the second time on another connection that is as old', async () => {
    const held: RawRequest[] = []
    const app = await rawResponder((req) => {
      if (req.connection > 1) req.answer(`${OK}${req.connection}`)
      else if (held.length < 2) held.push(req)
      else req.socket.destroy()
    })
    const pool = pooled({ socketPath: app.socketPath })
    const both = [pool.request(), pool.request()]
    await until(() => held.length === 2, 'two requests')
    for (const req of held) req.answer(OK)
    for (const answer of both) await (await answer).discard()
    expect(pool.counts.idle).toBe(2)
    expect(await (await pool.request()).text()).toBe('2')
  })

  it('never repeats a POST, nor a body that is a stream', async () => {
    const app = await closing()
    const pool = pooled({ socketPath: app.socketPath })
    await (await pool.request()).discard()
    expect((await failure(pool.request({ path: '/?second', body: 'x' }))).code).toBe('FCGI_CLOSED')
    expect(app.requests.length).toBe(2)
  })

  it('never repeats what failed on a new connection', async () => {
    const app = await rawResponder((req) => void req.socket.destroy())
    const pool = pooled({ socketPath: app.socketPath })
    expect((await failure(pool.request())).code).toBe('FCGI_CLOSED')
    expect(app.requests.length).toBe(1)
  })

  it('closes a connection after its number of requests', async () => {
    const app = await rawResponder((req) => req.answer(`${OK}${req.connection} ${req.keep}`))
    const pool = pooled({ socketPath: app.socketPath, maxRequestsPerConnection: 2 })
    expect(await (await pool.request()).text()).toBe('0 true')
    expect(await (await pool.request()).text()).toBe('0 false')
    expect(await (await pool.request()).text()).toBe('1 true')
  })

  it('closes an idle connection after its time', async () => {
    const app = await rawResponder((req) => req.answer(`${OK}x`))
    const pool = pooled({ socketPath: app.socketPath, idleTimeout: 50 })
    await (await pool.request()).discard()
    await until(() => pool.counts.connections === 0, 'no connection')
  })

  it('keeps none when told so', async () => {
    const app = await rawResponder((req) => req.answer(`${OK}${req.connection} ${req.keep}`))
    const pool = pooled({ socketPath: app.socketPath, maxIdle: 0 })
    expect(await (await pool.request()).text()).toBe('0 false')
    expect(await (await pool.request()).text()).toBe('1 false')
  })

  it('frees the connection when a response is given up', async () => {
    const app = await rawResponder((req) => {
      if (req.connection === 0) req.write(rawStdout(1, `${OK}endless`))
      else req.answer(`${OK}x`)
    })
    const pool = pooled({ socketPath: app.socketPath, maxConnections: 1 })
    const given = await pool.request()
    const next = pool.request()
    given.body.destroy()
    expect(await (await next).text()).toBe('x')
  })

  it('finishes what runs and waits on close, and refuses the rest', async () => {
    const held: RawRequest[] = []
    const app = await rawResponder((req) => void held.push(req))
    const pool = new Pool({ socketPath: app.socketPath, maxConnections: 1 })
    const answers = [pool.request(), pool.request()]
    await until(() => held.length === 1, 'held.length === 1')
    const closed = pool.close()
    expect((await failure(pool.request())).code).toBe('FCGI_POOL_CLOSED')
    held[0]!.answer(`${OK}a`)
    await until(() => held.length === 2, 'held.length === 2')
    held[1]!.answer(`${OK}b`)
    expect(await Promise.all(answers.map(async (answer) => (await answer).text()))).toEqual([
      'a',
      'b',
    ])
    await closed
    expect(pool.counts.connections).toBe(0)
  })

  it('closes idle connections at once on close', async () => {
    const app = await rawResponder((req) => req.answer(`${OK}x`))
    const pool = new Pool({ socketPath: app.socketPath, idleTimeout: 600_000 })
    await (await pool.request()).discard()
    expect(pool.counts.idle).toBe(1)
    await pool.close()
    expect(pool.counts.connections).toBe(0)
  })

  it('lets those that wait try when a connection cannot be opened', async () => {
    const pool = new Pool({ socketPath: '/nowhere/app.sock', maxConnections: 1 })
    const both = await Promise.all([failure(pool.request()), failure(pool.request())])
    expect(both.map((error) => error.code)).toEqual(['FCGI_CONNECT', 'FCGI_CONNECT'])
    await pool.close()
  })
})
