import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { request as ask } from '../../packages/core/src/client/request.ts'
import { compileCore, type CompiledCore } from '../support/compiled-core.ts'
import { killLeftovers, startNode, type NodeProcessOptions } from '../support/node-process.ts'
import { begin, params, request, stdin } from '../support/raw.ts'
import { bodyOf, connect, requestParams } from '../support/raw-peer.ts'
import { until } from '../support/until.ts'
import { serving } from './serving.ts'

let core: CompiledCore
let number = 0

beforeAll(async () => {
  core = await compileCore()
})
afterEach(killLeftovers)
afterAll(() => core.remove())

async function start(text: string, options: Partial<NodeProcessOptions> = {}) {
  number += 1
  const socketPath = path.join(core.folder, `fault-${number}.sock`)
  const file = core.write(`fault-${number}.mjs`, `import { serve } from '@fastcgi/core'\n${text}`)
  const env = { FASTCGI_LISTEN: socketPath, NODE_ENV: 'test', ...options.env }
  const started = startNode({ file, ...options, env })
  await started.waitForStderr(/listening on/)
  return { ...started, socketPath }
}

async function get(socketPath: string, url = '/') {
  const response = await ask({ socketPath, path: url, timeout: 20_000 })
  return { status: response.status, text: await response.text() }
}

const site = `
  await serve((req, res) => {
    if (req.url === '/throw') throw new Error('a fault of the app')
    if (req.url === '/reject') return Promise.reject(new Error('a fault of the app'))
    if (req.url === '/message') { res.statusMessage = 'a fault of the app\\r\\nX: y'; res.end() }
    if (req.url === '/later') { res.write('half'); return Promise.reject(new Error('later')) }
    if (req.url === '/twice') { res.end('once'); res.end('twice'); return }
    if (req.url === '/more') { res.end('once'); res.write('more'); return }
    if (req.url === '/error') return void res.emit('error', new Error('a fault of the app'))
    if (req.url === '/odd') { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy }
    if (req.url === '/odder') return Promise.reject({ get stack() { throw this }, get message() { throw this } })
    if (req.url === '/long') throw new Error('a fault of the app'.repeat(100_000))
    if (req.url === '/block') { const end = Date.now() + 700; while (Date.now() < end); }
    res.end('well ' + process.pid)
  }, { paramsTimeout: 1000 })`

describe('out of descriptors', () => {
  it('connections are turned away, nothing ends, and it recovers', async () => {
    const started = await start(site, { shell: 'ulimit -n 60; exec "$@"' })
    const sockets: net.Socket[] = []
    for (let n = 0; n < 120; n++) {
      const socket = net.connect(started.socketPath)
      socket.on('error', () => {})
      sockets.push(socket)
      await Promise.race([once(socket, 'connect'), once(socket, 'close')])
    }
    // Some were accepted, the others closed or left in the backlog.
    for (const socket of sockets) socket.destroy()
    await until(async () => {
      try {
        return (await get(started.socketPath)).status === 200
      } catch {
        return false
      }
    }, 'an answer')
    for (let n = 0; n < 20; n++)
      expect(await get(started.socketPath)).toEqual({ status: 200, text: `well ${started.pid}` })
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
  })
})

