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
import { until } from '../../../../test/support/until.ts'
import { request } from '../client/request.ts'

let core: CompiledCore
let number = 0

beforeAll(async () => {
  core = await compileCore()
})
afterEach(killLeftovers)
afterAll(() => core.remove())

interface Started extends NodeProcess {
  readonly socketPath: string
}

/** A script whose text ends in a call of `serve`; listens on a socket of its own. */
async function start(text: string, options: Partial<NodeProcessOptions> = {}): Promise<Started> {
  number += 1
  const socketPath = path.join(core.folder, `life-${number}.sock`)
  const file = core.write(`life-${number}.mjs`, `import { serve } from '@fastcgi/core'\n${text}`)
  const started = startNode({
    file,
    ...options,
    env: { FASTCGI_LISTEN: socketPath, ...options.env },
  })
  if (options.stderr === 'ignore') await until(() => fs.existsSync(socketPath), 'the socket')
  else await started.waitForStderr(/listening on/)
  return { ...started, socketPath }
}

async function text(socketPath: string, url = '/', params: Record<string, string> = {}) {
  const response = await request({ socketPath, path: url, params })
  return { status: response.status, text: await response.text(), stderr: response.stderr, response }
}

/** Answers `/slow` only when a file appears, so that a test decides when. */
const slowApp = (gate: string): string => `
  import fs from 'node:fs'
  await serve((req, res) => {
    if (req.url !== '/slow') return res.end('quick')
    console.error('slow has begun')
    const timer = setInterval(() => {
      if (!fs.existsSync(${JSON.stringify(gate)})) return
      clearInterval(timer)
      res.end('finished')
    }, 20)
  }, { env: false, onStop: () => console.error('stopped') })`

