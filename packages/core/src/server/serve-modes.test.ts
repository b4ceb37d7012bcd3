import fs from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
  type NodeProcessOptions,
} from '../../../../test/support/node-process.ts'
import { request } from '../client/request.ts'
import type { Target } from '../client/options.ts'

let core: CompiledCore
let app = ''

beforeAll(async () => {
  core = await compileCore()
  app = core.write(
    'app.fcgi.mjs',
    `import { serve } from '@fastcgi/core'
     await serve(() => (req, res) => {
       console.log('console', req.url)
       res.setHeader('Content-Type', 'application/json')
       let body = ''
       req.on('data', (chunk) => (body += chunk)).on('end', () =>
         res.end(JSON.stringify({ url: req.url, body, args: process.argv.slice(2), env: process.env })))
     })`,
  )
})

afterEach(() => {
  killLeftovers()
})

afterAll(() => core.remove())

interface Answer {
  url: string
  body: string
  args: string[]
  env: Record<string, string>
}

async function ask(target: Target, url = '/hello?x=1'): Promise<Answer> {
  const response = await request({ ...target, path: url, method: 'POST', body: 'ping' })
  expect(response.status).toBe(200)
  return JSON.parse(await response.text()) as Answer
}

async function stop(started: NodeProcess): Promise<void> {
  started.child.kill('SIGTERM')
  expect(await started.ended).toBe(0)
}

const cgiEnv = {
  GATEWAY_INTERFACE: 'CGI/1.1',
  REQUEST_METHOD: 'GET',
  REQUEST_URI: '/page',
  SCRIPT_NAME: '',
  PATH_INFO: '/page',
  QUERY_STRING: '',
  SERVER_PROTOCOL: 'HTTP/1.1',
}

/** Descriptor 0 as everything that is not a listening socket. */
const notListening: [name: string, options: () => Partial<NodeProcessOptions>][] = [
  ['one end of a socketpair', () => ({ stdin: 'pipe' as const })],
  ['a pipe', () => ({ shell: 'true | exec "$@"' })],
  ['a file', () => ({ stdin: fs.openSync(core.write('empty', ''), 'r') })],
  ['the null device', () => ({ stdin: 'ignore' as const })],
  ['closed', () => ({ shell: 'exec "$@" <&-' })],
]

describe('descriptor 0', () => {
  it('is served when it is a listening unix socket', async () => {
    const socketPath = path.join(core.folder, 'fd0.sock')
    const started = startNode({ file: app, stdin: await listeningServer(socketPath) })
    await started.waitForStderr(/listening on fd:0 \(.*fd0\.sock.*\)/)
    expect(await ask({ socketPath })).toMatchObject({ url: '/hello?x=1', body: 'ping' })
    await stop(started)
    // The file belongs to whoever made the socket.
    expect(fs.existsSync(socketPath)).toBe(true)
  })

  it('is served when it is a listening TCP socket', async () => {
    const server = await listeningServer({ port: 0 })
    const { port } = server.address() as AddressInfo
    const started = startNode({ file: app, stdin: server })
    await started.waitForStderr(/listening on fd:0/)
    expect(await ask({ port })).toMatchObject({
      body: 'ping',
    })
    await stop(started)
  })

  it('is served when it listens although CGI variables are set', async () => {
    const socketPath = path.join(core.folder, 'fd0-cgi.sock')
    const started = startNode({ file: app, stdin: await listeningServer(socketPath), env: cgiEnv })
    await started.waitForStderr(/listening on fd:0/)
    expect(await ask({ socketPath })).toMatchObject({ body: 'ping' })
    await stop(started)
  })

  it.each(notListening)('means usage and status 64 when it is %s', async (_name, options) => {
    const started = startNode({ file: app, ...options() })
    expect(await started.ended).toBe(64)
    expect(started.stderr()).toMatch(
      /No listening socket on descriptor 0.*\n\nUsage: app\.fcgi\.mjs /,
    )
    expect(started.stdout()).toHaveLength(0)
  })

  it.each(notListening)(
    'means CGI with its variables when it is %s, and arguments are not read',
    async (_name, options) => {
      const started = startNode({
        file: app,
        args: ['--listen', '0.0.0.0:9000', '--help'],
        env: { ...cgiEnv, FASTCGI_LISTEN: '127.0.0.1:9000', LISTEN_FDS: '1', LISTEN_PID: '1' },
        ...options(),
      })
      expect(await started.ended).toBe(0)
      const [head = '', body = ''] = started.stdout().toString().split('\r\n\r\n')
      expect(head).toMatch(/^Content-Type: application\/json\r\n[^]*Status: 200 OK$/)
      expect(JSON.parse(body)).toMatchObject({
        url: '/page',
        args: ['--listen', '0.0.0.0:9000', '--help'],
      })
    },
  )
})

