/**
 * The `npm install` lines of the documentation, word for word, in an empty folder with a HOME of its own: from a registry
 * on the loopback that has the packed packages. Then what the page goes on to say.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { PNPM } from '../scripts/setup.mjs'
import { blocks, root } from './support/documents.ts'
import { jobEnvironment, packPublished } from './support/published.ts'
import { startRegistry, type Registry } from './support/registry.ts'
import { commandsFor } from './support/told.ts'
import { until } from './support/until.ts'
import { freePort } from './support/web-server.ts'

let scratch = ''
let registry: Registry
let environment: NodeJS.ProcessEnv = {}

beforeAll(async () => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-docs-install-'))
  const tarballs = await packPublished(scratch)
  registry = await startRegistry([...tarballs.values()])
  const home = path.join(scratch, 'home')
  fs.mkdirSync(home)
  environment = {
    ...jobEnvironment({}),
    PATH: `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`,
    HOME: home,
    npm_config_registry: registry.url,
    npm_config_cache: path.join(home, '.npm'),
    npm_config_userconfig: path.join(home, '.npmrc'),
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
  }
})

afterAll(async () => {
  await registry?.close()
  fs.rmSync(scratch, { recursive: true, force: true })
})

/** An empty folder with a package.json. */
function emptyFolder(): string {
  const folder = fs.mkdtempSync(path.join(scratch, 'site-'))
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "name": "mine", "private": true }')
  return folder
}

/** Types a line, as somebody does whose shell is bash. */
async function type(
  line: string,
  folder: string,
  env: NodeJS.ProcessEnv = environment,
): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', line], {
    cwd: folder,
    env,
  })
  return stdout + stderr
}

/** Starts the gateway by a line of the page, asks for `/`, and ends it. */
async function answerOf(
  line: string,
  folder: string,
  env: NodeJS.ProcessEnv = environment,
): Promise<string> {
  const child = spawn('bash', ['-c', `exec ${line}`], {
    cwd: folder,
    env: { PORT: '0', ...env },
    // A group of its own: the shell that npm starts between it and the program passes no signal on.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  // When whoever holds its standard error has gone.
  const ended = once(child, 'close')
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  try {
    let url: string | undefined
    await until(
      () => (url = /development gateway on (http:\S+)/.exec(said)?.[1]) !== undefined,
      () => `${line} to listen:\n${said}`,
      // npm start builds first.
      120_000,
    )
    const answer = await fetch(url!)
    return `${String(answer.status)} ${await answer.text()}`
  } finally {
    process.kill(-child.pid!, 'SIGTERM')
    await ended
  }
}

/** Those of the adapters' pages come below, with what follows them there. */
const lines = commandsFor('install').filter(
  ({ file }) => !/^packages\/(?:express|koa|fastify)\//.test(file),
)
const isAgain = ({ text }: { text: string }): boolean => text === 'npm install --omit=dev'
const own = (line: string): string[] =>
  line.split(' ').filter((word) => word.startsWith('@fastcgi/'))

describe('npm install', () => {
  /** In whichever order it names them. */
  const key = (text: string): string => text.split(' ').toSorted().join(' ')
  const distinct = [...new Map(lines.map((each) => [key(each.text), each])).values()]
  // On the host, with what was installed at home: the last.
  const ordered = distinct.toSorted((a, b) => Number(isAgain(a)) - Number(isAgain(b)))
  let folder = ''

  it.each(ordered)('$file: $text', async (told) => {
    const { text } = told
    if (!isAgain(told)) folder = emptyFolder()
    const line = text.replaceAll('CLONE', scratch)
    await type(line, folder)
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    const names = Object.keys(manifest.dependencies)
    expect(names.length).toBeGreaterThan(0)
    for (const name of own(text)) expect(names).toContain(name)
    // The framework comes along, as the peer it is.
    for (const framework of ['express', 'koa', 'fastify']) {
      if (!names.includes(`@fastcgi/${framework}`)) continue
      await type(`node -e "require('@fastcgi/${framework}'); require('${framework}')"`, folder)
    }
    if (names.includes('@fastcgi/cli'))
      expect(await type('npx fastcgi --help', folder)).toContain('doctor')
    expect(registry.missed).toEqual([])
  })
})

describe('this repository', () => {
  const env = jobEnvironment({})
  const told = commandsFor('repository')
  const starts = told.filter(({ text }) => text === 'npm start')
  const others = [...new Set(told.map(({ text }) => text))].filter((text) => text !== 'npm start')

  // docs/migrating.md means the app that somebody has.
  it.each([...new Set(starts.map(({ file }) => path.dirname(file)))].filter((at) => at !== 'docs'))(
    'npm start in %s',
    async (folder) => {
      const place = path.join(root, folder)
      expect(
        await answerOf('npm start', place, { ...env, PORT: String(await freePort()) }),
      ).toMatch(/^200 /)
    },
  )

  it.each(others)('%s', async (text) => {
    const isRelease = text.startsWith('npm run release')
    const copy = path.join(scratch, 'repository')
    const line = text.replace(/^pnpm /, `npx ${PNPM} `)
    const said = await type(line, isRelease ? copy : root, env)
    expect(said).toMatch(isRelease ? /Nothing is published/ : /Usage|Options/)
  })
})

describe('what stands on the page of an adapter', () => {
  it.each(['express', 'koa', 'fastify'])('packages/%s: from nothing to an answer', async (name) => {
    const page = `packages/${name}/README.md`
    const code = blocks.filter(({ file, language }) => file === page && language === 'js')
    const [script, app] = [
      code.find(({ text }) => text.startsWith('#!'))!,
      code.find(({ text }) => /^export default app$/m.test(text))!,
    ]
    const folder = emptyFolder()
    fs.writeFileSync(path.join(folder, 'app.fcgi'), script.text)
    fs.writeFileSync(path.join(folder, 'app.js'), app.text)
    const told = blocks.find(({ file, language }) => file === page && language === 'sh')!
    const typed = told.text
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, ''))
      .filter(Boolean)
    const gateway = typed.pop()!
    for (const line of typed) await type(line, folder)
    expect(await answerOf(gateway, folder)).toMatch(/^200 .*(?:About|world)/)
    // By its run bit and its first line as well.
    expect(await answerOf('./app.fcgi --gateway', folder)).toMatch(/^200 /)
  })
})
