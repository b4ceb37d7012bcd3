import { once } from 'node:events'
import fs from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  command,
  helloApp,
  makeProject,
  type Project,
  runCli,
  scriptFor,
} from '../../../../test/support/cli.ts'
import { startNode } from '../../../../test/support/node-process.ts'
import { isAlive } from '../../../../test/support/shared-hosts.ts'
import { until } from '../../../../test/support/until.ts'
import { type DevSession, startDev } from './dev.ts'

let site: Project
let session: DevSession | undefined
let shown = ''

afterEach(async () => {
  await session?.close()
  session = undefined
  site.remove()
})

async function start(
  files: Record<string, string>,
  entry: string,
  given: Partial<Parameters<typeof startDev>[1]> = {},
): Promise<string> {
  site = makeProject(files)
  shown = ''
  session = await startDev(
    site.file(entry),
    { port: '0', watch: true, ...given },
    (text) => (shown += text),
  )
  return session.url
}

async function page(url: string): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { headers: { accept: 'text/html' } })
  return { status: response.status, text: await response.text() }
}

/** Asks until the change has been noticed; what is asked meanwhile is answered by one or the other. */
async function pageWith(url: string, wanted: string): Promise<{ status: number; text: string }> {
  let seen = { status: 0, text: '' }
  await until(
    async () => {
      seen = await page(url)
      return seen.text.includes(wanted)
    },
    () => `${wanted} in ${seen.text}\n${shown}`,
  )
  return seen
}