describe('a socket of its own', () => {
  it('comes from FASTCGI_LISTEN: mode 0660, removed at the end', async () => {
    const socketPath = path.join(core.folder, 'own.sock')
    const started = startNode({ file: app, env: { FASTCGI_LISTEN: socketPath } })
    await started.waitForStderr(/listening on .*own\.sock/)
    expect(fs.lstatSync(socketPath).mode & 0o777).toBe(0o660)
    expect(await ask({ socketPath })).toMatchObject({ body: 'ping' })
    await stop(started)
    expect(fs.existsSync(socketPath)).toBe(false)
  })

  it('comes from --listen, before FASTCGI_LISTEN', async () => {
    const socketPath = path.join(core.folder, 'argument.sock')
    const started = startNode({
      file: app,
      args: ['--listen', socketPath],
      env: { FASTCGI_LISTEN: path.join(core.folder, 'variable.sock') },
    })
    await started.waitForStderr(/listening on/)
    expect(await ask({ socketPath })).toMatchObject({ body: 'ping' })
    await stop(started)
  })

  it('has the mode and group of the command line, before those of the environment', async () => {
    const socketPath = path.join(core.folder, 'shared.sock')
    const group = String(process.getgid?.())
    const env = {
      FASTCGI_LISTEN: socketPath,
      FASTCGI_SOCKET_MODE: '606',
      FASTCGI_SOCKET_GROUP: group,
    }
    for (const [args, mode] of [
      [['--mode', '600', `--group=${group}`], 0o600],
      [['--mode=640', '--', '--mode', '600'], 0o640],
      [[], 0o606],
    ] as const) {
      const started = startNode({ file: app, args, env })
      await started.waitForStderr(/listening on/)
      expect(fs.statSync(socketPath)).toMatchObject({ gid: Number(group) })
      expect(fs.statSync(socketPath).mode & 0o777).toBe(mode)
      await stop(started)
    }
    const wrong = startNode({
      file: app,
      args: ['--listen', socketPath, '--group', 'no-such-group'],
    })
    expect(await wrong.ended).toBe(1)
    expect(wrong.stderr()).toContain('no-such-group')
  })

  it('can be TCP on loopback, an abstract name, or an inherited descriptor', async () => {
    const tcp = startNode({ file: app, args: ['--listen', ':0'] })
    await tcp.waitForStderr(/listening on 127\.0\.0\.1:[1-9]/)
    const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(tcp.stderr())?.[1])
    expect(await ask({ port })).toMatchObject({ body: 'ping' })
    expect(tcp.stderr()).not.toContain('warning')
    await stop(tcp)

    const name = `fastcgi-test-${process.pid}`
    const abstract = startNode({ file: app, args: ['--listen', `@${name}`] })
    await abstract.waitForStderr(/listening on @fastcgi-test/)
    expect(abstract.stderr()).toContain('has no file mode')
    expect(await ask({ socketPath: `\0${name}` })).toMatchObject({ body: 'ping' })
    await stop(abstract)

    const socketPath = path.join(core.folder, 'fd3.sock')
    const fd = startNode({
      file: app,
      args: ['--listen', 'fd:3'],
      more: [await listeningServer(socketPath)],
    })
    await fd.waitForStderr(/listening on fd:3/)
    expect(await ask({ socketPath })).toMatchObject({ body: 'ping' })
    await stop(fd)
  })

  it('is warned about when other machines can reach it', async () => {
    const started = startNode({ file: app, args: ['--listen', '*:0'] })
    await started.waitForStderr(
      /warning: \[::\]:0 can be reached from other machines[^]*listening on/,
    )
    await stop(started)
  })

  it.each([
    ['app.sock', 64, /cannot listen on "app\.sock"/],
    [`/${'x'.repeat(200)}`, 64, /at most 107 bytes/],
    ['fd:9', 1, /no listening socket was inherited/],
    ['/nowhere/at/all.sock', 1, /cannot listen on \/nowhere\/at\/all\.sock/],
  ])('%s ends with status %i and a reason', async (address, status, reason) => {
    const started = startNode({ file: app, args: ['--listen', address] })
    expect(await started.ended).toBe(status)
    expect(started.stderr()).toMatch(reason)
  })
})

