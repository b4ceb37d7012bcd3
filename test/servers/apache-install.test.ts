/**
 * A new user's way, with nothing but the packed packages: an empty folder with a HOME of its own, `npm install`,
 * `npx fastcgi init htaccess`, and Apache answers.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startApache } from '../support/apache.ts'
import { packAll, type Installation } from '../support/installed.ts'

let installation: Installation

beforeAll(async () => {
  installation = await packAll()
})

afterAll(() => installation?.remove())

async function answerFrom(name: string, file: string, app: string): Promise<string> {
  const site = await installation.install(name, file, app)
  const words = ['--offline', 'fastcgi', 'init', 'htaccess', '--entry', file]
  expect(await installation.run('npx', words, site)).toContain('Next:')
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
    expect(await answerFrom('exports', 'app.mjs', app)).toBe('200 hello from /hello?x=1')
  })

  it('init htaccess: an app that calls listen() itself', async () => {
    const app =
      "require('node:http').createServer((req, res) => res.end(`by itself ${req.url}`)).listen(3000)\n"
    expect(await answerFrom('listens', 'server.js', app)).toBe('200 by itself /hello?x=1')
  })
})