describe('fastcgi dev', () => {
  it('shows an app, a line a request, and starts it anew on change', async () => {
    const url = await start({ 'app.mjs': helloApp }, 'app.mjs')
    expect(await page(url)).toEqual({ status: 200, text: 'hello /\n' })
    await until(() => /GET \/ 200/.test(shown), 'the line of the request')
    site.write('app.mjs', helloApp.replace('hello', 'changed'))
    await pageWith(url, 'changed /')
    expect(shown).toContain('app.mjs has changed')
  })

  it('shows why an app cannot be loaded, and mends when the file is mended', async () => {
    const url = await start({ 'app.mjs': 'export default const\n' }, 'app.mjs')
    const broken = await page(url)
    expect(broken.status).toBe(503)
    expect(broken.text).toContain('SyntaxError')
    expect(broken.text).toContain('app.mjs:1')
    // The entry, not the command that runs it.
    expect(broken.text).toContain(`npx fastcgi doctor ${site.file('app.mjs')}<`)
    site.write('app.mjs', helloApp)
    await pageWith(url, 'hello /')
  })

  it('shows what a handler threw, with the line', async () => {
    const app = "export default (req, res) => {\n  throw new Error('no luck today')\n}\n"
    const url = await start({ 'app.mjs': app }, 'app.mjs')
    const { status, text } = await page(url)
    expect(status).toBe(500)
    expect(text).toContain('no luck today')
    expect(text).toContain('app.mjs:2')
  })

  it('shows what an app said that has ended', async () => {
    const url = await start(
      { 'app.mjs': "console.error('no database here')\nprocess.exit(7)\n" },
      'app.mjs',
    )
    const ended = await pageWith(url, 'ended')
    expect(ended.status).toBe(503)
    expect(ended.text).toContain('exit code 7')
    expect(ended.text).toContain('no database here')
    site.write('app.mjs', helloApp)
    await pageWith(url, 'hello /')
  })

  it('mounts the app, and sends what a server sends', async () => {
    const app =
      'export default (req, res) => res.end(`${req.url} ${req.fastcgi.mount} ${req.fastcgi.params.SERVER_SOFTWARE}`)\n'
    const url = await start({ 'app.mjs': app }, 'app.mjs', {
      mount: '/shop',
      as: 'apache-mod_fcgid',
    })
    expect(url).toMatch(/\/shop\/$/)
    expect((await page(`${url}x`)).text).toMatch(/^\/x \/shop Apache\/.*mod_fcgid/)
  })

  it('says what a server that does not tell the mount needs to be told', async () => {
    const app = 'export default (req, res) => res.end(`${req.url} ${req.fastcgi.mount}`)\n'
    const url = await start({ 'app.mjs': app }, 'app.mjs', { mount: '/shop', as: 'h2o' })
    expect((await page(url)).text).toBe('/shop/ ')
    expect(shown).toContain('fastcgi init h2o --mount /shop')
  })

  it('opens a browser when asked to, and ends with 0', async () => {
    site = makeProject({ 'app.mjs': helloApp, 'bin/xdg-open': '#!/bin/sh\necho "$1" >opened\n' })
    fs.chmodSync(site.file('bin/xdg-open'), 0o755)
    const dev = startNode({
      file: command,
      args: ['dev', 'app.mjs', '--port', '0', '--open', '--no-watch'],
      cwd: site.folder,
      env: { PATH: `${site.file('bin')}:${String(process.env['PATH'])}` },
    })
    await dev.waitForStderr(/app\.mjs: http/)
    const opened = (): string =>
      fs.existsSync(site.file('opened')) ? fs.readFileSync(site.file('opened'), 'utf8') : ''
    await until(() => opened().endsWith('\n'), dev.stderr)
    expect(dev.stderr()).toContain(`app.mjs: ${opened()}`)
    dev.child.kill('SIGTERM')
    expect(await dev.ended).toBe(0)
  })

  it('runs a .fcgi, and an app that calls listen() itself', async () => {
    const url = await start({ 'app.mjs': helloApp, 'app.fcgi': scriptFor('./app.mjs') }, 'app.fcgi')
    expect((await page(url)).text).toBe('hello /\n')
    await session!.close()
    site.remove()
    const shared = scriptFor('./app.mjs').replace('@fastcgi/core', '@fastcgi/core/shared')
    const alone = await start({ 'app.mjs': helloApp, 'app.fcgi': shared }, 'app.fcgi')
    expect((await page(alone)).text).toBe('hello /\n')
    expect(shown).not.toContain('shared')
    await session!.close()
    site.remove()
    const text =
      "import http from 'node:http'\nhttp.createServer((req, res) => res.end('by itself')).listen(3000)\n"
    const other = await start({ 'server.mjs': text }, 'server.mjs', { register: true })
    expect((await page(other)).text).toBe('by itself')
  })

  it('comes to the last of several changes in quick succession', async () => {
    const url = await start({ 'app.mjs': helloApp }, 'app.mjs')
    for (const word of ['one', 'two', 'three']) {
      site.write('app.mjs', helloApp.replace('hello', word))
      await until(() => shown.includes('has changed'), 'the change to be noticed')
      shown = ''
    }
    await pageWith(url, 'three /')
    expect(shown).not.toContain('ended')
  })

  it.each([
    ['a port that is none', ['--port', 'abc'], 64, '--port is a number'],
    ['a mount that is none', ['--mount', 'a b'], 64, 'mount'],
    ['a port that is taken', [], 64, 'is taken'],
  ])('ends for %s, with the app', async (_what, words, code, says) => {
    site = makeProject({ 'app.mjs': helloApp })
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const { code: status, stderr } = await runCli(['dev', 'app.mjs', ...words], {
      cwd: site.folder,
      env: { PORT: String(port) },
    })
    taken.close()
    expect(stderr).toContain(says)
    expect(status).toBe(code)
  })

  it('is killed, and the app ends with it', async () => {
    const other = makeProject({})
    site = makeProject({
      'app.mjs':
        "process.stderr.write(`pid ${process.pid}.\\n`)\nexport default (req, res) => res.end('x')\n",
    })
    try {
      const dev = startNode({
        file: command,
        args: ['dev', 'app.mjs', '--port', '0'],
        cwd: site.folder,
        env: { TMPDIR: other.folder },
      })
      await dev.waitForStderr(/app\.mjs: http/)
      await dev.waitForStderr(/pid \d+\./)
      const pid = Number(/pid (\d+)\./.exec(dev.stderr())![1])
      expect(process.kill(pid, 0)).toBe(true)
      dev.child.kill('SIGKILL')
      expect(await dev.ended).toBe('SIGKILL')
      await until(() => !isAlive(pid), 'the app to end')
      expect(fs.readdirSync(other.folder)).toEqual(['node_modules'])
    } finally {
      other.remove()
    }
  })

  it('leaves nothing behind', async () => {
    const other = makeProject({})
    vi.stubEnv('TMPDIR', other.folder)
    try {
      await start({ 'app.mjs': helloApp }, 'app.mjs')
      expect(fs.readdirSync(other.folder).join(' ')).toContain('fastcgi-')
      await session!.close()
      session = undefined
      site.remove()
      expect(fs.readdirSync(other.folder)).toEqual(['node_modules'])
    } finally {
      vi.unstubAllEnvs()
      other.remove()
    }
  })
})
