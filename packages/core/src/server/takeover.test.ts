import fs from 'node:fs'
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

let core: CompiledCore
let number = 0

beforeAll(async () => {
  core = await compileCore()
})
afterEach(killLeftovers)
afterAll(() => core.remove())

const registered = ['--import', '@fastcgi/core/register']

function script(text: string): string {
  number += 1
  return core.write(`app-${number}.mjs`, text)
}

interface Started extends NodeProcess {
  readonly socketPath: string
}

function start(text: string, options: Partial<NodeProcessOptions> = {}): Started {
  const file = script(text)
  const socketPath = path.join(core.folder, `register-${number}.sock`)
  const started = startNode({
    file,
    nodeArgs: registered,
    cwd: core.folder,
    ...options,
    env: { FASTCGI_LISTEN: socketPath, ...options.env },
  })
  return { ...started, socketPath }
}

async function text(socketPath: string, url = '/'): Promise<string> {
  return (await request({ socketPath, path: url })).text()
}

const app = `import http from 'node:http'
  const server = http.createServer((req, res) => res.end('app ' + req.url + ' ' + process.env.NODE_ENV))
  server.listen(PORT, () => console.error('ready', JSON.stringify(server.address()), server.listening))`

describe('@fastcgi/core/register', () => {
  it('serves an app that calls listen(3000), which is told its address', async () => {
    const started = start(app.replace('PORT', '3000'))
    await started.waitForStderr(/ready ".*register-\d+\.sock" true/)
    expect(started.stderr()).toContain('listen(3000) is served over FastCGI')
    expect(await text(started.socketPath, '/x')).toBe('app /x production')
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
    expect(fs.existsSync(started.socketPath)).toBe(false)
  })

  it('says that it has neither workers nor relays: the app is loaded in this process', async () => {
    const env = { FASTCGI_WORKERS: '2', FASTCGI_SHARED: '1' }
    const code = `${app.replace('PORT', '3000')}\nconsole.error('left:', Object.keys(process.env).join())`
    const started = start(code, { env })
    await started.waitForStderr(/ready /)
    expect(started.stderr()).toMatch(
      /FASTCGI_WORKERS is ignored: .*\n.*FASTCGI_SHARED is ignored: /,
    )
    expect(started.stderr()).not.toMatch(/left:.*FASTCGI_(?:WORKERS|SHARED)/)
  })

  it('works in a .fcgi by require, spawned by a web server in another working directory', async () => {
    core.write('site/package.json', '{"type":"commonjs"}')
    core.write('site/server.mjs', app.replace('PORT', 'process.env.PORT || 3000'))
    const file = core.write(
      'site/app.fcgi',
      `require('@fastcgi/core/register'); import('./server.mjs')`,
    )
    const socketPath = path.join(core.folder, 'site.sock')
    const started = startNode({ file, stdin: await listeningServer(socketPath), cwd: '/' })
    await started.waitForStderr(/ready /)
    expect(await text(socketPath, '/y')).toBe('app /y production')
  })

  it('takes the listen whose port is FASTCGI_PORT or PORT, and leaves others alone', async () => {
    const two = `import http from 'node:http'
      const metrics = http.createServer((req, res) => res.end('metrics')).listen(0, '127.0.0.1', () => {
        console.error('metrics on', metrics.address().port)
        http.createServer((req, res) => res.end('main')).listen('8123', () => console.error('ready'))
      })`
    for (const name of ['PORT', 'FASTCGI_PORT']) {
      const started = start(two, { env: { [name]: '8123' } })
      await started.waitForStderr(/ready/)
      expect(started.stderr()).toContain('listen(0) is left alone')
      const port = /metrics on (\d+)/.exec(started.stderr())?.[1]
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('metrics')
      expect(await text(started.socketPath)).toBe('main')
    }
  })

  it('takes options objects and no arguments at all, but no path and no other kind of server', async () => {
    for (const given of [
      '{ port: 3000, host: "0.0.0.0" }, ready',
      'ready',
      '3000, "127.0.0.1", 511, ready',
    ]) {
      const started = start(`import http from 'node:http'
        import net from 'node:net'
        const ready = () => console.error('ready')
        const raw = net.createServer().listen(0, '127.0.0.1', () => {
          const other = http.createServer().listen(${JSON.stringify(path.join(core.folder, 'own.sock'))}, () => {
            other.close()
            raw.close()
            http.createServer((req, res) => res.end('taken')).listen(${given})
          })
        })`)
      await started.waitForStderr(/ready/)
      expect(await text(started.socketPath)).toBe('taken')
    }
  })

  it('leaves child processes, cluster workers and worker threads alone', async () => {
    const child = core.write(
      'child.mjs',
      `import http from 'node:http'
       import { parentPort } from 'node:worker_threads'
       const server = http.createServer((req, res) => res.end('http')).listen(0, '127.0.0.1', () => {
         const { port } = server.address()
         if (parentPort) parentPort.postMessage(port)
         else process.send(port)
       })
       // The process that started it is killed.
       process.on('disconnect', () => process.exit())`,
    )
    const started = start(`import http from 'node:http'
      import cluster from 'node:cluster'
      import { fork } from 'node:child_process'
      import { Worker } from 'node:worker_threads'
      const child = ${JSON.stringify(child)}
      const other = ${JSON.stringify(child)}
      cluster.setupPrimary({ exec: other })
      for (const each of [fork(child), cluster.fork(), new Worker(child)]) {
        each.on('message', async (port) => {
          console.error('child said', await (await fetch('http://127.0.0.1:' + port)).text())
        })
      }
      http.createServer((req, res) => res.end('fastcgi')).listen(3000)`)
    await started.waitForStderr(/(child said http\n[^]*){3}/)
    expect(await text(started.socketPath)).toBe('fastcgi')
  })

  it('lets close() and its callback mean what they say', async () => {
    const started = start(`import http from 'node:http'
      const server = http.createServer((req, res) => {
        res.end('bye')
        server.close((error) => {
          console.error('closed', error, server.listening, server.address())
          server.close((again) => console.error('again', again.code))
        })
      }).listen(3000)`)
    await started.waitForStderr(/listening on/)
    expect(await text(started.socketPath)).toBe('bye')
    await started.waitForStderr(/closed undefined false null\nagain ERR_SERVER_NOT_RUNNING/)
    // Nothing is left that keeps the process alive.
    expect(await started.ended).toBe(0)
  })

  it('lets an app put its own close() in front, before listen() and after', async () => {
    for (const when of ['before', 'after']) {
      const started = start(`import http from 'node:http'
        const server = http.createServer((req, res) => {
          res.end('bye')
          server.close(() => console.error('closed', server.listening))
        })
        const wrap = () => {
          const { close } = server
          server.close = (callback) => {
            console.error('own close')
            return close.call(server, callback)
          }
          const idle = server.closeIdleConnections.bind(server)
          server.closeIdleConnections = () => {
            console.error('own idle')
            idle()
          }
        }
        if ('${when}' === 'before') wrap()
        server.listen(3000)
        if ('${when}' === 'after') wrap()`)
      await started.waitForStderr(/listening on/)
      expect(await text(started.socketPath)).toBe('bye')
      expect(await started.ended).toBe(0)
      expect(started.stderr()).toMatch(/own close\nown idle\nclosed false/)
    }
  })

  it('gives an address at once, as node:http does', async () => {
    const started = start(`import http from 'node:http'
      const server = http.createServer().listen(3000)
      console.error('at once', server.address().port, server.listening)`)
    await started.waitForStderr(/at once 3000 true/)
    await started.waitForStderr(/listening on/)
  })

  it('lets a process end whose server is not to keep it alive', async () => {
    const started = start(`import http from 'node:http'
      const server = http.createServer()
      server.listen(3000, () => {
        server.getConnections((error, count) => console.error('connections', error, count))
        server.unref()
      })`)
    await started.waitForStderr(/connections null 0/)
    expect(await started.ended).toBe(0)
  })

  it('emits error where it cannot listen', async () => {
    const started = start(
      `import http from 'node:http'
       http.createServer().listen(3000).on('error', (error) => console.error('error is', error.message))`,
      { env: { FASTCGI_LISTEN: '/nowhere/at/all.sock' } },
    )
    await started.waitForStderr(/error is cannot listen on \/nowhere/)
  })

  it('never becomes a web server when there is nothing to serve from', async () => {
    const started = start(app.replace('PORT', '3000'), { env: { FASTCGI_LISTEN: '' } })
    expect(await started.ended).toBe(64)
    expect(started.stderr()).toContain('FASTCGI_LISTEN')
  })

  it('serves CGI, with console on descriptor 2 from the start', async () => {
    const started = start(`console.log('before listen')\n${app.replace('PORT', '3000')}`, {
      env: {
        GATEWAY_INTERFACE: 'CGI/1.1',
        REQUEST_METHOD: 'GET',
        REQUEST_URI: '/page',
        SCRIPT_NAME: '',
        PATH_INFO: '/page',
        SERVER_PROTOCOL: 'HTTP/1.1',
      },
      args: ['--listen', '0.0.0.0:9000'],
    })
    expect(await started.ended).toBe(0)
    expect(started.stdout().toString()).toMatch(/^[^]*Status: 200 OK\r\n\r\napp \/page production$/)
    expect(started.stderr()).toContain('before listen')
  })

  it('asks for the gateway by FASTCGI_GATEWAY, in development mode', async () => {
    const started = start(app.replace('PORT', '0'), {
      env: { FASTCGI_LISTEN: '', FASTCGI_GATEWAY: '0' },
    })
    expect(await started.ended).toBe(64)
    const asked = start(app.replace('PORT', '0'), {
      env: { FASTCGI_LISTEN: '', FASTCGI_GATEWAY: '1', PORT: '0' },
    })
    await asked.waitForStderr(/ready .*"port":\d+/)
    const port = /ready .*"port":(\d+)/.exec(asked.stderr())?.[1]
    expect(await (await fetch(`http://127.0.0.1:${port}/z`)).text()).toBe('app /z undefined')
    asked.child.kill('SIGTERM')
    expect(await asked.ended).toBe(0)
  })

  it('takes log, mode and group from the environment', async () => {
    const log = path.join(core.folder, 'register.log')
    const started = start(app.replace('PORT', '3000'), {
      env: {
        FASTCGI_LOG: log,
        FASTCGI_SOCKET_MODE: '0600',
        FASTCGI_SOCKET_GROUP: String(process.getgid?.()),
      },
    })
    await started.waitForStderr(/ready/)
    expect(fs.lstatSync(started.socketPath).mode & 0o777).toBe(0o600)
    expect(fs.readFileSync(log, 'utf8')).toMatch(/listening on .*register-/)
  })
})