describe('loading', () => {
  it('lets requests wait for an ES module with top-level await', async () => {
    const gate = path.join(core.folder, 'load-gate')
    core.write(
      'app-tla.mjs',
      `import fs from 'node:fs'
       while (!fs.existsSync(${JSON.stringify(gate)})) await new Promise((r) => setTimeout(r, 20))
       export default (req, res) => res.end('loaded ' + process.env.NODE_ENV)`,
    )
    const started = await start(`await serve(() => import('./app-tla.mjs'))`)
    const answers = Promise.all([text(started.socketPath), text(started.socketPath)])
    fs.writeFileSync(gate, '')
    expect((await answers).map((answer) => answer.text)).toEqual([
      'loaded production',
      'loaded production',
    ])
    expect(started.stderr()).toContain('NODE_ENV was not set: it is production now')
  })

  it('takes CommonJS, factories and http.Servers', async () => {
    core.write('app.cjs', `module.exports = (req, res) => res.end('common')`)
    const common = await start(`await serve(() => import('./app.cjs'))`)
    expect(await text(common.socketPath)).toMatchObject({ text: 'common' })
    const factory = await start(
      `await serve(async () => ({ default: () => (req, res) => res.end('made') }))`,
    )
    expect(await text(factory.socketPath)).toMatchObject({ text: 'made' })
    const server = await start(`import http from 'node:http'
      const own = http.createServer((req, res) => res.end(String(req.socket.server === own)))
      await serve(() => own)`)
    expect(await text(server.socketPath)).toMatchObject({ text: 'true' })
  })

  it('works from a .fcgi in a commonjs folder, by require', async () => {
    core.write('cgi/package.json', '{"type":"commonjs"}')
    core.write('cgi/app.mjs', `export default (req, res) => res.end('esm')`)
    const file = core.write(
      'cgi/app.fcgi',
      `const { serve } = require('@fastcgi/core')\nserve(() => import('./app.mjs'))`,
    )
    const socketPath = path.join(core.folder, 'require.sock')
    const started = startNode({ file, env: { FASTCGI_LISTEN: socketPath }, cwd: '/' })
    await started.waitForStderr(/listening on/)
    expect(await text(socketPath)).toMatchObject({ text: 'esm' })
  })

  it.each([
    ['a syntax error', `() => import('./broken.mjs')`, /SyntaxError/],
    ['a missing module', `() => import('./none.mjs')`, /ERR_MODULE_NOT_FOUND/],
    ['a loader that throws', `() => { throw new Error('no database') }`, /no database[^]*at /],
    ['no default export', `() => import('./named.mjs')`, /no default export.*register/],
    ['something that is no app', `() => ({})`, /must be a \(req, res\) listener/],
  ])('answers 503 after %s, with the reason in the log only', async (_name, loader, reason) => {
    core.write('broken.mjs', `export default (`)
    core.write('named.mjs', `export const app = 1`)
    const started = await start(`await serve(${loader})`)
    for (const url of ['/', '/again']) {
      const answer = await text(started.socketPath, url)
      expect(answer.status).toBe(503)
      expect(answer.text).toContain('could not be started')
      expect(answer.text).not.toMatch(/Error|\bat\b|\.mjs/)
      expect(answer.stderr).toBe('')
      expect(answer.response.headers['retry-after']).toBeDefined()
    }
    expect(started.stderr()).toMatch(reason)
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
  })

  it('sends the stack to the web server where descriptor 2 leads nowhere, but never to HAProxy', async () => {
    const started = await start(
      `await serve(() => { throw new Error('no \\x1b[31m database ' + 'x'.repeat(3000)) })`,
      { stderr: 'ignore' },
    )
    const { status, stderr } = await text(started.socketPath, '/', {
      SERVER_SOFTWARE: 'lighttpd/1.4.69',
    })
    expect(status).toBe(503)
    expect(stderr).toMatch(/no \\x1b\[31m database x+\n/)
    expect(stderr).toMatch(/\n.*at /)
    expect(Math.max(...stderr.split('\n').map((line) => line.length))).toBeLessThan(1024)
    const haproxy = await text(started.socketPath, '/', { SERVER_SOFTWARE: 'HAProxy 2.6.12' })
    expect([haproxy.status, haproxy.stderr]).toEqual([503, ''])
  })

  it('gives up on waiting after loadTimeout, and serves when the app is there', async () => {
    const gate = path.join(core.folder, 'late-gate')
    const started = await start(`import fs from 'node:fs'
      await serve(async () => {
        while (!fs.existsSync(${JSON.stringify(gate)})) await new Promise((r) => setTimeout(r, 20))
        return (req, res) => res.end('late')
      }, { loadTimeout: 50 })`)
    expect(await text(started.socketPath)).toMatchObject({ status: 503 })
    fs.writeFileSync(gate, '')
    await until(async () => (await text(started.socketPath)).text === 'late', 'the app')
  })

  it('refuses an app that is none at once', async () => {
    const file = core.write('no-app.mjs', `import { serve } from '@fastcgi/core'\nawait serve({})`)
    const started = startNode({
      file,
      env: { FASTCGI_LISTEN: path.join(core.folder, 'none.sock') },
    })
    expect(await started.ended).toBe(1)
    expect(started.stderr()).toContain(
      'must be a (req, res) listener or an http.Server, not an empty object',
    )
    // Where it was called: nothing else tells which file gave it.
    expect(started.stderr()).toContain(file)
  })

  it('warns of a function that has no parameter for the response', async () => {
    const started = await start(`await serve((request) => new Response('x'))`)
    await started.waitForStderr(/warning: the app is a function with one parameter.*getRequestList/)
    const listener = await start(`await serve((req, res) => res.end('x'))`)
    expect(await text(listener.socketPath)).toMatchObject({ text: 'x' })
    expect(listener.stderr()).not.toContain('parameter')
  })

  it('says where what is no app comes from', async () => {
    core.write('nothing.cjs', `exports.app = (req, res) => res.end()`)
    const started = await start(`await serve(() => import('./nothing.cjs'))`)
    expect(await text(started.socketPath)).toMatchObject({ status: 503 })
    expect(started.stderr()).toMatch(
      /an object with app: give the app itself, .* \(from import\('\.\/nothing\.cjs'\) in \/.*life-\d+\.mjs\)/,
    )
  })
})

describe('NODE_ENV', () => {
  const app = `(req, res) => res.end(String(process.env.NODE_ENV))`
  it('stays as it is set', async () => {
    const started = await start(`await serve(() => ${app})`, { env: { NODE_ENV: 'staging' } })
    expect(await text(started.socketPath)).toMatchObject({ text: 'staging' })
  })

  it('stays unset with env: false', async () => {
    const started = await start(`await serve(() => ${app}, { env: false })`)
    expect(await text(started.socketPath)).toMatchObject({ text: 'undefined' })
  })

  it('is warned about when the app is loaded already', async () => {
    const started = await start(`await serve(${app})`)
    expect(await text(started.socketPath)).toMatchObject({ text: 'undefined' })
    expect(started.stderr()).toContain('warning: NODE_ENV is not set and the app is loaded already')
  })
})

describe('signals', () => {
  it.each([
    ['SIGTERM', /then ending\n/],
    ['SIGINT', /then ending\n/],
    ['SIGUSR1', /then ending\n/],
    ['SIGHUP', /cannot reload/],
  ] as const)('%s: finishes what runs, takes nothing new, ends with 0', async (signal, said) => {
    const gate = path.join(core.folder, `gate-${signal}`)
    const started = await start(slowApp(gate))
    const slow = text(started.socketPath, '/slow')
    await started.waitForStderr(/slow has begun/)
    started.child.kill(signal)
    await started.waitForStderr(new RegExp(`${signal}: finishing what runs`))
    expect(fs.existsSync(started.socketPath)).toBe(false)
    fs.writeFileSync(gate, '')
    expect(await slow).toMatchObject({ status: 200, text: 'finished' })
    expect(await started.ended).toBe(0)
    expect(started.stderr()).toMatch(/stopped\n$/)
    expect(started.stderr()).not.toContain('Debugger')
    expect(started.stderr()).toMatch(said)
  })

  it('a second signal ends at once', async () => {
    const started = await start(slowApp(path.join(core.folder, 'never')))
    const slow = text(started.socketPath, '/slow').catch((error: unknown) => error)
    await started.waitForStderr(/slow has begun/)
    started.child.kill('SIGTERM')
    await started.waitForStderr(/SIGTERM: finishing/)
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(128 + 15)
    expect(await slow).toBeInstanceOf(Error)
  })

  it('a second SIGTERM is no haste where a web server started it: mod_fcgid sends two', async () => {
    const gate = path.join(core.folder, 'gate-twice')
    const socketPath = path.join(core.folder, 'twice.sock')
    const app = `import { serve } from '@fastcgi/core'\n${slowApp(gate)}
      process.on('SIGTERM', () => console.error('has been told'))`
    const file = core.write('twice.mjs', app)
    const started = startNode({ file, stdin: await listeningServer(socketPath) })
    await started.waitForStderr(/listening on/)
    const slow = text(socketPath, '/slow')
    await started.waitForStderr(/slow has begun/)
    started.child.kill('SIGTERM')
    await started.waitForStderr(/has been told/)
    started.child.kill('SIGTERM')
    await started.waitForStderr(/has been told\n.*has been told/s)
    fs.writeFileSync(gate, '')
    expect(await slow).toMatchObject({ status: 200, text: 'finished' })
    expect(await started.ended).toBe(0)
  })

  it('cuts what still runs at drainTimeout', async () => {
    const started = await start(
      slowApp(path.join(core.folder, 'never')).replace(
        'env: false',
        'env: false, drainTimeout: 300',
      ),
    )
    const slow = text(started.socketPath, '/slow').catch((error: unknown) => error)
    await started.waitForStderr(/slow has begun/)
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
    expect(await slow).toBeInstanceOf(Error)
  })

  it('SIGUSR1 opens no debugger while the app is still loading', async () => {
    const started = await start(`await serve(() => new Promise(() => {}))`)
    started.child.kill('SIGUSR1')
    expect(await started.ended).toBe(0)
    expect(started.stderr()).not.toContain('Debugger')
  })

  it('leaves SIGHUP to an app that listens for it, and to nohup', async () => {
    const listen = `process.on('SIGHUP', () => console.error('mine'))`
    const serveIt = `await serve((req, res) => res.end('alive'))`
    for (const script of [
      `${listen}\n${serveIt}`,
      `${serveIt}\n${listen}\nconsole.error('both listening on')`,
    ]) {
      const own = await start(script)
      if (script.includes('both')) await own.waitForStderr(/both/)
      own.child.kill('SIGHUP')
      await own.waitForStderr(/mine/)
      expect(await text(own.socketPath)).toMatchObject({ text: 'alive' })
    }
    // Without a listener of ours Node's default would end the process, so nohup needs one that does nothing.
    const nohup = await start(`await serve((req, res) => res.end('alive'))`, {
      env: { _: '/usr/bin/nohup' },
    })
    nohup.child.kill('SIGHUP')
    await nohup.waitForStderr(/SIGHUP is ignored/)
    expect(await text(nohup.socketPath)).toMatchObject({ text: 'alive' })
  })

  it('installs nothing with signals: false, and rejects in place of ending', async () => {
    const file = core.write(
      'unmanaged.mjs',
      `import { serve } from '@fastcgi/core'
       await serve((req, res) => res.end(), { signals: false }).catch((error) => console.error(error.code))
       console.error(['SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGHUP'].map((name) => process.listenerCount(name)).join())`,
    )
    const started = startNode({ file })
    expect(await started.ended).toBe(0)
    expect(started.stderr()).toContain('FCGI_USAGE\n0,0,0,0\n')
  })
})

describe('the journal', () => {
  const app = `await serve((req, res) => { throw new Error('thrown\\nforged: line') },
    { env: false, listen: process.env.FASTCGI_LISTEN, restartFile: false })`

  it('is told how bad each line is, where descriptor 2 leads to it', async () => {
    const started = await start(app, {
      shell: 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"',
    })
    expect(await text(started.socketPath)).toMatchObject({ status: 500 })
    await started.waitForStderr(/FCGI_HANDLER_FAILED/)
    const lines = started.stderr().trimEnd().split('\n')
    expect(lines[0]).toMatch(/^<6>fastcgi: listening on /)
    expect(lines[1]).toBe('<3>fastcgi: GET /: Error: thrown')
    for (const line of lines.slice(1)) expect(line).toMatch(/^<3>fastcgi: /)
  })

  it('is not written to where descriptor 2 leads elsewhere, though the variable is inherited', async () => {
    const started = await start(app, { env: { JOURNAL_STREAM: '8:12345' } })
    expect(started.stderr()).toMatch(/^fastcgi: listening on /)
  })
})

describe('a log file', () => {
  it('gets what descriptor 2 would, and is opened anew on SIGUSR2', async () => {
    const log = path.join(core.folder, 'app.log')
    const started = await start(
      `await serve((req, res) => { if (req.url === '/throw') throw new Error('thrown\\nforged: line'); res.end() },
        { log: ${JSON.stringify(log)} })`,
      { stderr: 'ignore' },
    )
    expect(await text(started.socketPath, '/throw')).toMatchObject({ status: 500 })
    const before = fs.readFileSync(log, 'utf8')
    expect(before).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z \[\d+\] .*listening on/m)
    expect(before).toMatch(/GET \/throw: Error: thrown\n\S+ \[\d+\]   forged: line\n/)
    for (const line of before.trimEnd().split('\n')) expect(line).toMatch(/^\d{4}-\S+Z \[\d+\] /)
    fs.renameSync(log, `${log}.1`)
    started.child.kill('SIGUSR2')
    await until(() => fs.existsSync(log), 'the new log')
    await text(started.socketPath, '/throw')
    expect(fs.readFileSync(log, 'utf8')).toContain('GET /throw')
    expect(fs.readFileSync(`${log}.1`, 'utf8')).toBe(before)
  })

  it.each(['/dev/full', '/nowhere/app.log'])(
    'that cannot be written costs lines, not the process: %s',
    async (log) => {
      const started = await start(
        `await serve((req, res) => { if (req.url === '/throw') throw new Error('lost'); res.end('on') }, { log: '${log}' })
       console.error('listening on')`,
      )
      expect(await text(started.socketPath, '/throw')).toMatchObject({ status: 500 })
      expect(await text(started.socketPath)).toMatchObject({ text: 'on' })
      expect(started.stderr()).toContain(`the log ${log} cannot be`)
    },
  )

  it('has the exception that ends the process', async () => {
    const log = path.join(core.folder, 'crash.log')
    const started = await start(
      `await serve((req, res) => setTimeout(() => { throw new Error('in a timer') }), { log: ${JSON.stringify(log)} })`,
      { stderr: 'ignore' },
    )
    await text(started.socketPath).catch(() => {})
    expect(await started.ended).toBe(1)
    expect(fs.readFileSync(log, 'utf8')).toMatch(/nobody caught ends the process: .*in a timer/)
    expect(fs.existsSync(started.socketPath)).toBe(false)
  })
})

