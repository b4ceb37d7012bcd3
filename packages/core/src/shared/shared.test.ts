// Relays and hosts as processes, started as a web server starts them.
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
  type NodeProcessOptions,
} from '../../../../test/support/node-process.ts'
import { get, Relays, type Relay } from '../../../../test/support/relays.ts'
import { endHosts, hostsIn, isAlive } from '../../../../test/support/shared-hosts.ts'
import { until } from '../../../../test/support/until.ts'
import { request } from '../client.ts'

let core: CompiledCore
let site: Relays
let privateFolder = ''

const app = `
import fs from 'node:fs'
let running = 0
try {
  fs.appendFileSync(new URL('loaded', import.meta.url), process.pid + '\\n')
} catch {} // another user's
export default (req, res) => {
  const [, what] = req.url.split('/')
  if (what === 'log') console.log('said by the app')
  if (what === 'crash') process.exit(1)
  if (what === 'throw') return void setImmediate(() => { throw new Error('thrown by the app') })
  if (what === 'slow') { running++; res.on('close', () => running--); return }
  if (what === 'wait') { console.error('waiting'); globalThis.go = () => res.end('waited ' + process.pid); return }
  if (what === 'go') globalThis.go()
  if (what === 'seen') return void res.end(JSON.stringify({
    url: req.url, originalUrl: req.originalUrl, headers: req.headers, raw: req.rawHeaders,
    mount: req.fastcgi.mount, params: { ...req.fastcgi.params }, role: req.fastcgi.role,
    id: req.fastcgi.requestId, user: req.fastcgi.remoteUser, remote: req.socket.remoteAddress,
    port: req.socket.remotePort, encrypted: req.socket.encrypted,
    environment: Object.keys(process.env).filter((name) => name.startsWith('FASTCGI_')),
  }))
  if (what === 'running') return void res.end(String(running))
  if (what === 'echo') return void req.pipe(res)
  res.end(String(process.pid))
}
`

beforeAll(async () => {
  core = await compileCore()
  site = new Relays(core)
  privateFolder = site.folder
  core.write('app.mjs', app)
  core.write('light.cjs', scriptOf('@fastcgi/core/shared', ''))
  core.write('full.cjs', scriptOf('@fastcgi/core', ''))
})

afterAll(async () => {
  await site.close()
  core.remove()
})

afterEach(() => site.end())

function relay(script: string, options?: Partial<NodeProcessOptions>): Promise<Relay> {
  return site.start(script, options)
}

/** Hosts leave by themselves, too, should a test be killed. */
function scriptOf(entry: string, options: string, load = `import('./app.mjs')`): string {
  return `const { serve } = require('${entry}')
serve(() => ${load}, { sharedIdleTimeout: 30000, ${options} })
`
}

async function hostOf(through: Relay): Promise<number> {
  const response = await get(through)
  expect(response.status).toBe(200)
  return Number(await response.text())
}

function gone(pid: number): Promise<void> {
  return until(() => !isAlive(pid), `process ${pid} to end`)
}

