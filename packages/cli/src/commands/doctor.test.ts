import fs from 'node:fs'
import { createServer as createNetServer } from 'node:net'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createServer, serve, type Server } from '@fastcgi/core'
import { startGateway, type Gateway } from '@fastcgi/core/gateway'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  command,
  helloApp,
  makeProject,
  type Project,
  runCli,
  scriptFor,
} from '../../../../test/support/cli.ts'
import { type Front, startFront, type FrontFaults } from '../../../../test/support/front.ts'
import { listeningServer, startNode } from '../../../../test/support/node-process.ts'
import { until } from '../../../../test/support/until.ts'
import { hostsIn, isAlive } from '../../../../test/support/shared-hosts.ts'
import type { Finding } from '../doctor/finding.ts'
import { serverPath } from '../doctor/script.ts'
import { examine } from './doctor.ts'

/** Where the tests' Node.js is found first, as a web server would find its own. */
const searchPath = `${path.dirname(process.execPath)}:${serverPath}`
const given: { path: string; page: string; user: string; wait?: string } = {
  path: searchPath,
  page: '/',
  user: 'root',
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

function project(files: Record<string, string>, linked?: string[]): Project {
  const made = makeProject(files, linked)
  cleanups.push(() => made.remove())
  return made
}

async function findings(targets: string[], more: Partial<typeof given> = {}): Promise<Finding[]> {
  const reports = await examine(targets, { ...given, ...more })
  return reports[0]!.findings as Finding[]
}

/** What is wrong, and nothing else is. */
function troubles(found: readonly Finding[]): Finding[] {
  return found.filter(({ verdict }) => verdict === 'failed' || verdict === 'warning')
}

function only(found: readonly Finding[]): Finding {
  const bad = troubles(found)
  expect(bad.map(({ check }) => check)).toHaveLength(1)
  return bad[0]!
}

describe('doctor of a file', () => {
  it('finds nothing where nothing is wrong', async () => {
    const site = project({ 'app.mjs': helloApp, 'app.fcgi': scriptFor('./app.mjs') })
    const found = await findings([site.file('app.fcgi')])
    expect(troubles(found)).toEqual([])
    expect(found.map(({ check }) => check)).toEqual([
      'run-bit',
      'shebang',
      'node',
      'module-form',
      'packages',
      'access',
      'load',
      'answer',
    ])
    expect(fs.readdirSync(site.folder)).not.toContain('.fastcgi-doctor')
  })

  it('names a missing run bit', async () => {
    const site = project({ 'app.mjs': helloApp, 'app.fcgi': scriptFor('./app.mjs') })
    fs.chmodSync(site.file('app.fcgi'), 0o644)
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'run-bit', verdict: 'failed' })
    expect(trouble.fix).toBe(`chmod 755 ${site.file('app.fcgi')}`)
    fs.chmodSync(site.file('app.fcgi'), 0o755)
    expect(troubles(await findings([site.file('app.fcgi')]))).toEqual([])
  })

  it('warns of a path with blanks, which mod_fcgid takes for the ends of words', async () => {
    const site = project({ 'my app/app.mjs': helloApp, 'my app/app.fcgi': scriptFor('./app.mjs') })
    const trouble = only(await findings([site.file('my app/app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'path', verdict: 'warning' })
    expect(trouble.fix).toContain('without blanks')
  })

  it('names line ends of Windows, and its cure cures', async () => {
    const text = scriptFor('./app.mjs').replaceAll('\n', '\r\n')
    const site = project({ 'app.mjs': helloApp, 'app.fcgi': text })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'line-ends', verdict: 'failed' })
    const cure = trouble.fix!.split('\n')[0]!
    expect(spawnSync('/bin/sh', ['-c', cure]).status).toBe(0)
    expect(troubles(await findings([site.file('app.fcgi')]))).toEqual([])
  })

  it('names a Node.js that is too old, and one that is not there', async () => {
    const site = project({
      'app.mjs': helloApp,
      'app.fcgi': scriptFor('./app.mjs'),
      'old/node': '#!/bin/sh\necho v16.20.0\n',
    })
    fs.chmodSync(site.file('old/node'), 0o755)
    const old = only(
      await findings([site.file('app.fcgi')], { path: `${site.file('old')}:${serverPath}` }),
    )
    expect(old).toMatchObject({ check: 'node', verdict: 'failed' })
    expect(old.what).toContain('v16.20.0')
    expect(old.fix).toContain(`#!${process.execPath}`)
    const none = only(await findings([site.file('app.fcgi')], { path: site.file('nowhere') }))
    expect(none.check).toBe('node')
    expect(none.fix).toContain(`#!${process.execPath}`)
  })

  it('names a .fcgi under "type": "module"', async () => {
    const site = project({
      'package.json': '{ "type": "module" }',
      'app.js': helloApp,
      'app.fcgi': scriptFor('./app.js'),
    })
    const found = await findings([site.file('app.fcgi')])
    const trouble = only(found)
    expect(trouble).toMatchObject({ check: 'module-form', verdict: 'failed' })
    expect(trouble.fix).toContain('"type": "commonjs"')
    // The first of the two cures.
    site.write('fcgi/app.fcgi', scriptFor('../app.js'))
    site.write('fcgi/package.json', '{ "type": "commonjs" }')
    expect(troubles(await findings([site.file('fcgi/app.fcgi')]))).toEqual([])
  })

  it('names import statements in a .fcgi', async () => {
    const site = project({
      'app.fcgi':
        "#!/usr/bin/env node\nimport { serve } from '@fastcgi/core'\nserve((req, res) => res.end())\n",
    })
    expect(only(await findings([site.file('app.fcgi')])).check).toBe('module-form')
    site.write('app.fcgi', "#!/usr/bin/env node\nimport{serve}from'@fastcgi/core'\nserve(0)\n")
    expect(only(await findings([site.file('app.fcgi')])).check).toBe('module-form')
  })

  it('names await at the top of a .fcgi', async () => {
    const text = scriptFor('./app.mjs').replace('serve(()', 'await serve(()')
    const site = project({ 'app.mjs': helloApp, 'app.fcgi': text })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble.check).toBe('module-form')
    expect(trouble.what).toContain('await')
  })

  it('names file and line of a syntax error', async () => {
    const site = project({
      'app.mjs': 'export const a = 1\nexport default const = 3\n',
      'app.fcgi': scriptFor('./app.mjs'),
    })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'load', verdict: 'failed' })
    expect(trouble.what).toContain(`SyntaxError in ${site.file('app.mjs')}:2`)
  })

  it('names a package that is missing, of the script and of the app', async () => {
    const site = project({
      'app.mjs': `import 'no-such-package'\n${helloApp}`,
      'app.fcgi': scriptFor('./app.mjs'),
      'other.fcgi': scriptFor('./app.mjs').replace('@fastcgi/core', '@fastcgi/nothing'),
    })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'load', verdict: 'failed' })
    expect(trouble.what).toContain('no-such-package')
    expect(trouble.fix).toContain('npm install no-such-package')
    const other = await findings([site.file('other.fcgi')])
    expect(other.find(({ check }) => check === 'packages')).toMatchObject({
      verdict: 'failed',
      fix: expect.stringContaining('npm install @fastcgi/nothing'),
    })
  })

  it('names a process that ends at its start, with what it said', async () => {
    const site = project({
      'app.mjs': "console.error('no database here')\nprocess.exit(7)\n",
      'app.fcgi': scriptFor('./app.mjs'),
    })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'load', verdict: 'failed' })
    expect(trouble.what).toContain('exit code 7')
    expect(trouble.what).toContain('no database here')
  })

  it('names who called process.exit(), a promise that nobody awaited, and a process that is killed', async () => {
    const files = {
      'exit.mjs': 'const code = 1\nprocess.exit(code)\n',
      'later.mjs': `setTimeout(() => Promise.reject(new Error('redis is gone')), 100)\n${helloApp}`,
      'killed.mjs': "process.kill(process.pid, 'SIGKILL')\n",
    }
    const scripts = Object.keys(files).map((name) => [`${name}.fcgi`, scriptFor(`./${name}`)])
    const site = project({ ...files, ...Object.fromEntries(scripts) })
    const [exit, later, killed] = await Promise.all(
      Object.keys(files).map(async (name) => only(await findings([site.file(`${name}.fcgi`)]))),
    )
    expect(exit!.what).toContain(`called process.exit() at ${site.file('exit.mjs')}:2`)
    expect(later!.what).toContain('though it had answered')
    expect(later!.what).toContain(`redis is gone (${site.file('later.mjs')}:1)`)
    expect(killed!.what).toContain('by SIGKILL')
    expect(killed!.fix).toContain('limit')
  })

  it('does not wait for ever: for a script without serve(), a loop, an app that waits', async () => {
    const site = project({
      'never.fcgi': "#!/usr/bin/env node\nrequire('http').createServer().listen(0, '127.0.0.1')\n",
      'loop.fcgi': `${scriptFor('./app.mjs')}for (;;);\n`,
      'waits.fcgi': scriptFor('./waits.mjs'),
      'app.mjs': helloApp,
      'waits.mjs': 'export default new Promise(() => {})\n',
    })
    const looked = async (name: string): Promise<Finding> =>
      only(await findings([site.file(name)], { wait: '3' }))
    const never = await looked('never.fcgi')
    expect(never.what).toContain('does not call serve()')
    expect(never.fix).toContain('@fastcgi/core/register')
    const loop = await looked('loop.fcgi')
    expect(loop.what).toContain('computes all the while')
    expect(loop.fix).toContain(`at the top of ${site.file('loop.fcgi')}`)
    expect((await looked('waits.fcgi')).fix).toContain('waits for while it loads')
    await expect(findings([site.file('waits.fcgi')], { wait: 'long' })).rejects.toThrow(
      '--wait is a number of seconds',
    )
  })

  it('ends what it has started when it is told to end', async () => {
    const site = project({
      'app.mjs':
        "import fs from 'node:fs'\nfs.writeFileSync('pid', String(process.pid))\nawait new Promise(() => setInterval(() => {}, 1e6))\n",
      'app.fcgi': scriptFor('./app.mjs'),
    })
    const doctor = startNode({
      file: command,
      args: ['doctor', site.file('app.fcgi'), '--user', 'root'],
    })
    await until(() => fs.existsSync(site.file('pid')), 'the app to be started')
    doctor.child.kill('SIGTERM')
    expect(await doctor.ended).toBe(1)
    const pid = fs.readFileSync(site.file('pid'), 'utf8')
    await until(() => !isAlive(Number(pid)), 'the app to end')
  })

  it('starts the file itself, with the options of its first line', async () => {
    const site = project({
      'app.mjs': 'export default (req, res) => res.end(process.execArgv.join())\n',
      'app.fcgi': scriptFor('./app.mjs').replace('env node', 'env -S node --no-such-option'),
    })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble.what).toContain('--no-such-option')
  })

  it('as root starts it as the web server’s user, who may not read what root may', async () => {
    const site = project({
      'app.mjs': `import fs from 'node:fs'\nfs.readFileSync(new URL('secret.json', import.meta.url))\n${helloApp}`,
      'app.fcgi': scriptFor('./app.mjs'),
      'secret.json': '{}',
    })
    fs.chmodSync(site.file('secret.json'), process.getuid?.() === 0 ? 0o600 : 0o000)
    const trouble = only(await findings([site.file('app.fcgi')], { user: 'nobody' }))
    expect(trouble).toMatchObject({ check: 'load', verdict: 'failed' })
    expect(trouble.what).toContain(`permission denied: open ${site.file('secret.json')}`)
    expect(trouble.fix).toContain('--user NAME')
  })

  it('names a file of the app that the web server’s user may not read', async () => {
    const site = project({
      'app.mjs': `import './lib/part.mjs'\n${helloApp}`,
      'lib/part.mjs': '',
      'app.fcgi': scriptFor('./app.mjs'),
    })
    fs.chmodSync(site.file('lib/part.mjs'), 0o600)
    const trouble = only(await findings([site.file('app.fcgi')], { user: 'nobody' }))
    expect(trouble).toMatchObject({ check: 'access', verdict: 'failed' })
    expect(trouble.fix).toContain(`chmod a+r ${site.file('lib/part.mjs')}`)
  })

  it('names a package.json that is no JSON', async () => {
    const site = project({
      'package.json': '{ "name": "x", }',
      'app.mjs': helloApp,
      'app.fcgi': scriptFor('./app.mjs'),
    })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'module-form', verdict: 'failed' })
    expect(trouble.what).toContain(site.file('package.json'))
  })

  it('names a folder that the web server cannot pass', async () => {
    const site = project({ 'in/app.mjs': helloApp, 'in/app.fcgi': scriptFor('./app.mjs') })
    fs.chmodSync(site.file('in'), 0o700)
    const found = await findings([site.file('in/app.fcgi')], { user: 'nobody' })
    const trouble = found.find(({ check }) => check === 'access')
    expect(trouble).toMatchObject({ verdict: 'failed' })
    expect(trouble!.fix).toContain('chmod a+x')
  })

  it('names a handler that throws', async () => {
    const site = project({
      'app.mjs': "export default (req, res) => { throw new Error('no luck') }\n",
      'app.fcgi': scriptFor('./app.mjs'),
    })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'answer', verdict: 'failed' })
    expect(trouble.what).toContain('no luck')
  })

  it('warns of sessions in memory', async () => {
    const store = 'class MemoryStore {}\nconst store = new MemoryStore()\n'
    const site = project({
      'app.mjs': `${store}export default (req, res) => { req.sessionStore = store; res.end() }\n`,
      'app.fcgi': scriptFor('./app.mjs'),
    })
    const trouble = only(await findings([site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'memory-sessions', verdict: 'warning' })
  })

  describe('with shared', () => {
    const store = 'class MemoryStore {}\nconst store = new MemoryStore()\n'
    const sessions = `${store}export default (req, res) => { req.sessionStore = store; res.end() }\n`

    /** A script that is one process for all, and the folder where it is looked for. */
    const shared = (app: string, options = ''): [file: string, folder: string] => {
      const site = project({
        'app.mjs': app,
        'app.fcgi': scriptFor('./app.mjs')
          .replace('@fastcgi/core', '@fastcgi/core/shared')
          .replace("import('./app.mjs')", `import('./app.mjs')${options}`),
      })
      const folder = site.file('private')
      vi.stubEnv('FASTCGI_SHARED_DIR', folder)
      cleanups.push(() => vi.unstubAllEnvs())
      return [site.file('app.fcgi'), folder]
    }

    it('tries both the app and the one process, and leaves none behind', async () => {
      const [file, folder] = shared(sessions)
      const found = await findings([file])
      expect(troubles(found)).toEqual([])
      expect(found.slice(-3)).toMatchObject([
        { check: 'load', verdict: 'ok' },
        { check: 'answer', verdict: 'ok' },
        { check: 'shared', verdict: 'ok' },
      ])
      expect(fs.readdirSync(folder)).toContain('key')
      expect(hostsIn(folder)).toEqual([])
    })

    it('names what forbids the one process', async () => {
      const [file, folder] = shared(helloApp)
      fs.writeFileSync(folder, 'in its place')
      const trouble = only(await findings([file]))
      expect(trouble).toMatchObject({ check: 'shared', verdict: 'warning' })
      expect(trouble.what).toContain(`${folder} is no folder`)
    })

    it('warns of sessions in the memory of workers', async () => {
      const [file, folder] = shared(sessions, ', { workers: 1 }')
      const trouble = only(await findings([file]))
      expect(trouble).toMatchObject({ check: 'memory-sessions', verdict: 'warning' })
      expect(trouble.fix).toContain('without workers')
      expect(hostsIn(folder)).toEqual([])
    })
  })

  it('takes an app that has no .fcgi', async () => {
    const site = project({ 'app.mjs': helloApp, 'bad.mjs': 'export default 7\n' })
    expect(troubles(await findings([site.file('app.mjs')]))).toEqual([])
    expect(only(await findings([site.file('bad.mjs')])).what).toContain('a number')
  })
})

