import fs from 'node:fs'
import path from 'node:path'
import { request } from '@fastcgi/core/client'
import { afterEach, describe, expect, it } from 'vitest'
import {
  command,
  helloApp,
  makeProject,
  type Project,
  runCli,
} from '../../../../test/support/cli.ts'
import {
  killLeftovers,
  type NodeProcess,
  startNode,
} from '../../../../test/support/node-process.ts'

const cleanups: (() => unknown)[] = []
afterEach(() => {
  killLeftovers()
  for (const cleanup of cleanups.splice(0)) cleanup()
})

function project(...args: Parameters<typeof makeProject>): Project {
  const made = makeProject(...args)
  cleanups.push(() => made.remove())
  return made
}

async function started(
  site: Project,
  args: readonly string[],
  file = command,
): Promise<NodeProcess> {
  const words = ['serve', ...args, '--listen', site.file('app.sock')]
  const app = startNode({ file, args: words, cwd: site.folder })
  await app.waitForStderr(/listening on/)
  return app
}

async function ask(site: Project, target: string, mount = ''): Promise<string> {
  const response = await request({ socketPath: site.file('app.sock'), path: target, mount })
  return response.text()
}

const listener = '(req, res) => res.end(`listener ${req.url}`)'
const apps: Record<string, string> = {
  listener: `export default ${listener}`,
  'named export': `export const app = ${listener}`,
  CommonJS: `module.exports = ${listener}`,
  'http.Server': `import http from 'node:http'\nexport default http.createServer(${listener})`,
  'loader function': `export default async () => ${listener}`,
  express:
    "import express from 'express'\nconst app = express()\napp.get('/x', (req, res) => res.send(`express ${req.baseUrl}`))\nexport default app",
  koa: "import Koa from 'koa'\nconst app = new Koa()\napp.use((ctx) => { ctx.body = `koa ${ctx.mountPath} ${ctx.fastcgi.params.REQUEST_METHOD}` })\nexport default app",
  fastify:
    "import Fastify from 'fastify'\nconst app = Fastify()\napp.get('/x', async (request) => `fastify ${request.fastcgi.mount}`)\napp.addHook('onClose', async () => console.error('closed'))\nexport default app",
}