describe('serve with shared', () => {
  it.each(['light.cjs', 'full.cjs'])(
    'runs the app in one process, not in those that are started (%s)',
    async (script) => {
      rmSync(join(core.folder, 'loaded'), { force: true })
      const relays = await Promise.all([relay(script), relay(script)])
      const hosts = await Promise.all(relays.map(hostOf))
      expect(new Set(hosts).size).toBe(1)
      expect(relays.map(({ pid }) => pid)).not.toContain(hosts[0])
      expect(hostsIn(privateFolder)).toEqual([hosts[0]])
      expect(readFileSync(join(core.folder, 'loaded'), 'utf8')).toBe(`${hosts[0]}\n`)
      // One of them has said what the host says; what the app says reaches a relay, too.
      await (await get(relays[0] as Relay, '/log')).discard()
      const said = (): string => relays.map(({ stderr }) => stderr()).join('')
      await until(() => said().includes('said by the app\n'), said)
    },
  )

  it('is asked for by --shared as well, and a relay then loads nothing of HTTP and of the app', async () => {
    const folder = join(core.folder, 'coverage')
    const builtin = core.write(
      'builtin.cjs',
      `process.once('exit', () => require('fs').writeFileSync(process.env.NODE_V8_COVERAGE + process.pid, process.moduleLoadList.join('\\n')))`,
    )
    const asked = {
      args: ['--shared'],
      nodeArgs: ['--require', builtin],
      env: { FASTCGI_SHARED: '', NODE_V8_COVERAGE: folder },
    }
    // Whoever comes first starts the host, and needs more for that.
    const host = await hostOf(await relay('light.cjs', asked))
    const through = await relay('light.cjs', asked)
    expect(await hostOf(through)).toBe(host)
    through.child.kill('SIGTERM')
    expect(await through.exited).toBe(0)
    // What V8 has seen of files.
    const file = readdirSync(folder).find((name) => name.startsWith(`coverage-${through.pid}-`))
    const { result } = JSON.parse(readFileSync(join(folder, file as string), 'utf8')) as {
      result: { url: string }[]
    }
    const files = result.flatMap(({ url }) =>
      url.startsWith('file:') ? new URL(url).pathname : [],
    )
    expect(files).toContain(join(core.folder, 'light.cjs'))
    expect(files).not.toContain(join(core.folder, 'app.mjs'))
    for (const each of files) {
      expect(readFileSync(each, 'utf8'), each).not.toMatch(/extends http\.Server|class Transport/)
    }
    const modules = readFileSync(`${folder}${through.pid}`, 'utf8')
    expect(modules).toMatch(/^NativeModule net$/m)
    expect(modules).not.toMatch(/^NativeModule (?:http|_http_server|crypto)$/m)
  })

  it('gives one host for 50 relays at once over the sockets of dead processes', async () => {
    const first = await relay('light.cjs')
    const dead = await hostOf(first)
    process.kill(dead, 'SIGKILL')
    await gone(dead)
    first.child.kill('SIGKILL')
    const relays = await Promise.all(Array.from({ length: 50 }, () => relay('light.cjs')))
    const hosts = await Promise.all(relays.map(hostOf))
    expect(new Set(hosts).size).toBe(1)
    expect(hostsIn(privateFolder)).toEqual([hosts[0]])
    expect(hosts[0]).not.toBe(dead)
  }, 120_000)

  it('waits for whoever is starting the host, and takes over when that process dies', async () => {
    const first = await relay('light.cjs')
    const dead = await hostOf(first)
    process.kill(dead, 'SIGKILL')
    await gone(dead)
    const [name, number] = newestSocket()
    const starter = startNode({
      file: core.write(
        'starter.cjs',
        `require('net').createServer((socket) => console.error('asked')).listen(process.argv[2])`,
      ),
      args: [join(privateFolder, `${name}.${number + 1}`)],
    })
    await until(() => newestSocket()[1] === number + 1, 'the starter to listen')
    const answer = get(first)
    await starter.waitForStderr(/asked/)
    expect(hostsIn(privateFolder)).toEqual([])
    starter.child.kill('SIGKILL')
    const host = Number(await (await answer).text())
    expect(hostsIn(privateFolder)).toEqual([host])
    expect(newestSocket()).toEqual([name, number + 3])
  })

  it('answers 503 what the host had not answered when it died, and starts another for the next', async () => {
    const through = await relay('light.cjs')
    const host = await hostOf(through)
    const lost = get(through, '/slow')
    await until(async () => (await (await get(through, '/running')).text()) === '1', 'the request')
    process.kill(host, 'SIGKILL')
    const answer = await lost
    expect(answer.status).toBe(503)
    expect(await answer.text()).toContain('ended before it answered')
    await through.waitForStderr(new RegExp(`503: process ${host} .*FCGI_HOST_GONE`))
    expect(await hostOf(through)).not.toBe(host)
  })

  it('writes to the error log why the app has crashed', async () => {
    const through = await relay('light.cjs')
    expect((await get(through, '/throw')).status).toBe(503)
    await through.waitForStderr(/Error: thrown by the app/)
    expect((await get(through, '/crash')).status).toBe(503)
    await hostOf(through)
  })

  it('answers 503 when the app does not load, with the reason in the log', async () => {
    core.write('broken.mjs', `throw new Error('cannot load')`)
    core.write('broken.cjs', scriptOf('@fastcgi/core/shared', '', `import('./broken.mjs')`))
    const through = await relay('broken.cjs')
    const answer = await get(through)
    expect(answer.status).toBe(503)
    expect(await answer.text()).toMatch(/look for [0-9a-f]{8}/)
    await through.waitForStderr(/Error: cannot load/)
    core.write('exits.cjs', scriptOf('@fastcgi/core/shared', '', 'process.exit(3)'))
    const other = await relay('exits.cjs')
    expect((await get(other)).status).toBe(503)
    await other.waitForStderr(/FCGI_HOST_GONE/)
  })

  it('shows the app what it would see without a relay', async () => {
    core.write('plain.cjs', scriptOf('@fastcgi/core', 'shared: false'))
    const see = async (script: string): Promise<Record<string, unknown>> => {
      const params = {
        SCRIPT_NAME: `/${script}`,
        SCRIPT_FILENAME: join(core.folder, script),
        DOCUMENT_ROOT: core.folder,
        PATH_INFO: '/seen/x y',
        REQUEST_URI: `/${script}/seen/x%20y?a=b`,
        QUERY_STRING: 'a=b',
        REMOTE_ADDR: '192.0.2.7',
        REMOTE_PORT: '4711',
        REMOTE_USER: 'ann',
        AUTH_TYPE: 'Basic',
        HTTPS: 'on',
        SERVER_SOFTWARE: 'Apache/2.4.62 (Debian)',
        HTTP_X_TEST: 'yes',
      }
      const text = await (await get(await relay(script), '/', { params })).text()
      return JSON.parse(text.replaceAll(script, 'full.cjs')) as Record<string, unknown>
    }
    const [alone, behind] = [await see('plain.cjs'), await see('full.cjs')]
    expect(behind).toMatchObject({ mount: '/full.cjs', url: '/seen/x%20y?a=b' })
    expect(alone['environment']).toEqual(['FASTCGI_SHARED_DIR'])
    expect(behind).toEqual(alone)
  })

  it('passes a large body both ways', async () => {
    const body = Buffer.alloc(8 << 20, 'x')
    const through = await relay('light.cjs')
    const answer = await get(through, '/echo', { method: 'POST', body })
    expect((await answer.bytes()).length).toBe(body.length)
  })

  it('tells the app when the web server goes away', async () => {
    const through = await relay('light.cjs')
    const aborted = new AbortController()
    const lost = get(through, '/slow', { signal: aborted.signal }).catch(() => {})
    const running = async (): Promise<string> => (await get(through, '/running')).text()
    await until(async () => (await running()) === '1', 'the request to run')
    aborted.abort()
    await lost
    await until(async () => (await running()) === '0', 'the app to see its end')
  })

  it('lets in who may connect: the relay knows the peer', async () => {
    const start = async (addresses: string, script: string): Promise<[NodeProcess, number]> => {
      const server = await listeningServer({ port: 0 })
      const { port } = server.address() as { port: number }
      const env = {
        FASTCGI_SHARED: '1',
        FASTCGI_SHARED_DIR: privateFolder,
        FCGI_WEB_SERVER_ADDRS: addresses,
      }
      return [startNode({ file: join(core.folder, script), stdin: server, env }), port]
    }
    for (const script of ['light.cjs', 'full.cjs']) {
      const [, admitted] = await start('127.0.0.1', script)
      const answer = await request({ host: '127.0.0.1', port: admitted, path: '/' })
      expect(answer.status).toBe(200)
      await answer.discard()
      const [, refused] = await start('192.0.2.1', script)
      await expect(request({ host: '127.0.0.1', port: refused, path: '/' })).rejects.toThrow(
        /closed the connection/,
      )
    }
  })
})

