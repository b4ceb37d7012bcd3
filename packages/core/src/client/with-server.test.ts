/** The client before the product's own server. */
import { mkdtempSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { until } from '../../../../test/support/until.ts'
import type { ServerOptions } from '../server/options.ts'
import { createServer } from '../server/server.ts'
import { Pool } from './pool.ts'
import { request } from './request.ts'
import { getValues } from './values.ts'

async function serving(listener: RequestListener, options: ServerOptions = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'fastcgi-client-'))
  const socketPath = join(folder, 'app.sock')
  const server = createServer({ warn: () => {}, ...options }, listener)
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    rmSync(folder, { recursive: true, force: true })
  })
  return socketPath
}

describe('the client before our server', () => {
  it('asks, and gets head, body and end', async () => {
    const socketPath = await serving((req, res) => {
      res.setHeader('Set-Cookie', ['a=1', 'b=2'])
      res.writeHead(201, 'Made', { 'X-Url': req.url ?? '' })
      res.write('one ')
      res.end('two')
    })
    const response = await request({ socketPath, path: '/a%2Fb?c', headers: { Host: 'x.example' } })
    expect([response.status, response.statusText]).toEqual([201, 'Made'])
    expect(response.headers['x-url']).toBe('/a%2Fb?c')
    expect(response.headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(await response.text()).toBe('one two')
    expect([response.appStatus, response.protocolStatus]).toEqual([0, 0])
  })

  it('tells the mount', async () => {
    const socketPath = await serving((req, res) => void res.end(`${req.fastcgi.mount} ${req.url}`))
    expect(await (await request({ socketPath, path: '/app/x?y', mount: '/app' })).text()).toBe(
      '/app /x?y',
    )
  })

  it('is mounted by an option, at a path of whatever letters', async () => {
    const socketPath = await serving(
      (req, res) => void res.end(`${req.fastcgi.mount} ${req.url}`),
      { mount: '/läden' },
    )
    const response = await request({ socketPath, path: '/l%C3%A4den/x' })
    expect(await response.text()).toBe('/l%C3%A4den /x')
  })

  it('sends many requests over few kept connections', async () => {
    const socketPath = await serving((req, res) => void req.pipe(res))
    const pool = new Pool({ socketPath, maxConnections: 3 })
    onTestFinished(() => pool.destroy())
    const bodies = Array.from({ length: 60 }, (_, index) => `${index} `.repeat(index * 100))
    const echoes = await Promise.all(
      bodies.map(async (body) => (await pool.request({ method: 'PUT', body })).text()),
    )
    expect(echoes).toEqual(bodies)
    expect(pool.counts).toEqual({ connections: 3, idle: 3, waiting: 0 })
  })

  it('reuses a connection whose upload was answered early', async () => {
    const socketPath = await serving((req, res) => {
      if (req.method === 'POST') res.writeHead(413).end()
      else res.end('next')
    })
    const pool = new Pool({ socketPath, maxConnections: 1 })
    onTestFinished(() => pool.destroy())
    for (let round = 0; round < 3; round++) {
      const early = await pool.request({ method: 'POST', body: Buffer.alloc(500_000) })
      await early.discard()
      expect(early.status).toBe(413)
      expect(await (await pool.request()).text()).toBe('next')
    }
  })

  it('is heard when it gives up', async () => {
    const closed: string[] = []
    const socketPath = await serving((req, res) => {
      res.on('close', () => closed.push(req.url ?? ''))
      res.write('part')
    })
    const response = await request({ socketPath, path: '/destroyed' })
    response.body.destroy()
    const stop = new AbortController()
    const aborted = await request({ socketPath, path: '/aborted', signal: stop.signal })
    stop.abort()
    await expect(aborted.text()).rejects.toThrow('abort')
    await until(() => closed.length === 2, 'both closes')
  })

  it('sees a cut as a cut', async () => {
    const socketPath = await serving((_, res) => {
      res.write('part')
      setImmediate(() => res.destroy())
    })
    const response = await request({ socketPath })
    await expect(response.text()).rejects.toMatchObject({ code: 'FCGI_CUT' })
  })

  it('gets what is written to the error stream', async () => {
    const socketPath = await serving((req, res) => {
      req.fastcgi.stderr.write('careful\n')
      res.end()
    })
    const response = await request({ socketPath })
    await response.discard()
    expect(response.stderr).toContain('careful')
  })

  it('asks for its values', async () => {
    const socketPath = await serving(() => {}, { maxConnections: 7, maxRequests: 9 })
    expect(Object.fromEntries(await getValues({ socketPath }))).toEqual({
      FCGI_MAX_CONNS: '7',
      FCGI_MAX_REQS: '9',
      FCGI_MPXS_CONNS: '1',
    })
  })

  it('is refused a role that is not served', async () => {
    const socketPath = await serving(() => {})
    await expect(request({ socketPath, role: 'authorizer' })).rejects.toMatchObject({
      code: 'FCGI_UNKNOWN_ROLE',
    })
  })
})
