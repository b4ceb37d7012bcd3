import fs from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../../test/support/compiled-core.ts'
import {
  killLeftovers,
  startNode,
  type NodeProcess,
} from '../../../../../test/support/node-process.ts'
import { until } from '../../../../../test/support/until.ts'
import { request } from '../../client/request.ts'
import type { Status } from './status.ts'

let core: CompiledCore
let number = 0

beforeAll(async () => {
  core = await compileCore()
})
afterEach(killLeftovers)
afterAll(() => core.remove())

interface Started extends NodeProcess {
  readonly socketPath: string
  readonly folder: string
}

/** `options` is the text of an object's inside; `folder` is there by that name. */
async function start(
  options: string,
  app = `(req, res) => res.end('app ' + req.url)`,
): Promise<Started> {
  number += 1
  const folder = path.join(core.folder, `observe-${number}`)
  const file = core.write(
    `observe-${number}/serve.mjs`,
    `import { serve, currentRequestId } from '@fastcgi/core'
     import http from 'node:http'
     const folder = ${JSON.stringify(folder)}
     await serve(() => ({ default: ${app} }), { env: false, ${options} })`,
  )
  const socketPath = path.join(folder, 's')
  const started = startNode({ file, env: { FASTCGI_LISTEN: socketPath } })
  await started.waitForStderr(/listening on/)
  return { ...started, socketPath, folder }
}

async function get(
  socketPath: string,
  url = '/',
  more: { params?: Record<string, string>; headers?: Record<string, string> } = {},
): Promise<{ status: number; type: string; text: string }> {
  const response = await request({ socketPath, path: url, ...more })
  const type = String(response.headers['content-type'])
  return { status: response.status, type, text: await response.text() }
}

async function stop(started: NodeProcess): Promise<void> {
  started.child.kill('SIGTERM')
  expect(await started.ended).toBe(0)
}

describe('ping', () => {
  it('answers pong and nothing else, below the mount; other paths are the app’s', async () => {
    const started = await start(`ping: '/ping', mount: '/app'`)
    const pong = { status: 200, type: 'text/plain; charset=utf-8', text: 'pong' }
    await until(async () => (await get(started.socketPath, '/app/')).status === 200, 'the app')
    expect(await get(started.socketPath, '/app/ping')).toEqual(pong)
    expect(await get(started.socketPath, '/app/ping?full')).toEqual(pong)
    expect(await get(started.socketPath, '/app/pings')).toMatchObject({ text: 'app /pings' })
    await stop(started)
  })

  it('is 503 where the app could not be loaded', async () => {
    const started = await start(`ping: '/ping'`, '(() => { throw new Error("broken") })()')
    expect(await get(started.socketPath, '/ping')).toMatchObject({ status: 503 })
    await stop(started)
  })
})