describe('systemd', () => {
  const activate = 'LISTEN_PID=$$ exec "$@"'

  it('hands sockets over from descriptor 3 on; its variables leave the environment', async () => {
    const [a, b] = [path.join(core.folder, 'sd-a.sock'), path.join(core.folder, 'sd-b.sock')]
    const started = startNode({
      file: app,
      shell: activate,
      more: [await listeningServer(a), await listeningServer(b)],
      env: {
        LISTEN_FDS: '2',
        LISTEN_FDNAMES: 'a:b',
        NOTIFY_SOCKET: '/run/n',
        WATCHDOG_USEC: '1',
        OTHER: 'stays',
      },
    })
    await started.waitForStderr(/listening on fd:3 \(a\), fd:4 \(b\)/)
    const { env } = await ask({ socketPath: a })
    expect(await ask({ socketPath: b })).toMatchObject({ body: 'ping' })
    expect(Object.keys(env).filter((name) => /^(LISTEN_|NOTIFY|WATCHDOG)/.test(name))).toEqual([])
    expect(env).toMatchObject({ OTHER: 'stays' })
    await stop(started)
    expect(fs.existsSync(a)).toBe(true)
  })

  it('is not believed when another process was meant', async () => {
    const started = startNode({
      file: app,
      more: [await listeningServer(path.join(core.folder, 'sd-other.sock'))],
      env: { LISTEN_PID: '1', LISTEN_FDS: '1' },
    })
    expect(await started.ended).toBe(64)
    expect(started.stderr()).toContain('LISTEN_PID is 1 but this is process')
  })
})

describe('by hand', () => {
  it('--help prints usage on descriptor 1 and ends with 0', async () => {
    const started = startNode({ file: app, args: ['--help'] })
    expect(await started.ended).toBe(0)
    expect(started.stdout().toString()).toMatch(/^Usage: app\.fcgi\.mjs/)
  })

  it('--gateway serves HTTP on 127.0.0.1 and stops gracefully', async () => {
    const started = startNode({ file: app, args: ['--gateway=0'] })
    await started.waitForStderr(/development gateway on http:\/\/127\.0\.0\.1:\d+\//)
    const [url = ''] = /http:\/\/127\.0\.0\.1:\d+\//.exec(started.stderr()) ?? []
    const response = await fetch(`${url}over/http?y=2`, { method: 'POST', body: 'ping' })
    const answer = (await response.json()) as Answer
    expect(answer).toMatchObject({ url: '/over/http?y=2', body: 'ping' })
    expect(answer.env.NODE_ENV).toBeUndefined()
    await stop(started)
  })
})
