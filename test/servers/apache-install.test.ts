/**
 * A new user's way, with nothing but the packed packages: an empty folder with a HOME of its own, `npm install`,
 * `npx fastcgi init htaccess` or `init apache`, and Apache answers.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startApache } from '../support/apache.ts'
import { packAll, tellTime, type Installation } from '../support/installed.ts'

let installation: Installation

beforeAll(async () => {
  installation = await packAll()
})

afterAll(() => installation?.remove())

/** How Apache is told of a site: by its `.htaccess`, or by the file that `init apache` wrote. */
const ways = {
  htaccess: {
    extra:
      'DocumentRoot ${SITE}\n<Directory ${SITE}>\n    AllowOverride All\n    Require all granted\n</Directory>',
  },
  apache: { extra: 'Include ${SITE}/deploy/apache.conf' },
} as const

async function answerFrom(way: keyof typeof ways, file: string, app: string): Promise<string> {
  const started = performance.now()
  const site = await installation.install(`${way}-${file}`, file, app)
  const words = ['--offline', 'fastcgi', 'init', way, '--entry', file]
  expect(await installation.run('npx', words, site)).toContain('Next:')
  const server = await startApache({
    modules: ['fcgid'],
    ...ways[way],
    prepare: () => ({ SITE: site }),
  })
  try {
    const answer = await fetch(`http://127.0.0.1:${String(server.port)}/hello?x=1`)
    const page = `${String(answer.status)} ${await answer.text()}`
    tellTime(`init ${way}, ${file}`, started)
    return page
  } finally {
    await server.stop()
  }
}

describe('from nothing to a page, with the packed packages alone', () => {
  it('init htaccess: an app that exports itself', async () => {
    const app = 'export default (req, res) => res.end(`hello from ${req.url}`)\n'
    expect(await answerFrom('htaccess', 'app.mjs', app)).toBe('200 hello from /hello?x=1')
  })

  it('init apache: the same app by ScriptAlias', async () => {
    const app = 'export default (req, res) => res.end(`hello from ${req.url}`)\n'
    expect(await answerFrom('apache', 'app.mjs', app)).toBe('200 hello from /hello?x=1')
  })

  it('init htaccess: an app that calls listen() itself', async () => {
    const app =
      "require('node:http').createServer((req, res) => res.end(`by itself ${req.url}`)).listen(3000)\n"
    expect(await answerFrom('htaccess', 'server.js', app)).toBe('200 by itself /hello?x=1')
  })
})
