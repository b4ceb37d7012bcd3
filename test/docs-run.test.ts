/**
 * What the documentation shows is run, with the packages as they were built: scripts and apps answer a request, programs
 * end well, commands do what they are for. Configurations of web servers: test/servers/docs.test.ts; what is said of
 * errors, options and links: docs.test.ts.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { request } from '../packages/core/src/client.ts'
import { command, helloApp, makeProject, type Project, runCli } from './support/cli.ts'
import { blocks, type Block } from './support/documents.ts'
import { killLeftovers, startNode, type NodeProcess } from './support/node-process.ts'
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
/** Two states of a file, of which one is what is left behind: only read, by docs.test.ts. */
const isChange = ({ text }: Block): boolean => text.startsWith('// before')
/** Needs a Redis server and its packages: only read, by docs.test.ts. */
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
  const lines = blocks
    .filter(({ language }) => language === 'sh')
    // Those of several machines: test/servers/machines.test.ts sends what they send.
    .filter(({ file }) => file !== 'docs/scale.md')
    .flatMap(({ text, file }) => text.split('\n').map((line) => ({ file, line })))
    .map(({ file, line }) => ({ file, line: line.replace(/\s+# .*$/, '').trim() }))
    .filter(({ line }) => line !== '')
  const distinct = [...new Map(lines.map((each) => [each.line, each])).values()]
  const ours = distinct.filter(({ line }) => /^(?:npx )?fastcgi /.test(line))
  const npm = distinct.filter(({ line }) => line.startsWith('npm '))
  const others = distinct.filter((each) => !ours.includes(each) && !npm.includes(each))

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

  it.each(ours)('$file: $line', async ({ line }) => {
    const shown = line.replace(/^(?:npx )?fastcgi /, '').split(/\s+/)
    await arrange(shown)
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
      if (words.length === 1) {
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

  it.each(others)('$file: $line', async ({ line }) => {
    const shown = here(line, site.folder)
    const child = spawn('sh', ['-c', `exec ${shown.replace(/^(\w+=\S+ )(.*)/, 'env $1$2')}`], {
      cwd: site.folder,
      env: {
        PATH: `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`,
        ...(line.includes('--gateway') ? { PORT: '0' } : {}),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    const ended = once(child, 'close')
    try {
      if (/^(?:FASTCGI_LISTEN=|node )/.test(line)) {
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

  it.each(npm)('$file: $line', ({ line }) => {
    const [, verb, ...rest] = line.split(/\s+/)
    const manifest = (folder: string): { name: string; scripts?: Record<string, string> } =>
      JSON.parse(
        fs.readFileSync(path.resolve(import.meta.dirname, '..', folder, 'package.json'), 'utf8'),
      )
    if (verb === 'install') {
      // That they can be installed: package.test.ts.
      const names = fs.readdirSync(path.resolve(import.meta.dirname, '../packages'))
      const known = names.map((name) => manifest(`packages/${name}`).name)
      for (const name of rest.filter((word) => word.startsWith('@fastcgi/'))) {
        expect(known).toContain(name)
      }
    } else {
      const name = verb === 'run' ? rest[0]! : verb!
      expect(Object.keys(manifest('.').scripts!)).toContain(name)
    }
  })
})