describe('descriptors 1 and 2', () => {
  it('may be closed', async () => {
    const socketPath = path.join(core.folder, 'closed.sock')
    const file = core.write(
      'closed.mjs',
      `import { serve } from '@fastcgi/core'
       await serve(() => (req, res) => { console.log('x'); console.error('y'); res.end('fine') })`,
    )
    const started = startNode({
      file,
      shell: 'exec "$@" >&- 2>&-',
      env: { FASTCGI_LISTEN: socketPath },
    })
    await until(() => fs.existsSync(socketPath), 'the socket')
    expect(await text(socketPath)).toMatchObject({ text: 'fine' })
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
  })

  it('may lose their reader', async () => {
    const started = await start(
      `await serve(() => (req, res) => { console.log('x'); console.error('y'); res.end('fine') })`,
    )
    started.child.stdout?.destroy()
    started.child.stderr?.destroy()
    for (let count = 0; count < 5; count += 1) {
      expect(await text(started.socketPath)).toMatchObject({ text: 'fine' })
    }
  })
})

describe('a handler that fails', () => {
  const app = `(req, res) => {
    if (req.url === '/throw') throw new Error('thrown here')
    if (req.url === '/value') throw 'a string'
    if (req.url === '/late') { res.write('begun'); throw new Error('late') }
    return req.url === '/reject' ? Promise.reject(new Error('rejected here')) : res.end('on')
  }`

  it.each([
    ['/throw', /GET \/throw: Error: thrown here\nfastcgi: {7}at /],
    ['/reject', /GET \/reject: Error: rejected here\nfastcgi: {7}at /],
    ['/value', /GET \/value: a value that is no Error was thrown: 'a string'/],
  ])('is answered 500 and logged, and the process goes on: %s', async (url, logged) => {
    const started = await start(`await serve(() => ${app})`)
    const answer = await text(started.socketPath, url)
    expect(answer.status).toBe(500)
    expect(answer.text).not.toMatch(/here|string|\bat\b/)
    expect(started.stderr()).toMatch(logged)
    expect(await text(started.socketPath)).toMatchObject({ text: 'on' })
  })

  it('after the head has its response cut', async () => {
    const started = await start(`await serve(() => ${app})`)
    const outcome = await text(started.socketPath, '/late').catch((error: unknown) => error)
    expect(outcome).toSatisfy(
      (value: unknown) => value instanceof Error || (value as { status: number }).status === 500,
    )
    expect(await text(started.socketPath)).toMatchObject({ text: 'on' })
  })

  it('ends the process with status 1 where exitOnError says so, after answering', async () => {
    const started = await start(`await serve(() => ${app}, { exitOnError: true })`)
    expect(await text(started.socketPath, '/throw')).toMatchObject({ status: 500 })
    expect(await started.ended).toBe(1)
  })
})