describe('doctor of a socket', () => {
  async function listening(file: string): Promise<Server> {
    const server = createServer((_request, response) => response.end('ok'))
    server.listen(file)
    await once(server, 'listening')
    cleanups.push(() => server.drain(100))
    return server
  }

  it('finds nothing where nothing is wrong', async () => {
    const site = project({})
    await listening(site.file('app.sock'))
    fs.chmodSync(site.file('app.sock'), 0o660)
    const found = await findings([site.file('app.sock')])
    expect(troubles(found)).toEqual([])
    expect(found.map(({ check }) => check)).toEqual([
      'socket',
      'socket-access',
      'protocol',
      'answer',
      'first-byte',
    ])
  })

  it('names a socket that the web server may not open', async () => {
    const site = project({})
    await listening(site.file('app.sock'))
    fs.chmodSync(site.file('app.sock'), 0o600)
    const trouble = only(await findings([site.file('app.sock')], { user: 'nobody' }))
    expect(trouble).toMatchObject({ check: 'socket-access', verdict: 'failed' })
    expect(trouble.fix).toContain('--mode 660 --group nobody')
  })

  it('names a socket that was left behind', async () => {
    const site = project({
      'leave.cjs': "require('net').createServer().listen(process.argv[2], () => process.exit())",
    })
    const file = site.file('app.sock')
    // Node removes the file when it closes, and not when it exits.
    expect(spawnSync(process.execPath, [site.file('leave.cjs'), file]).status).toBe(0)
    const trouble = only(await findings([file]))
    expect(trouble).toMatchObject({ check: 'stale-socket', verdict: 'failed' })
    expect(trouble.fix).toContain('start the app again')
  })

  it('names one that does not exist, and a file that is none', async () => {
    const site = project({ 'plain.sock': '' })
    expect(only(await findings([site.file('no.sock')])).what).toContain('does not exist')
    for (const name of [`unix:${site.file('plain.sock')}`, site.file('plain.sock')]) {
      const reports = await examine([name], given)
      expect(only(reports[0]!.findings)).toMatchObject({
        what: expect.stringContaining('is a plain file and no socket'),
        fix: expect.stringContaining(`rm ${site.file('plain.sock')}`),
      })
    }
    const folder = only(await findings([site.file('run/app.sock')]))
    expect(folder.what).toContain(`nor does the folder ${site.file('run')}`)
    expect(folder.fix).toContain(`mkdir -p ${site.file('run')}`)
    await expect(findings(['nothing'])).rejects.toThrow('no such file')
  })

  it('names a program that takes the connection and says nothing', async () => {
    const site = project({})
    const server = createNetServer((socket) => socket.on('error', () => {}).resume())
    server.listen(site.file('other.sock'))
    await once(server, 'listening')
    cleanups.push(() => server.close())
    const trouble = only(await findings([site.file('other.sock')], { wait: '1' }))
    expect(trouble).toMatchObject({ check: 'protocol', verdict: 'failed' })
    expect(trouble.what).toContain('says nothing')
    expect(trouble.fix).toContain('ss -xlp | grep other.sock')
  })

  it('names what does not speak FastCGI', async () => {
    const site = project({})
    const server = createNetServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    server.listen(site.file('http.sock'))
    await once(server, 'listening')
    cleanups.push(() => server.close())
    const trouble = only(await findings([site.file('http.sock')]))
    expect(trouble).toMatchObject({ check: 'protocol', verdict: 'failed' })
    expect(trouble.what).toContain('does not speak FastCGI')
  })
})