describe('a handler', () => {
  it.each(['/throw', '/reject', '/message', '/error'])(
    '%s costs its request: 500, a stack in the log',
    async (url) => {
      const started = await start(site)
      const answers = await Promise.all([get(started.socketPath, url), get(started.socketPath)])
      expect(answers.map(({ status }) => status)).toEqual([500, 200])
      await started.waitForStderr(/(?:a fault of the app|Invalid character)[^]*at /)
      expect(await get(started.socketPath)).toMatchObject({ status: 200 })
    },
  )

  it.each(['/twice', '/more'])(
    '%s: its answer stands, the log says it, and the process goes on',
    async (url) => {
      const started = await start(site)
      expect(await get(started.socketPath, url)).toEqual({ status: 200, text: 'once' })
      await started.waitForStderr(/write after end[^]*at /)
      expect(await get(started.socketPath)).toMatchObject({ text: `well ${started.pid}` })
    },
  )

  it.each(['/odd', '/odder'])('%s throws what cannot be shown: 500, and a line', async (url) => {
    const started = await start(site)
    expect(await get(started.socketPath, url)).toMatchObject({ status: 500 })
    await started.waitForStderr(/a value .*\n.*FCGI_HANDLER_FAILED /)
    expect(await get(started.socketPath)).toMatchObject({ text: `well ${started.pid}` })
  })

  it('throws a message without end: the log has its beginning', async () => {
    const started = await start(site)
    expect(await get(started.socketPath, '/long')).toMatchObject({ status: 500 })
    await started.waitForStderr(/a fault of the app.* and \d{7} characters more\n/)
    expect(started.stderr().length).toBeLessThan(200_000)
  })

  it('that rejects in the middle of its response has it cut', async () => {
    const started = await start(site)
    await expect(get(started.socketPath, '/later')).rejects.toThrow(/connection|response/i)
    expect(await get(started.socketPath)).toMatchObject({ status: 200 })
  })

  it('that blocks delays others, and no time limit is mistaken for theirs', async () => {
    const started = await start(site)
    const answers = await Promise.all(
      ['/', '/block', '/block', '/block', '/'].map((url) => get(started.socketPath, url)),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  })
})

describe('a worker', () => {
  it('that tells the first process nonsense does not end it', async () => {
    const started = await start(
      `const nonsense = [null, 'x', {}, { fastcgi: 'beat' }, { fastcgi: 'surplus', open: 'x' },
         { fastcgi: 'listening', socket: 99, well: true }, { fastcgi: 'taken' }, { fastcgi: 'recycle' }, { fastcgi: {} }]
       await serve(() => ({ default: (req, res) => {
         if (req.url === '/nonsense') for (const message of nonsense) process.send(message)
         res.end('well')
       } }), { workers: 1 })`,
    )
    await until(async () => (await get(started.socketPath)).status === 200, 'a worker')
    expect((await get(started.socketPath, '/nonsense')).text).toBe('well')
    // It may have asked to be replaced.
    await until(async () => (await get(started.socketPath)).text === 'well', 'an answer')
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
  })
})

describe('a connection that breaks', () => {
  it.each(['unix', 'tcp'] as const)(
    'at any moment: nothing stays behind, over %s',
    async (over) => {
      const {
        address,
        connect: peerConnect,
        server,
      } = await serving(
        (req, res) => {
          if (req.url === '/big') return void res.end(Buffer.alloc(4_000_000))
          req.pipe(res)
        },
        {},
        over,
      )
      const upload = Buffer.concat([
        begin(1, 1, 1),
        params(1, requestParams('/', 'POST', { CONTENT_LENGTH: '100000' })),
        stdin(1, Buffer.alloc(50_000)),
      ])
      const breaks: ((socket: net.Socket) => void)[] = [
        (socket) => void socket.destroy(),
        (socket) => void socket.end(),
        // A reset, where there is one.
        (socket) => void (over === 'tcp' ? socket.resetAndDestroy() : socket.destroy()),
      ]
      for (const bytes of [
        Buffer.alloc(0),
        upload.subarray(0, 5),
        upload.subarray(0, 20),
        upload,
        request(1, { params: requestParams('/big'), keep: true }),
      ]) {
        for (const cut of breaks) {
          const peer = await connect(address)
          peer.socket.pause()
          if (bytes.length > 0) await peer.flush(bytes)
          await new Promise((resolve) => setTimeout(resolve, 5))
          cut(peer.socket)
          peer.socket.resume()
        }
      }
      await until(() => server.statistics.openConnections === 0, 'all to be gone')
      expect(server.statistics.running).toBe(0)
      const peer = await peerConnect()
      peer.write(
        request(1, { params: requestParams('/', 'POST'), body: 'still there', keep: true }),
      )
      expect(bodyOf(await peer.answer(1))).toBe('still there')
    },
  )
})

describe('the socket file', () => {
  it('deleted or replaced while running: those connected are served, the log says it, the other is left', async () => {
    const started = await start(site)
    const peer = await connect(started.socketPath)
    fs.unlinkSync(started.socketPath)
    const other = net.createServer((socket) => socket.end())
    other.listen(started.socketPath)
    await once(other, 'listening')
    peer.write(request(1, { params: requestParams(), keep: true }))
    expect(bodyOf(await peer.answer(1))).toBe(`well ${started.pid}`)
    await started.waitForStderr(/has been deleted or replaced/)
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
    expect(fs.existsSync(started.socketPath)).toBe(true)
    other.close()
  })

  // Longer than the five seconds between two looks at the file.
  it('is taken away by a stop, which is no reason to warn however long that takes', async () => {
    const started = await start(
      `await serve((req, res) => { if (req.url !== '/never') res.end('well') }, { drainTimeout: 5500 })`,
    )
    await get(started.socketPath)
    const peer = await connect(started.socketPath)
    peer.write(request(1, { params: requestParams('/never') }))
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
    expect(started.stderr()).toMatch(/finishing what runs/)
    expect(started.stderr()).not.toMatch(/deleted or replaced/)
  })

  it('in a folder that cannot be written: says so, and ends with an error', async () => {
    // A file where the folder should be: the same for root.
    const file = core.write('no-folder', '')
    const script = core.write('refused.mjs', `import { serve } from '@fastcgi/core'\n${site}`)
    const started = startNode({ file: script, env: { FASTCGI_LISTEN: `${file}/app.sock` } })
    expect(await started.ended).not.toBe(0)
    expect(started.stderr()).toMatch(/no-folder\/app\.sock/)
  })
})
