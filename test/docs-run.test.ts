/**
 * What the documentation shows is run, with the packages as they were built: scripts and apps answer a request, programs
 * end well, commands do what they are for. Configurations of web servers: test/servers/docs.test.ts; what is said of
 * errors, options and links: docs.test.ts.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { request } from '../packages/core/src/client.ts'
import { command, helloApp, makeProject, type Project, runCli } from './support/cli.ts'
import { blocks, type Block } from './support/documents.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
} from './support/node-process.ts'
import { commandsFor } from './support/told.ts'
import { until } from './support/until.ts'
import { freePort } from './support/web-server.ts'

const frameworks = ['express', 'koa', 'fastify']
const linked = ['core', 'express', 'koa', 'fastify', 'cli'].map((name) => `@fastcgi/${name}`)

/** An app as the documentation means it, in every name it is given. */
const apps = {
  'package.json': '{ "name": "mine", "private": true }',
  'app.mjs': helloApp,
  'app.js': 'module.exports = (req, res) => res.end(`hello ${req.url}\\n`)\n',
  'server.js':
    "require('http').createServer((req, res) => res.end(`hello ${req.url}\\n`)).listen(3000)\n",
}

function makeSite(files: Readonly<Record<string, string>>): Project {
  return makeProject({ ...apps, ...files }, [...linked, ...frameworks])
}

let site: Project
let extra: Project | undefined
afterEach(() => {
  killLeftovers()
  extra?.remove()
  extra = undefined
})

/** The sockets and ports of the documentation are those of the test. */
function here(text: string, folder: string): string {
  return text
    .replaceAll(/\/run\/[\w/]+\.sock/g, (name) => path.join(folder, path.basename(name)))
    .replaceAll(/\b(?:9000|8080)\b/g, '0')
}

async function answers(socketPath: string, app: NodeProcess): Promise<void> {
  await until(() => fs.existsSync(socketPath), app.stderr)
  const response = await request({ socketPath, path: '/' })
  expect({ status: response.status, text: await response.text() }, app.stderr()).toMatchObject({
    status: 200,
  })
}

const code = blocks.filter(({ language }) => language === 'js')
const isScript = ({ text }: Block): boolean => text.startsWith('#!') || text.startsWith('serve(')
const isApp = ({ text }: Block): boolean => /^import .*^export default app$/ms.test(text)
/** Two states of a file, of which one is what is left behind. */
const isChange = ({ text }: Block): boolean => text.startsWith('// before')
/** Needs a Redis server: test/servers/redis.test.ts. */
const isElsewhere = ({ text }: Block): boolean => text.includes("'redis'")

/** With their places; what is shown twice is run once. */
const label = (list: readonly Block[]): (Block & { readonly where: string })[] =>
  [...new Map(list.map((block) => [block.text, block])).values()].map((block) => ({
    ...block,
    where: `${block.file}:${block.line}`,
  }))

describe('scripts', () => {
  it.each(label(code.filter(isScript)))('$where serves', async ({ text, file }) => {
    const from = /^packages\/(\w+)/.exec(file)?.[1] ?? 'core'
    const body = text.startsWith('#!')
      ? text
      : `const { serve } = require('@fastcgi/${from}')\n${text}`
    extra = makeSite({})
    // With an adapter the app is one of its framework.
    const framework = /@fastcgi\/(koa|fastify)'/.exec(body)?.[1]
    if (framework !== undefined) {
      const example = code.find((block) => isApp(block) && block.text.includes(`'${framework}'`))!
      extra.write('app.mjs', example.text)
    }
    const script = extra.write(
      'app.fcgi',
      here(body, extra.folder).replaceAll(/'\.\/app\.m?js'/g, "'./app.mjs'"),
    )
    const socket = extra.file('app.sock')
    const app = startNode({
      file: script,
      cwd: extra.folder,
      // Shared only works where a web server starts several: test/servers/shared.test.ts.
      env: { FASTCGI_LISTEN: socket, FASTCGI_SHARED: '0' },
    })
    await answers(socket, app)
    app.child.kill('SIGTERM')
    expect(await app.ended).toBe(0)
  })
})

