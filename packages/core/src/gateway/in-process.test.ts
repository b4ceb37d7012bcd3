/** The gateway in front of the product's own server, joined as `serve` joins them. */
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { http, openHttp } from '../../../../test/support/http-client.ts'
import { until } from '../../../../test/support/until.ts'
import { connectInMemory } from '../server/gateway-door.ts'
import { createServer } from '../server/server.ts'
import { type GatewayOptions, startGateway } from './gateway.ts'
import { WEB_SERVERS } from './web-servers.ts'

async function serving(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  options: Partial<GatewayOptions> = {},
): Promise<number> {
  const server = createServer({ warn: () => {}, script: '/srv/app/app.fcgi' }, listener)
  const gateway = await startGateway({
    connect: () => connectInMemory(server),
    port: 0,
    env: {},
    log: false,
    documentRoot: '/srv/app',
    ...options,
  })
  onTestFinished(async () => {
    await gateway.close(0)
    server.closeAllConnections()
  })
  return gateway.port
}

describe('the gateway before a server of its process', () => {
  it('relays a large upload and its echo unchanged', async () => {
    const body = randomBytes(5_000_000)
    const port = await serving((req, res) => void req.pipe(res))
    for (const sized of [true, false]) {
      const response = await http({
        port,
        method: 'POST',
        body: sized
          ? body
          : (async function* () {
              for (let at = 0; at < body.length; at += 70_001) yield body.subarray(at, at + 70_001)
            })(),
      })
      expect(response.complete).toBe(true)
      expect(createHash('sha1').update(response.body).digest('hex')).toBe(
        createHash('sha1').update(body).digest('hex'),
      )
    }
  })

  it('slows a handler down whose client does not read', async () => {
    let written = 0
    const port = await serving((_, res) => {
      const more = (): void => {
        while (written < 2_000) {
          written++
          if (!res.write(Buffer.alloc(65_536))) {
            res.once('drain', more)
            return
          }
        }
        res.end()
      }
      more()
    })
    const stream = await openHttp({ port })
    await new Promise((resolve) => setTimeout(resolve, 200))
    const stalled = written
    expect(stalled).toBeLessThan(500)
    stream.destroy()
  })

  it('slows a client down whose handler does not read', async () => {
    let sent = 0
    const port = await serving((req, res) => {
      setTimeout(() => {
        const stalled = sent
        req.resume().once('end', () => res.end(String(stalled)))
      }, 200)
    })
    const response = await http({
      port,
      method: 'POST',
      body: (async function* () {
        for (; sent < 1_000; sent++) yield Buffer.alloc(65_536)
      })(),
    })
    expect(Number(response.text)).toBeLessThan(500)
  })

  it('tells the handler when the client goes away', async () => {
    const seen: string[] = []
    const port = await serving((req, res) => {
      req.on('aborted', () => seen.push('aborted'))
      res.on('close', () => seen.push('close'))
      req.fastcgi.signal.addEventListener('abort', () => seen.push('signal'))
      res.write('part')
    })
    const stream = await openHttp({ port })
    stream.destroy()
    await until(() => seen.length === 3, 'all three')
    expect(seen.toSorted()).toEqual(['aborted', 'close', 'signal'])
  })

  it('cuts a response that the handler gives up', async () => {
    const port = await serving((_, res) => {
      res.write('part')
      setImmediate(() => res.destroy())
    })
    const response = await http({ port })
    expect([response.text, response.complete]).toEqual(['part', false])
  })

  it('answers 502 when the handler gives up before the head', async () => {
    const port = await serving((_, res) => void res.destroy())
    expect((await http({ port })).status).toBeGreaterThanOrEqual(500)
  })

  it('takes an answer to an upload that nobody reads', async () => {
    const port = await serving((_, res) => void res.writeHead(413).end('too much'))
    const response = await http({ port, method: 'POST', body: Buffer.alloc(3_000_000) })
    expect([response.status, response.text]).toEqual([413, 'too much'])
  })

  it('keeps HEAD, 204 and 304 without body', async () => {
    const port = await serving((req, res) => {
      res.statusCode = Number(req.url?.slice(1))
      res.end('body')
    })
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      const response = await http({ port, method, target: `/${status}` })
      expect([response.status, response.text, response.complete]).toEqual([status, '', true])
    }
  })

  it('serves many at once', async () => {
    const port = await serving((req, res) => {
      setImmediate(() => res.end(req.url))
    })
    const targets = Array.from({ length: 100 }, (_, index) => `/${index}`)
    const texts = await Promise.all(
      targets.map(async (target) => (await http({ port, target })).text),
    )
    expect(texts).toEqual(targets)
  })

  describe.each(WEB_SERVERS)('as %s', (as) => {
    const listener = (req: IncomingMessage, res: ServerResponse): void => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => {
        const { url, method, headers } = req
        const { mount } = req.fastcgi
        res.end(
          JSON.stringify({
            url,
            method,
            mount,
            body: Buffer.concat(chunks).toString(),
            length: headers['content-length'],
            chunked: headers['transfer-encoding'],
            cookie: headers.cookie,
          }),
        )
      })
    }

    it('gives the target as it was asked for, at the root', async () => {
      const port = await serving(listener, { as })
      for (const target of ['/', '/a//b?c=%2F', '/a/', '/app.fcgi/x', '/%C3%BC?x']) {
        const response = await http({ port, target })
        expect([target, response.json().url, response.json().mount]).toEqual([target, target, ''])
      }
    })

    it('gives a chunked upload whole', async () => {
      const port = await serving(listener, { as })
      const response = await http({
        port,
        method: 'POST',
        body: (async function* () {
          yield 'one '
          await new Promise((resolve) => setTimeout(resolve, 20))
          yield 'two'
        })(),
      })
      const seen = response.json()
      expect(seen.body).toBe('one two')
      expect(seen.length === '7' || seen.chunked === 'chunked').toBe(true)
    })
  })

  it.each([
    [undefined, '/app', '/x'],
    ['apache-mod_fcgid', '/app', '/x'],
    ['nginx', '/app', '/x'],
    // What these send does not tell the mount: the option `mount` of the server must.
    ['apache-mod_proxy_fcgi', '', '/app/x'],
    ['lighttpd', '', '/app/x'],
    ['caddy', '', '/app/x'],
    ['h2o', '', '/app/x'],
  ] as const)('as %s at /app: mount %j, url %j', async (as, mount, url) => {
    const port = await serving((req, res) => void res.end(`${req.fastcgi.mount} ${req.url}`), {
      mount: '/app',
      ...(as === undefined ? {} : { as }),
    })
    expect((await http({ port, target: '/app/x' })).text).toBe(`${mount} ${url}`)
  })
})