describe('fastcgi serve', () => {
  it.each(Object.keys(apps))('takes a %s', async (kind) => {
    const frameworks = kind in { express: 1, koa: 1, fastify: 1 } ? [kind, `@fastcgi/${kind}`] : []
    const name = kind === 'CommonJS' ? 'app.cjs' : 'app.mjs'
    const site = project({ [name]: apps[kind]! }, ['@fastcgi/core', ...frameworks])
    const app = await started(site, [name])
    const expected: Record<string, string> = {
      express: 'express /app',
      koa: 'koa /app GET',
      fastify: 'fastify /app',
    }
    expect(await ask(site, '/app/x', '/app')).toBe(expected[kind] ?? 'listener /x')
    app.child.kill('SIGTERM')
    expect(await app.ended).toBe(0)
    // Fastify's onClose hook, and nobody else's.
    expect(app.stderr().includes('closed')).toBe(kind === 'fastify')
  })

  it('says which adapter is missing', async () => {
    const site = project({ 'app.mjs': apps['koa']! }, ['@fastcgi/core', 'koa'])
    // The command without the adapters that lie beside it here.
    const own = path.join(site.folder, 'node_modules/@fastcgi/cli')
    const source = path.dirname(path.dirname(command))
    for (const part of ['bin', 'dist', 'package.json']) {
      fs.cpSync(path.join(source, part), path.join(own, part), { recursive: true })
    }
    const commander = path.join(site.folder, 'node_modules/commander')
    fs.symlinkSync(fs.realpathSync(path.join(source, 'node_modules/commander')), commander)
    const app = await started(site, ['app.mjs'], path.join(own, 'bin/fastcgi.js'))
    await app.waitForStderr(/run npm install @fastcgi\/koa/)
    expect(await ask(site, '/')).toContain('503')
  })

  it.each([
    ['a handler of the Fetch API', '{ fetch() {} }', /getRequestListener/],
    [
      'a router',
      'Object.assign((req, res, next) => {}, { handle() {}, use() {}, stack: [] })',
      /app\.mjs exports no app, but an express\.Router\(\).*express\(\)\.use\(router\)/,
    ],
  ])('says what is wrong with an export that is no app: %s', async (_what, given, said) => {
    const site = project({ 'app.mjs': `export default ${given}` })
    const app = await started(site, ['app.mjs'])
    await app.waitForStderr(said)
    expect(await ask(site, '/')).toContain('503')
  })

  it('serves an app that calls listen() itself', async () => {
    const text = `import http from 'node:http'\nhttp.createServer(${listener}).listen(3000)`
    const site = project({ 'server.mjs': text })
    const app = await started(site, ['server.mjs', '--register'])
    expect(await ask(site, '/y')).toBe('listener /y')
    app.child.kill('SIGTERM')
    expect(await app.ended).toBe(0)
  })

  it('takes its options from the command line and from package.json', async () => {
    const site = project({
      'main.mjs': helloApp,
      'package.json':
        '{ "fastcgi": { "entry": "main.mjs", "mode": "600", "max-requests": 5, "mount": "/here" } }',
    })
    await started(site, ['--mode', '640'])
    expect(fs.statSync(site.file('app.sock')).mode & 0o777).toBe(0o640)
    expect(await ask(site, '/here/z')).toBe('hello /z\n')
  })

  it('has every option of serve that can be said in words', async () => {
    const file = '../../../../docs/api/@fastcgi/core.md'
    const reference = fs.readFileSync(path.resolve(import.meta.dirname, file), 'utf8')
    const [, page] = /^### ServeOptions$(.*?)^\*\*\*$/ms.exec(reference)!
    const names = [...page!.matchAll(/<\/a> `(\w+)\?`/g)].map((match) => match[1]!)
    // Functions and objects; what is the command's own affair; and the links it was started through.
    const others =
      /^(?:accept|authorize|filter|emitter|onStop|signals|arguments|development|scriptAliases)$/
    const { stdout } = await runCli(['serve', '--help'])
    for (const name of names.filter((each) => !others.test(each))) {
      const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      expect(stdout).toMatch(new RegExp(`--(?:no-)?${flag}\\b`))
    }
    expect(names).toEqual(expect.arrayContaining(['mount', 'accessLog', 'workers', 'group']))
  })

  it('refuses options that cannot be, with 64', async () => {
    const site = project({ 'app.mjs': helloApp, 'app.fcgi': '' })
    const at = (args: string[]): ReturnType<typeof runCli> =>
      runCli(['serve', ...args], { cwd: site.folder })
    expect(await at(['app.mjs', '--mode', 'rwx'])).toMatchObject({ code: 64 })
    expect(await at(['app.mjs', '--drain-timeout', 'soon'])).toMatchObject({ code: 64 })
    expect(await at(['app.mjs', '--target', 'cooked'])).toMatchObject({ code: 64 })
    expect((await at(['app.fcgi'])).stderr).toContain('serves itself')
    expect(await at(['no.mjs'])).toMatchObject({ code: 66 })
    const folder = await at(['app.mjs', '--listen', './none/app.sock'])
    expect(folder).toMatchObject({ code: 73, stderr: expect.stringContaining('does not exist') })
    const file = await at(['app.mjs', '--listen', './app.mjs'])
    expect(file).toMatchObject({ code: 73, stderr: expect.stringContaining('is no socket') })
    const registered = await at(['app.mjs', '--register', '--workers', '2'])
    expect(registered).toMatchObject({ code: 64 })
    expect(registered.stderr).toContain('workers is for an app that exports itself')
    site.write('package.json', '{ "fastcgi": { "maxRequest": 5 } }')
    expect((await at(['app.mjs'])).stderr).toContain('maxRequest')
  })
})