describe('status', () => {
  it('is told on a socket of its own, for its owner only, in three forms', async () => {
    const started = await start(
      `status: folder + '/status', slowLog: 200`,
      `(req, res) => req.url === '/gone' ? req.socket.destroy(new Error('given up'))
        : setTimeout(() => res.end('x'.repeat(1000)), 300)`,
    )
    const status = path.join(started.folder, 'status')
    expect(fs.statSync(status).mode & 0o777).toBe(0o600)
    await get(started.socketPath, '/a?secret')
    await get(started.socketPath, '/gone').catch(() => {})
    const { type, text } = await get(status, '/status.json')
    expect(type).toBe('application/json')
    const known = JSON.parse(text) as Status
    expect(known).toMatchObject({
      requests: { accepted: 2, active: 0, failed: 1, refused: 0, slow: 1 },
      connections: { accepted: 2, waiting: 0 },
      workers: [{ pid: started.pid, state: 'ready', requests: 2 }],
    })
    expect(known.recentSlow).toEqual([
      {
        time: expect.any(String),
        method: 'GET',
        path: '/a',
        status: 200,
        durationMs: expect.any(Number),
      },
    ])
    expect(known.bytes.read).toBeGreaterThan(100)
    expect(known.bytes.written).toBeGreaterThan(1000)
    expect(known.memory.rss).toBeGreaterThan(1e6)
    const metrics = await get(status, '/metrics')
    expect(metrics.type).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(metrics.text).toMatch(
      /^# TYPE fastcgi_requests_total counter\nfastcgi_requests_total 2$/m,
    )
    for (const line of metrics.text.trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{pid="\d+",state="\w+"\})? [\d.]+)$/)
    }
    const page = await get(status, '/', { headers: { Accept: 'text/html,*/*' } })
    expect(page.type).toBe('text/html; charset=utf-8')
    expect(page.text).toContain('<h1>Up for ')
    await stop(started)
    expect(fs.existsSync(status)).toBe(false)
  })

  it('counts who was refused and who left, and how late the event loop was; no client puts HTML on the page', async () => {
    const started = await start(
      `status: folder + '/status', slowLog: 200, maxRequests: 1`,
      `(req, res) => {
        if (req.url === '/wait') return console.error('waits')
        // A delay is told from the first look at the loop after the last question on.
        setTimeout(() => {
          for (const end = Date.now() + 300; Date.now() < end;);
          res.end()
        }, 100)
      }`,
    )
    const status = path.join(started.folder, 'status')
    const ask = async (): Promise<Status> =>
      JSON.parse((await get(status, '/status.json')).text) as Status
    const leaving = new AbortController()
    const { socketPath } = started
    const left = request({ socketPath, path: '/wait', signal: leaving.signal })
    await started.waitForStderr(/waits/)
    expect(await get(socketPath, '/')).toMatchObject({ status: 503 })
    expect((await ask()).requests).toMatchObject({ active: 1, refused: 1, aborted: 0 })
    leaving.abort()
    await expect(left).rejects.toThrow(/abort/i)
    await until(async () => (await ask()).requests.aborted === 1, 'it to have left')
    await get(socketPath, '/<b>bold')
    expect((await ask()).loopDelay.max).toBeGreaterThan(150)
    const { text } = await get(status, '/?html')
    expect(text).toContain('/&#60;b&#62;bold')
    expect(text).not.toContain('<b>')
    await stop(started)
  })

  it('is told in place of the app where the web server passes the secret, not where a client does', async () => {
    const secret = 'a secret of the server'
    const started = await start(`statusSecret: '${secret}'`)
    const told = await get(started.socketPath, '/', { params: { FASTCGI_STATUS: secret } })
    expect(JSON.parse(told.text)).toMatchObject({ requests: { accepted: 1 } })
    const others: Record<string, string>[] = [
      { FASTCGI_STATUS: 'wrong' },
      { HTTP_FASTCGI_STATUS: secret },
    ]
    for (const params of others) {
      expect((await get(started.socketPath, '/x', { params })).text).toBe('app /x')
    }
    const headers = { FASTCGI_STATUS: secret, 'FastCGI-Status': secret }
    expect((await get(started.socketPath, '/x', { headers })).text).toBe('app /x')
    await stop(started)
  })

  it('adds workers up, those that have ended included, whoever is asked', async () => {
    const secret = 'a secret of the server'
    const started = await start(
      `workers: 2, status: { listen: folder + '/status', mode: 0o660 }, statusSecret: '${secret}'`,
    )
    const status = path.join(started.folder, 'status')
    expect(fs.statSync(status).mode & 0o777).toBe(0o660)
    for (let i = 0; i < 10; i += 1) await get(started.socketPath)
    const ask = async (): Promise<Status> =>
      JSON.parse((await get(status, '/status.json')).text) as Status
    // Workers tell once a second.
    await until(async () => (await ask()).requests.accepted === 10, 'all requests counted')
    started.child.kill('SIGHUP')
    await started.waitForStderr(/reloaded: 2/)
    await until(async () => (await ask()).workers.length === 2, 'the end of the old workers')
    const known = await ask()
    expect(known.requests.accepted).toBe(10)
    expect(known.pool).toMatchObject({ workers: 2, ready: 2, crashed: 0, reloads: 1 })
    const told = await get(started.socketPath, '/', { params: { FASTCGI_STATUS: secret } })
    expect(JSON.parse(told.text)).toMatchObject({ pool: { workers: 2, reloads: 1 } })
    expect((await get(status, '/?prometheus')).text).toContain('fastcgi_reloads_total 1')
    await stop(started)
  })

  it('is no reason to fail where its socket cannot be had', async () => {
    const started = await start(`status: '/nowhere/status.sock'`)
    expect(started.stderr()).toMatch(/there is no status socket: .*\/nowhere\/status\.sock/)
    expect((await get(started.socketPath)).text).toBe('app /')
    await stop(started)
    const public_ = await start(`status: '0.0.0.0:0'`)
    expect(public_.stderr()).toContain(
      'there is no status socket: the status socket listens on this',
    )
    await stop(public_)
  })
})

