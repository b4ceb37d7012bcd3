/**
 * A new user's way, with nothing but the packed packages: an empty folder with a HOME of its own, `npm install`,
 * `npx fastcgi init htaccess`, and Apache answers.
 */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { PNPM } from '../../scripts/setup.mjs'
import { startApache } from '../support/apache.ts'
import { temporaryFolder } from '../support/web-server.ts'

const root = path.resolve(import.meta.dirname, '../..')
let folder = ''
let tarballs: string[] = []

beforeAll(async () => {
  folder = temporaryFolder('install')
  for (const name of ['home', 'packed']) fs.mkdirSync(path.join(folder, name))
  const packed = path.join(folder, 'packed')
  for (const name of ['core', 'cli']) {
    const place = path.join(root, 'packages', name)
    await run('npx', ['-y', PNPM, 'pack', '--pack-destination', packed], place, process.env)
  }
  // What comes from elsewhere, from where the workspace has it.
  const commander = fs.realpathSync(path.join(root, 'packages/cli/node_modules/commander'))
  await run('npm', ['pack', '--ignore-scripts', commander], packed)
  tarballs = fs.readdirSync(packed).map((name) => path.join(packed, name))
})

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

/** As the new user: an empty environment, a home of its own. */
async function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {
    PATH: `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`,
    HOME: path.join(folder, 'home'),
  },
): Promise<string> {
  const { stdout } = await promisify(execFile)(command, [...args], { cwd, env })
  return stdout
}

/** An empty folder; what is installed there, and what init writes. */
async function install(name: string, file: string, app: string): Promise<string> {
  const site = path.join(folder, name)
  fs.mkdirSync(site)
  fs.writeFileSync(path.join(site, 'package.json'), '{ "name": "mine", "private": true }')
  fs.writeFileSync(path.join(site, file), app)
  const flags = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts']
  await run('npm', ['install', ...flags, ...tarballs], site)
  const shown = await run(
    'npx',
    ['--offline', 'fastcgi', 'init', 'htaccess', '--entry', file],
    site,
  )
  expect(shown).toContain('Next:')
  return site
}

async function answerOf(site: string): Promise<string> {
  const server = await startApache({
    modules: ['fcgid'],
    extra:
      'DocumentRoot ${HTDOCS}\n<Directory ${HTDOCS}>\n    AllowOverride All\n    Require all granted\n</Directory>',
    prepare: () => ({ HTDOCS: site }),
  })
  try {
    const answer = await fetch(`http://127.0.0.1:${String(server.port)}/hello?x=1`)
    return `${String(answer.status)} ${await answer.text()}`
  } finally {
    await server.stop()
  }
}

describe('from nothing to a page, with the packed packages alone', () => {
  it('init htaccess: an app that exports itself', async () => {
    const app = 'export default (req, res) => res.end(`hello from ${req.url}`)\n'
    const site = await install('exports', 'app.mjs', app)
    expect(await answerOf(site)).toBe('200 hello from /hello?x=1')
  })

  it('init htaccess: an app that calls listen() itself', async () => {
    const app =
      "require('node:http').createServer((req, res) => res.end(`by itself ${req.url}`)).listen(3000)\n"
    const site = await install('listens', 'server.js', app)
    expect(await answerOf(site)).toBe('200 by itself /hello?x=1')
  })
})
