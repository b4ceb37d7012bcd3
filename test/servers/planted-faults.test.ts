/**
 * Twelve faults, planted one by one where a new user would have them: seven on a shared host with what `fastcgi init
 * htaccess` wrote, five on a socket behind nginx with what `fastcgi init nginx` wrote or should have been. Each shows at
 * the client, and each is named with its cure by `fastcgi doctor`, or in the web server's log.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { examine } from '../../packages/cli/src/commands/doctor.ts'
import { startApache } from '../support/apache.ts'
import { runCli } from '../support/cli.ts'
import { deploy } from '../support/deploy.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import {
  fill,
  serverUser,
  startWebServer,
  temporaryFolder,
  writableFolder,
  type WebServer,
} from '../support/web-server.ts'
import { nginx } from './programs/nginx.ts'
import { exampleFile } from './setup.ts'

const user = serverUser()
const given = {
  path: String(process.env['PATH']),
  page: '/',
  user: user?.name ?? os.userInfo().username,
}
const app = 'export default (req, res) => res.end(`hello ${req.url}`)\n'

/** What the doctor does not like, by check: what it says, and what it would have done. */
async function complaints(...targets: string[]): Promise<Record<string, string>> {
  const [report] = await examine(targets, given)
  const bad = report!.findings.filter(({ verdict }) => verdict !== 'ok')
  return Object.fromEntries(bad.map(({ check, what, fix }) => [check, `${what}\n${fix ?? ''}`]))
}

async function get(server: WebServer, target: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(`http://127.0.0.1:${String(server.port)}${target}`)
  return { status: answer.status, text: await answer.text() }
}