describe('the end', () => {
  it.each(['light.cjs', 'full.cjs'])('of a relay: what runs is finished (%s)', async (script) => {
    const [one, other] = await Promise.all([relay(script), relay(script)])
    const host = await hostOf(one)
    const answer = get(one, '/wait')
    await until(() => /waiting/.test(one.stderr() + other.stderr()), 'the request to run')
    one.child.kill('SIGTERM')
    await one.waitForStderr(/SIGTERM: finishing what runs/)
    // mod_fcgid sends it twice.
    one.child.kill('SIGTERM')
    await (await get(other, '/go')).discard()
    expect(await (await answer).text()).toBe(`waited ${host}`)
    expect(await one.exited).toBe(0)
    expect(await hostOf(other)).toBe(host)
  })

  it('of all relays: the host, which is in a session of its own, stays with all it has in memory', async () => {
    const first = await relay('light.cjs')
    const host = await hostOf(first)
    expect(readlinkSync(`/proc/${host}/fd/0`)).toBe('/dev/null')
    const [, , , , , session] = readFileSync(`/proc/${host}/stat`, 'latin1').split(' ')
    expect(Number(session)).toBe(host)
    const second = await relay('light.cjs')
    first.child.kill('SIGTERM')
    await first.exited
    // Its output is what it was started with no longer.
    await (await get(second, '/log')).discard()
    await second.waitForStderr(/said by the app/)
    expect(first.stderr()).not.toContain('said by the app')
    second.child.kill('SIGKILL')
    await second.exited
    expect(await hostOf(await relay('light.cjs'))).toBe(host)
  })

  it('of the host and its relays, when the script is another one', async () => {
    core.write('other.cjs', scriptOf('@fastcgi/core/shared', ''))
    const through = await relay('other.cjs')
    const host = await hostOf(through)
    core.write('other.cjs', scriptOf('@fastcgi/core/shared', 'ping: "/ping"'))
    await gone(host)
    expect(await through.exited).toBe(0)
    const next = await relay('other.cjs')
    expect(await (await get(next, '/ping')).text()).toMatch(/^pong/)
  })

  it('of the host, by SIGTERM: it finishes, and the next request gets another', async () => {
    const through = await relay('full.cjs')
    const host = await hostOf(through)
    const answer = get(through, '/wait')
    await through.waitForStderr(/waiting/)
    process.kill(host, 'SIGTERM')
    await through.waitForStderr(/SIGTERM: finishing what runs/)
    const next = await hostOf(through)
    expect(next).not.toBe(host)
    // Still there for what it has begun.
    expect(isAlive(host)).toBe(true)
    through.child.kill('SIGTERM')
    process.kill(host, 'SIGTERM')
    expect((await answer).status).toBe(503)
    await gone(host)
    expect(await through.exited).toBe(0)
  })

  it('of the host, by a touched restart file, in mid-load: no request is lost', async () => {
    core.write('tmp/restart.txt', '')
    const relays = await Promise.all(Array.from({ length: 4 }, () => relay('light.cjs')))
    const before = await hostOf(relays[0] as Relay)
    let after = 0
    const statuses = new Set<number>()
    const visit = async (through: Relay): Promise<void> => {
      while (after < 40) {
        const answer = await get(through)
        statuses.add(answer.status)
        const pid = Number(await answer.text())
        if (pid !== before) after += 1
      }
    }
    const visitors = relays.flatMap((each) => [visit(each), visit(each)])
    const file = join(core.folder, 'tmp/restart.txt')
    utimesSync(file, new Date(), new Date(statSync(file).mtimeMs + 60_000))
    await Promise.all(visitors)
    expect([...statuses]).toEqual([200])
    await gone(before)
    expect(hostsIn(privateFolder)).toHaveLength(1)
    for (const { child } of relays) expect(child.exitCode).toBeNull()
    rmSync(file)
  })

  it('of the host, when its folder is deleted: all go to one new host', async () => {
    const [one, other] = await Promise.all([relay('light.cjs'), relay('light.cjs')])
    const host = await hostOf(one)
    rmSync(privateFolder, { recursive: true })
    // Found out within seconds.
    await until(
      () => /private socket has been deleted/.test(one.stderr() + other.stderr()),
      'a look',
    )
    const fresh = await relay('light.cjs')
    const hosts = await Promise.all([one, other, fresh].map(hostOf))
    expect(hostsIn(privateFolder).filter((pid) => pid !== host)).toEqual([hosts[0]])
    expect(new Set(hosts).size).toBe(1)
    await gone(host)
  })

  it('of the host, when no relay has been there for a while, though not while one is', async () => {
    core.write('brief.cjs', scriptOf('@fastcgi/core/shared', 'sharedIdleTimeout: 100'))
    const [one, other] = await Promise.all([relay('brief.cjs'), relay('brief.cjs')])
    const host = await hostOf(one)
    one.child.kill('SIGTERM')
    await one.exited
    expect(await hostOf(other)).toBe(host)
    other.child.kill('SIGTERM')
    await gone(host)
  })
})