describe('doctor of a URL', () => {
  interface Deployed {
    readonly site: Project
    readonly url: string
    readonly script: string
  }

  /** An app that serves, a gateway that stands for its web server, and in front of it what has faults. */
  async function deploy(
    gateway: { as?: 'apache-mod_proxy_fcgi' | 'nginx'; mount?: string } = {},
    faults?: FrontFaults,
  ): Promise<Deployed> {
    const site = project({ 'app.mjs': helloApp })
    const script = site.file('app.mjs')
    const socket = site.file('app.sock')
    const server = await serve((_request, response) => void response.end('page'), {
      listen: socket,
      script,
      signals: false,
      arguments: [],
      log: () => {},
    })
    cleanups.push(() => server.drain(100))
    const running: Gateway = await startGateway({
      connect: { socketPath: socket },
      port: 0,
      log: false,
      ...gateway,
    })
    cleanups.push(() => running.close())
    if (faults === undefined) return { site, url: running.url, script }
    const front: Front = await startFront(`http://127.0.0.1:${running.port}`, faults)
    cleanups.push(() => front.close())
    return { site, url: `${front.url}/`, script }
  }

  it('finds nothing where nothing is wrong, and leaves no secret behind', async () => {
    const { url, script, site } = await deploy({ mount: '/app' })
    const found = await findings([url, script])
    expect(troubles(found)).toEqual([])
    expect(found.map(({ check }) => check)).toEqual([
      'site',
      'first-byte',
      'arrival',
      'request-uri',
      'mount',
      'authorization',
      'https',
      'remote-address',
      'upload-limit',
      'request-header',
      'response-header',
      'buffering',
      'processes',
    ])
    expect(fs.existsSync(site.file('.fastcgi-doctor'))).toBe(false)
  })

  it('names a missing PATH_INFO', async () => {
    const { url, script } = await deploy({ as: 'apache-mod_proxy_fcgi', mount: '/app' })
    const bad = troubles(await findings([url, script]))
    expect(bad.map(({ check }) => check)).toEqual(['mount', 'authorization'])
    expect(bad[0]).toMatchObject({ verdict: 'failed' })
    expect(bad[0]!.what).toContain('PATH_INFO is not sent')
    expect(bad[0]!.fix).toContain('ScriptAlias /app')
    expect(bad[1]!.fix).toContain('CGIPassAuth On')
  })

  it('names a limit on uploads', async () => {
    const { url, script } = await deploy({ as: 'nginx' }, { maxUpload: 1024 * 1024 })
    const trouble = only(await findings([url, script]))
    expect(trouble).toMatchObject({ check: 'upload-limit', verdict: 'warning' })
    expect(trouble.what).toBe('uploads of 256 kB pass, and for 2 MB the answer is 413')
    expect(trouble.fix).toContain('client_max_body_size')
  })

  it('names a stream that is collected', async () => {
    const { url, script } = await deploy({ as: 'nginx' }, { buffers: true })
    const trouble = only(await findings([url, script]))
    expect(trouble).toMatchObject({ check: 'buffering', verdict: 'warning' })
    expect(trouble.fix).toContain('fastcgi_buffering off')
  })

  it('names processes that could not have one serve for all', async () => {
    const site = project({
      'app.mjs': helloApp,
      'app.fcgi': scriptFor('./app.mjs').replace('@fastcgi/core', '@fastcgi/core/shared'),
    })
    const alone = startNode({
      file: site.file('app.fcgi'),
      stdin: await listeningServer(site.file('app.sock')),
      env: { FASTCGI_SHARED_DIR: site.file('app.mjs') },
    })
    cleanups.push(() => alone.child.kill('SIGKILL'))
    const connect = { socketPath: site.file('app.sock') }
    const gateway = await startGateway({ connect, port: 0, log: false })
    cleanups.push(() => gateway.close())
    const trouble = only(await findings([gateway.url, site.file('app.fcgi')]))
    expect(trouble).toMatchObject({ check: 'shared', verdict: 'warning' })
    expect(trouble.what).toContain('app.mjs is no folder')
  })

  it('looks from outside where it does not know the script', async () => {
    const { url } = await deploy()
    const found = await findings([url])
    expect(troubles(found)).toEqual([])
    expect(found.at(-1)).toMatchObject({ check: 'arrival', verdict: 'unknown' })
  })

  it('names a server that is not there', async () => {
    const { url } = await deploy()
    for (const cleanup of cleanups.splice(1).toReversed()) await cleanup()
    expect(only(await findings([url]))).toMatchObject({ check: 'site', verdict: 'failed' })
  })

  it('is answered by the app for everybody who does not know the secret', async () => {
    const { url, site } = await deploy()
    const header = { 'X-FastCGI-Doctor': `${'0'.repeat(64)} params` }
    expect(await (await fetch(url, { headers: header })).text()).toBe('page')
    site.write('.fastcgi-doctor', `${'1'.repeat(64)}\n`)
    expect(await (await fetch(url, { headers: header })).text()).toBe('page')
    const short = site.write('.fastcgi-doctor', 'x\n')
    expect(await (await fetch(url, { headers: { 'X-FastCGI-Doctor': 'x params' } })).text()).toBe(
      'page',
    )
    // One that was forgotten an hour ago opens nothing.
    fs.writeFileSync(short, `${'0'.repeat(64)}\n`)
    const past = new Date(Date.now() - 3_600_000)
    fs.utimesSync(short, past, past)
    expect(await (await fetch(url, { headers: header })).text()).toBe('page')
  })
})

describe('the command doctor', () => {
  it('tells by its exit code whether a check has failed, and gives JSON', async () => {
    const site = project({ 'app.mjs': helloApp, 'app.fcgi': scriptFor('./app.mjs') })
    const args = ['doctor', 'app.fcgi', '--user', 'root', '--path', searchPath]
    const good = await runCli(args, { cwd: site.folder })
    expect(good).toMatchObject({ code: 0, stderr: '' })
    expect(good.stdout).toContain('0 failed, 0 warnings')
    fs.chmodSync(site.file('app.fcgi'), 0o644)
    const bad = await runCli([...args, '--json'], { cwd: site.folder })
    expect(bad.code).toBe(1)
    const { reports } = JSON.parse(bad.stdout) as { reports: { findings: Finding[] }[] }
    expect(reports[0]!.findings[0]).toMatchObject({ check: 'run-bit', verdict: 'failed' })
    expect((await runCli(['doctor', 'no.fcgi'], { cwd: site.folder })).code).toBe(66)
  })
})