describe('apps', () => {
  it.each(label(code.filter((block) => isApp(block) && !isElsewhere(block))))(
    '$where answers',
    async ({ text }) => {
      extra = makeSite({ 'app.mjs': text })
      const socket = extra.file('app.sock')
      const words = ['serve', 'app.mjs', '--listen', socket]
      const app = startNode({ file: command, args: words, cwd: extra.folder })
      await answers(socket, app)
    },
  )
})

describe('programs', () => {
  const programs = code.filter(
    (block) => ![isScript, isApp, isChange, isElsewhere].some((is) => is(block)),
  )

  it.each(label(programs))('$where runs', async ({ text }) => {
    extra = makeSite({})
    const socket = extra.file('app.sock')
    const words = ['serve', 'app.mjs', '--listen', socket]
    const app = startNode({ file: command, args: words, cwd: extra.folder })
    await answers(socket, app)
    const own = text.includes('listen({ path') ? 'other.sock' : 'app.sock'
    const program = here(text, extra.folder).replace('app.sock', own)
    const file = extra.write('program.mjs', `${program}\nprocess.exit(0)\n`)
    const ran = startNode({ file, cwd: extra.folder })
    expect(await ran.ended, ran.stderr()).toBe(0)
  })
})

describe('commands', () => {
  const distinct = [...new Map(commandsFor('app').map((each) => [each.text, each])).values()]
  const ours = distinct.filter(({ text }) => /^(?:npx )?fastcgi /.test(text))
  const others = distinct.filter((each) => !ours.includes(each))

  let app: NodeProcess
  let url = ''

  beforeAll(async () => {
    site = makeSite({})
    expect(await runCli(['init', 'htaccess'], { cwd: site.folder })).toMatchObject({ code: 0 })
  })
  afterAll(() => {
    killLeftovers()
    site.remove()
  })

  /** What must be there before: a running app, a site to look at. */
  async function arrange(words: readonly string[]): Promise<void> {
    if (words.some((word) => word.endsWith('.sock')) && words[0] !== 'serve') {
      const socket = site.file('app.sock')
      app = startNode({ file: site.file('app.fcgi'), args: ['--listen', socket, '--mode', '666'] })
      await answers(socket, app)
    }
    if (words.some((word) => word.startsWith('https://'))) {
      const port = await freePort()
      url = `http://127.0.0.1:${String(port)}/`
      const args = ['--gateway', String(port)]
      app = startNode({ file: site.file('app.fcgi'), args, cwd: site.folder })
      await app.waitForStderr(/development gateway on/)
    }
  }

  /** Of a socket of its own, or of a script with `shared`. */
  async function status(words: readonly string[]): Promise<void> {
    if (words[1]!.endsWith('.sock')) {
      const args = ['--listen', site.file('with-status.sock'), '--status', site.file('status.sock')]
      const running = startNode({
        file: command,
        args: ['serve', 'app.mjs', ...args],
        cwd: site.folder,
      })
      await answers(site.file('with-status.sock'), running)
      const shown = await runCli(['status', site.file('status.sock')])
      expect(shown, shown.stderr).toMatchObject({ code: 0 })
      expect(shown.stdout).toMatch(/requests/)
      return
    }
    const socket = site.file('shared.sock')
    const relay = startNode({
      file: site.file('app.fcgi'),
      stdin: await listeningServer(socket),
      cwd: site.folder,
      env: { FASTCGI_SHARED: '1', FASTCGI_SHARED_DIR: site.file('hosts') },
    })
    await answers(socket, relay)
    const env = { FASTCGI_SHARED_DIR: site.file('hosts') }
    const shown = await runCli(words, { cwd: site.folder, env })
    expect(shown, shown.stderr).toMatchObject({ code: 0 })
    if (words.includes('--stop')) return
    await runCli(['status', 'app.fcgi', '--stop'], { cwd: site.folder, env })
  }

  it.each(ours)('$file: $text', async ({ text }) => {
    const shown = text.replace(/^(?:npx )?fastcgi /, '').split(/\s+/)
    await arrange(shown)
    if (shown[0] === 'status') return status(shown)
    const words = shown.map((word) => here(word, site.folder).replace('https://example.com/', url))
    const [verb] = words
    // In a folder of their own: what is written would be in the way of the next.
    if (verb === 'init') extra = makeSite({ 'public_html/index.html': '' })
    const cwd = extra?.folder ?? site.folder
    if (verb === 'dev' || verb === 'serve') {
      const ready = verb === 'dev' ? /: http:\/\/127/ : /listening on/
      const args = verb === 'dev' ? [...words, '--port', '0'] : words
      const running = startNode({ file: command, args, cwd })
      await running.waitForStderr(ready)
      running.child.kill('SIGTERM')
      expect(await running.ended).toBe(0)
    } else if (verb === 'init') {
      if (words.length === 1 || words[1]!.startsWith('--')) {
        // Without a terminal it cannot ask, and says what it would.
        expect((await runCli(words, { cwd })).stderr).toContain('Which server?')
        return
      }
      const made = words.map((word) => word.replace('../public_html', 'public_html'))
      expect(await runCli(made, { cwd })).toMatchObject({ code: 0, stderr: '' })
    } else {
      const ran = await runCli([...words, '--path', String(process.env['PATH'])], { cwd })
      // What is said of the machine differs; that a verdict was come to does not.
      expect(ran, ran.stdout).toMatchObject({ stderr: '' })
      expect(ran.stdout).toMatch(/"verdict": "ok"|\d+ failed, \d+ warnings, [1-9]\d* ok\n$/)
      expect([0, 1]).toContain(ran.code)
    }
  })

  it.each(others)('$file: $text', async ({ text }) => {
    const shown = here(text, site.folder)
      .replace(/^app\.fcgi/, './app.fcgi')
      .replace(/^touch/, 'mkdir -p tmp && touch')
    const child = spawn('sh', ['-c', shown.includes('&&') ? shown : `exec env ${shown}`], {
      cwd: site.folder,
      env: {
        PATH: `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`,
        ...(text.includes('--gateway') ? { PORT: '0' } : {}),
        // Where the sentence is about a place that it does not repeat.
        ...(text.startsWith('node --import') ? { FASTCGI_LISTEN: site.file('own.sock') } : {}),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (more: string) => (said += more))
    const ended = once(child, 'close')
    try {
      if (/^(?:FASTCGI_LISTEN=|node |app\.fcgi )/.test(text)) {
        await until(
          () => /listening on|development gateway on/.test(said),
          () => said,
        )
        child.kill('SIGTERM')
      }
      expect((await ended)[0], said).toBe(0)
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('the file of a setting', () => {
  it.each(label(blocks.filter(({ language }) => language === 'json')))(
    '$where is what `fastcgi serve` goes by',
    async ({ text }) => {
      extra = makeSite({})
      const socket = extra.file('app.sock')
      extra.write('package.json', here(text, extra.folder))
      const app = startNode({ file: command, args: ['serve'], cwd: extra.folder })
      await answers(socket, app)
      app.child.kill('SIGTERM')
      expect(await app.ended).toBe(0)
    },
  )
})

describe('what a file was, and what it becomes', () => {
  const changes = label(code.filter(isChange))
  const listener = 'const app = (req, res) => res.end(`hello ${req.url}\\n`)\n'
  const express =
    "import express from 'express'\nconst app = express()\napp.get('/', (req, res) => res.send('hello'))\n"
  const [plain, old] = ['docs/migrating.md', 'node-fastcgi'].map((word, i) =>
    changes.find((block) => block.file === word || (i === 1 && block.text.includes(word)))!,
  )
  const parts = ({ text }: Block): string[] => text.split(/^\/\/ after.*\n/m)

  it('are two', () => {
    expect(changes).toHaveLength(2)
    for (const change of changes) expect(parts(change)).toHaveLength(2)
  })

  it('from app.listen: the app as it was answers by register, and exported by serve', async () => {
    const [before, after] = parts(plain!)
    extra = makeSite({ 'server.mjs': express + before!, 'app.mjs': express + after! })
    for (const [i, words] of [['--register', 'server.mjs'], ['app.mjs']].entries()) {
      const socket = extra.file(`${String(i)}.sock`)
      const args = ['serve', ...words, '--listen', socket]
      await answers(socket, startNode({ file: command, args, cwd: extra.folder }))
    }
  })

  it('from node-fastcgi: both answer, it on descriptor 0', async () => {
    const [before, after] = parts(old!)
    extra = makeSite({ 'before.cjs': listener + before!, 'after.cjs': listener + after! })
    const theirs = path.resolve(import.meta.dirname, '../packages/bench/node_modules/node-fastcgi')
    fs.symlinkSync(fs.realpathSync(theirs), extra.file('node_modules/node-fastcgi'))
    const socket = extra.file('before.sock')
    const was = startNode({ file: extra.file('before.cjs'), stdin: await listeningServer(socket) })
    await answers(socket, was)
    const env = { FASTCGI_LISTEN: extra.file('after.sock') }
    await answers(env.FASTCGI_LISTEN, startNode({ file: extra.file('after.cjs'), env }))
  })
})

describe('types', () => {
  it('the code is right by them', () => {
    // An app of whatever kind the page is about; of two packages there are no types here.
    const app = '/** @type {any} */\nconst app = {}\nexport default app\n'
    const others = "declare module 'node-fastcgi'\ndeclare module 'express-session'\n"
    extra = makeSite({ 'app.js': app, 'app.mjs': app, 'others.d.ts': others })
    const modules = path.resolve(import.meta.dirname, 'node_modules')
    for (const name of ['redis', 'connect-redis', 'express-session']) {
      fs.symlinkSync(fs.realpathSync(path.join(modules, name)), extra.file(`node_modules/${name}`))
    }
    for (const [name, owner] of [
      ['express', 'packages/express'],
      ['koa', 'packages/koa'],
      ['node', '.'],
    ] as const) {
      const place = path.resolve(import.meta.dirname, '..', owner, 'node_modules/@types', name)
      fs.mkdirSync(extra.file('node_modules/@types'), { recursive: true })
      fs.symlinkSync(fs.realpathSync(place), extra.file(`node_modules/@types/${name}`))
    }
    const files = code.map(({ text, file }, i) => {
      const isModule = /^(?:import .* from|export )/m.test(text)
      const from = /^packages\/(\w+)/.exec(file)?.[1] ?? 'core'
      // What the page has said before.
      const head = text.startsWith('serve(')
        ? `const { serve } = require('@fastcgi/${from}')\n`
        : ''
      const wanted =
        /\bapp\b/.test(text) && !/\b(?:const|let) app\b/.test(text) && !text.startsWith('#!')
      const given = wanted && !head ? '/** @type {any} */ let app\n' : ''
      const shebang = /^#!.*\n/.exec(text)?.[0] ?? ''
      const body = text.slice(shebang.length)
      const name = `block-${String(i)}.${isModule ? 'mjs' : 'cjs'}`
      extra!.write(name, shebang + head + given + body)
      return name
    })
    const tsc = path.resolve(import.meta.dirname, '../node_modules/typescript/bin/tsc')
    const options = [
      '--noEmit',
      '--allowJs',
      '--checkJs',
      '--skipLibCheck',
      '--types',
      'node',
      '--noImplicitAny',
      'false',
    ]
    const more = ['--target', 'es2023', '--module', 'nodenext', '--moduleResolution', 'nodenext']
    const { stdout } = spawnSync(
      process.execPath,
      [tsc, ...options, ...more, 'others.d.ts', ...files],
      {
        cwd: extra.folder,
        encoding: 'utf8',
      },
    )
    expect(stdout).toBe('')
  })
})