describe('restartFile', () => {
  it('ends the process with 0 when it appears or changes, beside the script and not in the cwd', async () => {
    const file = core.write(
      'restart/app.mjs',
      `import { serve } from '@fastcgi/core'\nawait serve((req, res) => res.end('on'))`,
    )
    const socketPath = path.join(core.folder, 'restart.sock')
    const started = startNode({ file, stdin: await listeningServer(socketPath), cwd: '/' })
    await started.waitForStderr(/listening on/)
    core.write('restart/tmp/restart.txt', '')
    expect(await started.ended).toBe(0)
    expect(started.stderr()).toMatch(/tmp\/restart\.txt has changed/)
    // The next process finds the same file, with a time in the future, and stays.
    fs.utimesSync(path.join(core.folder, 'restart/tmp/restart.txt'), 4e9, 4e9)
    const next = await listeningServer(`${socketPath}2`)
    const again = startNode({ file, stdin: next })
    await again.waitForStderr(/listening on/)
    expect(await text(`${socketPath}2`)).toMatchObject({ text: 'on' })
    fs.utimesSync(path.join(core.folder, 'restart/tmp/restart.txt'), 1, 1)
    expect(await again.ended).toBe(0)
  })

  it('goes for the script too', async () => {
    const text = `import { serve } from '@fastcgi/core'\nawait serve((req, res) => res.end('on'), OPTIONS)`
    const watched = core.write(
      'watched.mjs',
      text.replace('OPTIONS', `{ restartFile: 'restart.txt' }`),
    )
    const socketPath = path.join(core.folder, 'watched.sock')
    const started = startNode({ file: watched, env: { FASTCGI_LISTEN: socketPath } })
    await started.waitForStderr(/listening on/)
    fs.writeFileSync(watched, '// another')
    expect(await started.ended).toBe(0)
    expect(started.stderr()).toMatch(/watched\.mjs has changed/)
  })
})