describe('accessLog', () => {
  const client = {
    params: {
      REMOTE_ADDR: '192.0.2.7',
      REMOTE_USER: 'an "admin" ]',
      AUTH_TYPE: 'Basic',
      SERVER_SOFTWARE: 'Apache/2.4',
    },
    headers: { Referer: 'http://e/"\u00e9[31m', 'User-Agent': 'agent\\1' },
  }

  it('combined: a line for each request, which nothing in it can end or forge', async () => {
    const started = await start(`accessLog: { to: folder + '/access.log' }`)
    await get(started.socketPath, '/a?b="c"', client)
    await get(started.socketPath, '/plain', { params: { REMOTE_ADDR: '' } })
    await stop(started)
    const lines = fs.readFileSync(path.join(started.folder, 'access.log'), 'utf8').split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(
      /^192\.0\.2\.7 - an\\x20\\x22admin\\x22\\x20\\x5d \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/a\?b=\\x22c\\x22 HTTP\/1\.1" 200 \d+ "http:\/\/e\/\\x22\\xe9\[31m" "agent\\x5c1"$/,
    )
    expect(lines[1]).toMatch(/^- - - \[.*\] "GET \/plain HTTP\/1\.1" 200 10 "-" "-"$/)
  })

  it('json and common; to a function; an app that is an http.Server', async () => {
    const app = 'http.createServer((req, res) => res.writeHead(404).end("none"))'
    const json = await start(
      `accessLog: { format: 'json', to: (line) => process.stderr.write(line + '\\n') }, requestIds: true`,
      app,
    )
    await get(json.socketPath, '/a', client)
    await json.waitForStderr(/^\{"time".*\}$/m)
    const line = /^\{"time".*\}$/m.exec(json.stderr())?.[0] ?? ''
    expect(JSON.parse(line)).toMatchObject({
      id: expect.stringMatching(/^[\w-]+$/),
      remoteAddress: '192.0.2.7',
      remoteUser: 'an "admin" ]',
      method: 'GET',
      url: '/a',
      status: 404,
      bytes: 4,
      durationMs: expect.any(Number),
      userAgent: 'agent\\1',
    })
    expect(line).not.toContain('\u001b')
    await stop(json)
    const common = await start(`accessLog: 'common'`)
    await get(common.socketPath, '/a', client)
    await stop(common)
    expect(common.stderr()).toMatch(/^192\.0\.2\.7 - .* "GET \/a HTTP\/1\.1" 200 6$/m)
  })

  it('goes to the web server by FCGI_STDERR, before the answer ends; towards HAProxy to descriptor 2', async () => {
    const started = await start(
      `accessLog: { format: '%m %r %s %b', to: 'web-server' }, slowLog: { threshold: 1, to: 'web-server' }`,
      `(req, res) => {
        if (req.url === '/parts') res.write('one, ')
        setTimeout(() => res.end('two'), 20)
      }`,
    )
    const ask = async (url: string, params: Record<string, string> = {}): Promise<string> => {
      const response = await request({ socketPath: started.socketPath, path: url, params })
      const body = await response.text()
      return `${body}|${response.stderr}`
    }
    expect(await ask('/parts')).toMatch(
      /^one, two\|(?:.*still running.*\n)?GET \/parts 200 8\n\S+ \[\d+\] slow: (?:ended after )?\d+ ms, .* GET \/parts\n$/,
    )
    expect(await ask('/a', { REQUEST_METHOD: 'HEAD' })).toMatch(/^\|HEAD \/a 200 0\n/)
    expect(await ask('/h', { SERVER_SOFTWARE: 'HAProxy 2.6.12' })).toBe('two|')
    await stop(started)
    expect(started.stderr()).toMatch(/^GET \/h 200 3$/m)
    expect(started.stderr()).not.toContain('/parts')
  })

  it('is opened anew on SIGUSR2, in workers too', async () => {
    const started = await start(`accessLog: { to: folder + '/access.log' }, workers: 1`)
    const file = path.join(started.folder, 'access.log')
    await get(started.socketPath, '/one')
    await until(() => fs.readFileSync(file, 'utf8').includes('/one'), 'the first line')
    fs.renameSync(file, `${file}.1`)
    started.child.kill('SIGUSR2')
    await until(() => fs.existsSync(file), 'the new file')
    await get(started.socketPath, '/two')
    await stop(started)
    expect(fs.readFileSync(file, 'utf8')).toContain('/two')
    expect(fs.readFileSync(`${file}.1`, 'utf8')).not.toContain('/two')
  })
})

describe('slowLog', () => {
  it('names what took longer, without its query', async () => {
    const started = await start(
      `slowLog: 50`,
      `(req, res) => req.url === '/quick' ? res.end() : setTimeout(() => res.end(), 100)`,
    )
    await get(started.socketPath, '/quick')
    await get(started.socketPath, '/slow?token=secret')
    // Where the machine was busy a look came in between.
    await started.waitForStderr(
      /slow: (?:ended after )?\d+ ms, event loop \d+ % busy, 200 GET \/slow$/m,
    )
    expect(started.stderr()).not.toContain('token')
    await stop(started)
  })

  /** Answers when `/go` is asked for; `/stream` has begun by then, and of `/big` more is sent than a connection holds. */
  const held = `(() => {
    const waiting = []
    return (req, res) => {
      if (req.url === '/go') {
        for (const other of waiting.splice(0)) other.end('late')
        return res.end()
      }
      if (req.url === '/big') {
        // Computes, so that no look comes before its end.
        for (const end = Date.now() + 60; Date.now() < end;);
        return res.end(Buffer.alloc(32 * 1024 * 1024))
      }
      if (req.url === '/stream') res.write('early, ')
      waiting.push(res)
    }
  })()`

  it('tells of a request that hangs while it does, once, and of its end', async () => {
    const started = await start(`slowLog: 50, requestIds: true`, held)
    const { socketPath } = started
    await get(socketPath, '/go')
    const hanging = get(socketPath, '/hang?token=secret')
    await started.waitForStderr(
      /slow: still running after \d+ ms, event loop \d+ % busy, no answer yet id \S+ GET \/hang$/m,
    )
    // Whoever comes later is told of by a later look.
    const stream = get(socketPath, '/stream')
    await started.waitForStderr(/slow: still running after .*, 200 begun id \S+ GET \/stream$/m)
    expect(started.stderr().match(/still running.* \/hang$/gm)).toHaveLength(1)
    await get(socketPath, '/go')
    expect(await hanging).toMatchObject({ status: 200, text: 'late' })
    expect((await stream).text).toBe('early, late')
    await started.waitForStderr(/slow: ended after \d+ ms, .* 200 id \S+ GET \/stream$/m)
    const lines = started.stderr().match(/\S+ \[\d+\] slow: .* GET \/hang$/gm) ?? []
    expect(lines).toHaveLength(2)
    expect(lines[1]).toMatch(/slow: ended after \d+ ms, .*, 200 id/)
    // By this time and the id the two are known to be of one request.
    expect(lines[1]!.split(' ', 1)).toEqual(lines[0]!.split(' ', 1))
    expect(started.stderr()).not.toContain('token')
    await stop(started)
  })

  it('tells of a client that has gone, and of one that does not read its answer', async () => {
    const started = await start(`slowLog: 50`, held)
    const leaving = new AbortController()
    const { socketPath } = started
    const left = request({ socketPath, path: '/hang', signal: leaving.signal })
    const unread = await request({ socketPath, path: '/big' })
    await started.waitForStderr(/still running after .*, no answer yet GET \/hang$/m)
    await started.waitForStderr(/still running after .*, 200 being sent GET \/big$/m)
    leaving.abort()
    await expect(left).rejects.toThrow(/abort/i)
    await started.waitForStderr(/slow: ended after \d+ ms, .*, 499 GET \/hang$/m)
    expect((await unread.text()).length).toBe(32 * 1024 * 1024)
    await started.waitForStderr(/slow: ended after \d+ ms, .*, 200 GET \/big$/m)
    await stop(started)
  })

  it('tells the web server while the request runs, and nothing more once its last line is written', async () => {
    const started = await start(`slowLog: { threshold: 50, to: 'web-server' }`, held)
    const { socketPath } = started
    // The app is loaded then: no request waits for it.
    await get(socketPath, '/go')
    // Of HAProxy's the lines go to descriptor 2, where none is dropped for coming after the end.
    const params = { SERVER_SOFTWARE: 'HAProxy 2.6.12' }
    const unread = await request({ socketPath, path: '/big', params })
    const stream = await request({ socketPath, path: '/stream' })
    const body = stream.text()
    await until(() => stream.stderr.includes('still running'), 'the line')
    await get(socketPath, '/go')
    expect(await body).toBe('early, late')
    expect(stream.stderr).toMatch(
      /^.*still running after .*, 200 begun GET \/stream\n.*slow: ended after .*, 200 GET \/stream\n$/,
    )
    // It has been looked at, too: it came first.
    await unread.text()
    await stop(started)
    expect(started.stderr().match(/\S+ \[\d+\] slow: .* GET \/big$/gm)).toEqual([
      expect.stringMatching(/ slow: \d+ ms, .*, 200 GET \/big$/),
    ])
  })

  it('tells that the process itself computed', async () => {
    const started = await start(
      `slowLog: 200`,
      `(req, res) => {
        for (const end = Date.now() + 300; Date.now() < end;);
        res.end()
      }`,
    )
    await get(started.socketPath, '/computes')
    await started.waitForStderr(/GET \/computes/)
    const [, busy] = /event loop (\d+) % busy, 200 GET \/computes/.exec(started.stderr()) ?? []
    expect(Number(busy)).toBeGreaterThan(80)
    await stop(started)
  })
})

describe('requestIds', () => {
  it('stand in front of console lines; the web server’s own id is taken, the client’s is not', async () => {
    const started = await start(
      `requestIds: true`,
      `async (req, res) => {
        await new Promise((r) => setImmediate(r))
        console.error('working on %s', decodeURIComponent(req.url))
        if (req.url === '/1') console.trace('here')
        res.end(currentRequestId())
      }`,
    )
    const ask = async (url: string, params: Record<string, string>): Promise<string> =>
      (await get(started.socketPath, url, { params })).text
    const [one, two] = await Promise.all([ask('/1', {}), ask('/2', { HTTP_X_REQUEST_ID: 'mine' })])
    expect(one).not.toBe(two)
    expect(two).not.toBe('mine')
    expect(await ask('/3', { UNIQUE_ID: 'Zx@k-9' })).toBe('Zx@k-9')
    expect(await ask('/4', { UNIQUE_ID: 'a\n[b] forged' })).not.toContain('forged')
    const five = await ask('/5%0A[other]%20forged', {})
    // The answer may be here before the line is.
    await started.waitForStderr(/\[other\] forged\n/)
    expect(started.stderr()).toContain(`[${five}] working on /5\n[${five}] [other] forged\n`)
    expect(started.stderr()).toMatch(
      new RegExp(`^\\[${one}\\] Trace: here\\n\\[${one}\\]     at `, 'm'),
    )
    for (const [id, url] of [
      [one, '/1'],
      [two, '/2'],
      ['Zx@k-9', '/3'],
    ]) {
      expect(started.stderr()).toContain(`[${id}] working on ${url}\n`)
    }
    await stop(started)
  })
})

describe('options', () => {
  it.each([
    [`statusSecret: 'short'`, /statusSecret has at least 16/],
    [`ping: 'ping'`, /option ping is a path/],
    [`accessLog: 'nginx'`, /accessLog is one of common, combined, json/],
    [`accessLog: '%r %z'`, /accessLog: unknown %z in "%r %z"/],
    [`slowLog: 0`, /slowLog is milliseconds above 0/],
  ])('%s is refused', async (option, message) => {
    const file = core.write(
      'bad.mjs',
      `import { serve } from '@fastcgi/core'\nawait serve(() => {}, { ${option} })`,
    )
    const started = startNode({ file, args: ['--listen', path.join(core.folder, 'bad.sock')] })
    expect(await started.ended).toBe(1)
    expect(started.stderr()).toMatch(message)
  })
})