/** A command that the doctor named: its first line. */
function cure(text: string): void {
  const [, command] = /\n((?:chmod|sed) .*)/.exec(text) ?? []
  const { status, stderr } = spawnSync('sh', ['-c', command!], { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
}

describe('a shared host with .htaccess', () => {
  let server: WebServer
  let root = ''

  beforeAll(async () => {
    server = await startApache({
      modules: ['fcgid'],
      extra:
        'DocumentRoot ${HTDOCS}\n<Directory ${HTDOCS}>\n    AllowOverride All\n    Require all granted\n</Directory>',
      async prepare(place) {
        root = path.join(place.folder, 'htdocs')
        fs.rmSync(root, { recursive: true, force: true })
        deploy('examples/node-http', root)
        await site('sound', {}, ['init', 'htaccess', '--entry', 'app.mjs'])
        return { HTDOCS: root }
      },
    })
  })
  afterAll(() => server?.stop())

  /** A folder of the document root with an app, deployed well but for `files`. Gives its script. */
  async function site(
    name: string,
    files: Record<string, string>,
    words?: string[],
  ): Promise<string> {
    const folder = path.join(root, name)
    fs.mkdirSync(folder)
    const texts = { 'package.json': '{ "name": "mine", "private": true }', 'app.mjs': app }
    for (const [file, text] of Object.entries({ ...texts, ...files })) {
      fs.writeFileSync(path.join(folder, file), text)
    }
    if (words !== undefined) {
      expect(await runCli(words, { cwd: folder })).toMatchObject({ code: 0, stderr: '' })
    } else {
      for (const file of ['app.fcgi', '.htaccess']) {
        if (!(file in files)) {
          fs.copyFileSync(path.join(root, 'sound', file), path.join(folder, file))
        }
      }
    }
    const script = path.join(folder, 'app.fcgi')
    fs.chmodSync(script, 0o755)
    return script
  }

  const script = (): string => fs.readFileSync(path.join(root, 'sound/app.fcgi'), 'utf8')

  it('answers, and the doctor is content, where nothing is planted', async () => {
    expect(await get(server, '/sound/x')).toEqual({ status: 200, text: 'hello /x' })
    // The app's files lie in the document root, and it is the app that is asked for them.
    expect((await get(server, '/sound/package.json')).text).toBe('hello /package.json')
    expect(await complaints(path.join(root, 'sound/app.fcgi'))).toEqual({})
  })

  it('1: no run bit', async () => {
    const file = await site('no-run-bit', {})
    fs.chmodSync(file, 0o644)
    expect((await get(server, '/no-run-bit/')).status).toBeGreaterThanOrEqual(403)
    const bad = await complaints(file)
    expect(Object.keys(bad)).toEqual(['run-bit'])
    cure(bad['run-bit']!)
    expect((await get(server, '/no-run-bit/')).text).toBe('hello /')
  })

  it('2: CR LF', async () => {
    const file = await site('crlf', { 'app.fcgi': script().replaceAll('\n', '\r\n') })
    expect((await get(server, '/crlf/')).status).toBe(500)
    const bad = await complaints(file)
    expect(Object.keys(bad)).toContain('line-ends')
    cure(bad['line-ends']!)
    expect(await complaints(file)).toEqual({})
    expect((await get(server, '/crlf/')).text).toBe('hello /')
  })

  it('3: wrong Node.js', async () => {
    const old = path.join(root, 'node18')
    fs.writeFileSync(old, '#!/bin/sh\necho v18.20.4\n', { mode: 0o755 })
    const file = await site('old-node', { 'app.fcgi': script().replace(/^#!.*/, `#!${old}`) })
    expect((await get(server, '/old-node/')).status).toBe(500)
    const bad = await complaints(file)
    expect(bad['node']).toContain('v18.20.4; needed is 20.19 or later')
    expect(bad['node']).toContain(`first line: #!${process.execPath}`)
  })

  it('4: "type": "module"', async () => {
    const file = await site('module', { 'package.json': '{ "type": "module" }' })
    expect((await get(server, '/module/')).status).toBe(500)
    const bad = await complaints(file)
    expect(bad['module-form']).toContain('says "type": "module", and Node.js refuses a .fcgi there')
    expect(bad['module-form']).toContain('{ "type": "commonjs" }')
  })

  it('5: a syntax error', async () => {
    const file = await site('syntax', { 'app.mjs': `${app}const = 1\n` })
    const { status, text } = await get(server, '/syntax/')
    expect(status).toBe(503)
    // The page tells nothing but where to look.
    const reference = /look for ([0-9a-f]{8})\./.exec(text)![1]!
    expect(text).not.toContain('SyntaxError')
    await server.waitForLog(new RegExp(`FCGI_LOAD_FAILED ${reference}`))
    expect(server.log()).toMatch(/syntax\/app\.mjs:2/)
    const bad = await complaints(file)
    expect(bad['load']).toMatch(/app\.mjs:2/)
  })

  it('6: a missing module', async () => {
    const file = await site('missing', { 'app.mjs': `import 'left-out'\n${app}` })
    expect((await get(server, '/missing/')).status).toBe(503)
    await server.waitForLog(/Cannot find package 'left-out'/)
    const bad = await complaints(file)
    expect(bad['load']).toContain('left-out')
    expect(bad['load']).toContain('npm install left-out')
  })

  it('7: a crash at the start', async () => {
    const file = await site('crash', {
      'app.mjs': "console.error('no database here')\nprocess.exit(7)\n",
    })
    expect((await get(server, '/crash/')).status).toBe(500)
    await server.waitForLog(/no database here/)
    await server.waitForLog(/End of script output before headers/)
    // And where: an app that ends itself without a word would leave nothing but the line above.
    await server.waitForLog(/crash\/app\.mjs:2[^]*FCGI_APP_EXIT/)
    const bad = await complaints(file)
    expect(bad['load']).toContain('exit code 7')
    expect(bad['load']).toContain('no database here')
  })

  it('what a new user forgets: the .htaccess, a directive that the host has not, LimitRequestBody', async () => {
    const url = (name: string): string => `http://127.0.0.1:${String(server.port)}/${name}/`
    const forgotten = await site('forgotten', {})
    fs.rmSync(path.join(root, 'forgotten/.htaccess'))
    const bad = await complaints(url('forgotten'), forgotten)
    expect(bad['arrival']).toContain('is .htaccess beside the script')

    const text = fs.readFileSync(path.join(root, 'sound/.htaccess'), 'utf8')
    const misspelt = await site('misspelt', { '.htaccess': `PassengerEnabled On\n${text}` })
    expect((await complaints(url('misspelt'), misspelt))['site']).toContain('"Invalid command"')
    await server.waitForLog(/Invalid command 'PassengerEnabled'/)

    const limited = await site('limited', { '.htaccess': `LimitRequestBody 100000\n${text}` })
    const limit = (await complaints(url('limited'), limited))['upload-limit']
    expect(limit).toMatch(
      /64 kB pass, and for 256 kB (?:the app gets 0 kB, without an error|the answer is)/,
    )
    expect(limit).toContain('LimitRequestBody')
  })

  it('seen through its URL: sessions in memory, in several processes; a limit on uploads; a buffered stream', async () => {
    // As express-session does it; the package itself: test/memory-sessions.test.ts.
    const sessions =
      'class MemoryStore {}\nconst sessionStore = new MemoryStore()\nexport default (req, res) => {\n  req.sessionStore = sessionStore\n  res.end(`hello ${req.url}`)\n}\n'
    const script = await site('sessions', { 'app.mjs': sessions })
    const bad = await complaints(`http://127.0.0.1:${String(server.port)}/sessions/`, script)
    expect(Object.keys(bad).toSorted()).toEqual(['buffering', 'memory-sessions', 'upload-limit'])
    expect(bad['memory-sessions']).toContain('answered by two processes')
    expect(bad['memory-sessions']).toContain('signed cookie')
    expect(bad['upload-limit']).toContain('FcgidMaxRequestLen')
    expect(bad['buffering']).toContain('FcgidOutputBufferSize 0')
    await server.waitForLog(/FCGI_MEMORY_SESSIONS/)
  })
})

describe('nginx and a socket', () => {
  let folder = ''
  let home = ''
  let script = ''
  let socket = ''
  let running: FastcgiApp | undefined

  beforeAll(async () => {
    folder = temporaryFolder('planted')
    home = path.join(folder, 'app')
    deploy('examples/express', home)
    fs.rmSync(path.join(home, 'app.fcgi'))
    socket = path.join(writableFolder(folder, 'run'), 'app.sock')
    const words = ['init', 'nginx', '--entry', 'app.mjs', '--socket', socket]
    expect(await runCli(words, { cwd: home })).toMatchObject({ code: 0, stderr: '' })
    script = path.join(home, 'app.fcgi')
  })
  afterEach(async () => {
    await running?.stop()
    running = undefined
  })
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  const written = (): string => fs.readFileSync(path.join(home, 'deploy/nginx.conf'), 'utf8')
  const example = (name: string): string =>
    fs.readFileSync(exampleFile(`nginx/${name}`), 'utf8').replaceAll('/run/myapp/app.sock', socket)

  /** With workers of the user that nginx has on a real machine. */
  async function withNginx(text: string, use: (server: WebServer) => Promise<void>): Promise<void> {
    const server = await startWebServer({
      ...nginx.options,
      prepare: (place) => {
        const port = { 'listen 80': `listen 127.0.0.1:${String(place.port)}` }
        const launch = nginx.prepare(fill(text, port), place)
        const main = path.join(place.folder, 'nginx.conf')
        const own = user === undefined ? '' : `user ${user.name} ${user.group};`
        fs.writeFileSync(main, fs.readFileSync(main, 'utf8').replace('user root;', own))
        return launch
      },
    })
    try {
      await use(server)
    } finally {
      await server.stop()
    }
  }

  async function start(): Promise<void> {
    running = await startFastcgiApp({ file: script, listen: socket })
  }

  it('8: the socket’s permission', async () => {
    await start()
    fs.chmodSync(socket, 0)
    await withNginx(written(), async (server) => {
      expect((await get(server, '/')).status).toBe(502)
      await server.waitForLog(/13: Permission denied/)
    })
    if (user !== undefined) {
      const bad = await complaints(socket)
      expect(bad['socket-access']).toContain(`${user.name}, the web server's user, may not write`)
      expect(bad['socket-access']).toContain(`--mode 660 --group ${user.name}`)
    } else expect((await complaints(socket))['protocol']).toContain('EACCES')
  })

  it('9: a stale socket', async () => {
    await start()
    process.kill(running!.pid, 'SIGKILL')
    await running!.exited
    await withNginx(written(), async (server) => {
      expect((await get(server, '/')).status).toBe(502)
      await server.waitForLog(/111: Connection refused/)
      const bad = await complaints(socket)
      expect(bad['stale-socket']).toContain('left its socket behind')
      expect(bad['stale-socket']).toContain('start the app again: it replaces the file by itself')
      await start()
      expect((await get(server, '/')).status).toBe(200)
    })
  })

  it('10: PATH_INFO is not sent', async () => {
    await start()
    const text = example('subpath.conf')
      .replace('        fastcgi_param SCRIPT_NAME $fastcgi_script_name;\n', '')
      .replace('        fastcgi_param PATH_INFO $fastcgi_path_info;\n', '')
      .replace(/ {8}fastcgi_split_path_info .*\n/, '')
    await withNginx(text, async (server) => {
      const bad = await complaints(`http://127.0.0.1:${String(server.port)}/app/`, script)
      expect(bad['mount']).toContain('PATH_INFO is not sent')
      expect(bad['mount']).toContain('fastcgi_param PATH_INFO $fastcgi_path_info;')
    })
  })

  it('other variables of a hand-written configuration: none at all, REQUEST_URI missing or decoded', async () => {
    await start()
    const url = (server: WebServer): string => `http://127.0.0.1:${String(server.port)}/`
    const site = (lines: string): string =>
      example('minimal.conf').replace(/( *)include fastcgi_params;/, `$1${lines}`)
    const parameters = '/etc/nginx/fastcgi_params'
    expect(example('minimal.conf')).toContain('include fastcgi_params;')
    await withNginx(site(''), async (server) => {
      expect((await complaints(url(server), script))['arrival']).toContain(
        'include fastcgi_params;',
      )
    })
    const without = path.join(folder, 'without')
    const lines = fs.readFileSync(parameters, 'utf8').split('\n')
    fs.writeFileSync(without, lines.filter((line) => !line.includes('REQUEST_URI')).join('\n'))
    await withNginx(site(`include ${without};`), async (server) => {
      const bad = await complaints(url(server), script)
      expect(bad['request-uri']).toContain('is not sent')
      expect(bad['request-uri']).toContain('fastcgi_param REQUEST_URI $request_uri;')
    })
    await withNginx(site(`include ${without}; fastcgi_param REQUEST_URI $uri;`), async (server) => {
      const bad = await complaints(url(server), script)
      expect(bad['request-uri']).toContain('decoded')
      expect(bad['request-uri']).toContain('fastcgi_param REQUEST_URI $request_uri;')
    })
  })

  it('11 and 12: a buffered stream and a limit on uploads, as nginx has them by default', async () => {
    await start()
    await withNginx(example('minimal.conf'), async (server) => {
      const bad = await complaints(`http://127.0.0.1:${String(server.port)}/`, script)
      expect(Object.keys(bad).toSorted()).toEqual(['buffering', 'response-header', 'upload-limit'])
      expect(bad['buffering']).toContain('fastcgi_buffering off')
      expect(bad['upload-limit']).toContain('for 2 MB the answer is 413')
      expect(bad['upload-limit']).toContain('client_max_body_size')
      expect(bad['response-header']).toContain('fastcgi_buffer_size')
    })
  })
})