describe('the socket of another process', () => {
  it('is left alone while it answers', async () => {
    const first = await start(`await serve((req, res) => res.end('first'))`)
    const file = core.write(
      'second.mjs',
      `import { serve } from '@fastcgi/core'\nawait serve((req, res) => res.end('second'))`,
    )
    const second = startNode({ file, env: { FASTCGI_LISTEN: first.socketPath } })
    expect(await second.ended).toBe(1)
    expect(second.stderr()).toContain('another process answers there')
    expect(await text(first.socketPath)).toMatchObject({ text: 'first' })
  })

  it('is replaced when that was killed, and passes from a draining process to its successor', async () => {
    const gate = path.join(core.folder, 'succession')
    const killed = await start(`await serve((req, res) => res.end())`)
    killed.child.kill('SIGKILL')
    await killed.ended
    expect(fs.existsSync(killed.socketPath)).toBe(true)
    const env = { FASTCGI_LISTEN: killed.socketPath }
    const old = await start(slowApp(gate), { env })
    const slow = text(killed.socketPath, '/slow')
    await old.waitForStderr(/slow has begun/)
    old.child.kill('SIGTERM')
    await old.waitForStderr(/SIGTERM: finishing/)
    await start(`await serve((req, res) => res.end('successor'))`, { env })
    expect(await text(killed.socketPath)).toMatchObject({ text: 'successor' })
    fs.writeFileSync(gate, '')
    expect(await slow).toMatchObject({ text: 'finished' })
    expect(await old.ended).toBe(0)
    expect(await text(killed.socketPath)).toMatchObject({ text: 'successor' })
  })
})