describe('two users', () => {
  // Only root can start processes as another user, where that one may run Node; anybody else looks at one.
  it('have a folder, a key and a host each', async () => {
    const base = join(core.folder, 'tmp-of-all')
    mkdirSync(base)
    chmodSync(base, 0o1777)
    chmodSync(core.folder, 0o755)
    const own = process.getuid?.() as number
    const reachable = othersMayPass(process.execPath) && othersMayPass(core.folder)
    const users = own === 0 && reachable ? [0, 12_345] : [own]
    const env = { FASTCGI_SHARED_DIR: '', TMPDIR: base }
    try {
      for (const uid of users) {
        const through = await relay('light.cjs', { env, ...(uid === own ? {} : { uid }) })
        const host = await hostOf(through)
        expect(host).not.toBe(through.pid)
        const folder = join(base, `fastcgi-${uid}`)
        expect(hostsIn(folder)).toEqual([host])
        expect([statSync(folder).uid, statSync(`/proc/${host}`).uid]).toEqual([uid, uid])
        expect(statSync(folder).mode & 0o7777).toBe(0o700)
      }
    } finally {
      killLeftovers()
      for (const uid of users) await endHosts(join(base, `fastcgi-${uid}`))
    }
  })
})

describe('where it cannot be', () => {
  it('serves by itself, and says so once', async () => {
    core.write('folder/file', '')
    const env = { FASTCGI_SHARED_DIR: join(core.folder, 'app.mjs') }
    for (const script of ['light.cjs', 'full.cjs']) {
      const alone = await relay(script, { env })
      expect(await hostOf(alone)).toBe(alone.pid)
      await (await get(alone)).discard()
      expect(alone.stderr().match(/FCGI_NOT_SHARED/g)).toHaveLength(1)
      expect(alone.stderr()).toMatch(/app\.mjs is no folder/)
    }
  })

  it('serves by itself where processes in the background are ended', async () => {
    core.write(
      'ended.cjs',
      `if (process.env.FASTCGI_SHARED_HOST) process.kill(process.pid, 'SIGKILL')
${scriptOf('@fastcgi/core/shared', '')}`,
    )
    const alone = await relay('ended.cjs')
    expect(await hostOf(alone)).toBe(alone.pid)
    expect(alone.stderr()).toMatch(
      /cannot be had.*it ended at once \(SIGKILL\) \[FCGI_NOT_SHARED\]/,
    )
  })

  it('passes nothing on through a folder that others may enter meanwhile', async () => {
    const through = await relay('light.cjs')
    const host = await hostOf(through)
    chmodSync(privateFolder, 0o755)
    const answer = await get(through)
    expect(answer.status).toBe(503)
    await answer.discard()
    await through.waitForStderr(/private is open to others.*FCGI_HOST_GONE/)
    chmodSync(privateFolder, 0o700)
    expect(await hostOf(through)).toBe(host)
  })

  it('refuses a folder that others may enter', async () => {
    core.write('open/file', '')
    const alone = await relay('light.cjs', {
      env: { FASTCGI_SHARED_DIR: join(core.folder, 'open') },
    })
    expect(await hostOf(alone)).toBe(alone.pid)
    expect(alone.stderr()).toMatch(/open is open to others/)
  })

  it.each(['light.cjs', 'full.cjs'])('is refused on a socket of our own (%s)', async (script) => {
    const started = startNode({
      file: join(core.folder, script),
      args: ['--listen', join(core.folder, 'own.sock'), '--shared'],
    })
    expect(await started.ended).toBe(64)
    expect(started.stderr()).toMatch(/shared is for the processes that a web server starts/)
  })

  it.each(['light.cjs', 'full.cjs'])('is switched off by FASTCGI_SHARED=0 (%s)', async (script) => {
    const env = { FASTCGI_SHARED: '0' }
    core.write('wants.cjs', scriptOf('@fastcgi/core', 'shared: true'))
    const file = script === 'full.cjs' ? 'wants.cjs' : script
    const alone = await relay(file, { env })
    expect(await hostOf(alone)).toBe(alone.pid)
    const own = { ...alone, socketPath: join(core.folder, 'own.sock') }
    const listening = startNode({
      file: join(core.folder, file),
      args: ['--listen', own.socketPath],
      env,
    })
    await listening.waitForStderr(/listening on/)
    expect(await hostOf(own)).toBe(listening.pid)
    for (const { stderr } of [alone, listening]) {
      expect(stderr().match(/shared is switched off: FASTCGI_SHARED=0/g)).toHaveLength(1)
    }
  })

  it('gives nobody the host who does not know the key', async () => {
    const through = await relay('light.cjs')
    const host = await hostOf(through)
    const [name, number] = newestSocket()
    const { greet } = await import('./link.ts')
    const path = join(privateFolder, `${name}.${number}`)
    expect((await greet(path, 'request', 'f'.repeat(64))).type).toBe('closed')
    expect((await greet(path, 'relay', '')).type).toBe('closed')
    expect(await hostOf(through)).toBe(host)
  })
})

/** The name and highest number of the sockets that were made last. */
function newestSocket(): [string, number] {
  const all = readdirSync(privateFolder).flatMap((file): [string, number, number][] => {
    const [, name, number] = /^([0-9a-f]{16})\.(\d+)$/.exec(file) ?? []
    if (name === undefined) return []
    return [[name, Number(number), statSync(join(privateFolder, file)).ctimeMs]]
  })
  const last = all.sort((left, right) => left[2] - right[2] || left[1] - right[1]).at(-1)
  const [name = ''] = last ?? []
  return [name, Math.max(...all.filter(([each]) => each === name).map(([, number]) => number))]
}

function othersMayPass(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return (statSync(join(core.folder, 'light.cjs')).mode & 0o004) !== 0
  }
}