describe('FCGI_WEB_SERVER_ADDRS and allow', () => {
  async function tcp(
    addresses: string | undefined,
    options = '{}',
  ): Promise<() => Promise<string>> {
    number += 1
    const file = core.write(
      `access-${number}.mjs`,
      `import { serve } from '@fastcgi/core'\nawait serve((req, res) => res.end('in'), ${options})`,
    )
    const started = startNode({
      file,
      args: ['--listen', ':0'],
      env: addresses === undefined ? {} : { FCGI_WEB_SERVER_ADDRS: addresses },
    })
    await started.waitForStderr(/listening on/)
    const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(started.stderr())?.[1])
    return async () => {
      try {
        return await (await request({ port })).text()
      } catch {
        return 'out'
      }
    }
  }

  it('let in who is named and nobody else', async () => {
    expect(await (await tcp('127.0.0.1, 192.0.2.1'))()).toBe('in')
    expect(await (await tcp('127.0.0.2'))()).toBe('out')
    expect(await (await tcp('nonsense'))()).toBe('out')
    expect(await (await tcp(undefined, `{ allow: ['127.0.0.0/8'] }`))()).toBe('in')
    expect(await (await tcp(undefined, `{ allow: ['192.0.2.0/24'] }`))()).toBe('out')
  })

  it('close unix sockets to everybody where the variable is set', async () => {
    const started = await start(`await serve((req, res) => res.end('in'))`, {
      env: { FCGI_WEB_SERVER_ADDRS: '127.0.0.1' },
    })
    await expect(text(started.socketPath)).rejects.toThrow(/./)
  })
})
