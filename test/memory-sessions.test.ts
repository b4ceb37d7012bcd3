/** @fastify/session's store in memory is found where several processes serve an app, with the packages as they were built. */
import { createRequire } from 'node:module'

import { afterEach, describe, expect, it } from 'vitest'

import { request } from '../packages/core/src/client.ts'
import { makeProject, type Project } from './support/cli.ts'
import { killLeftovers, listeningServer, startNode } from './support/node-process.ts'

const resolve = createRequire(import.meta.url).resolve

const versions = [
  { fastify: 'fastify', cookie: '@fastify/cookie', session: '@fastify/session' },
  { fastify: 'fastify4', cookie: 'fastify4-cookie', session: 'fastify4-session' },
]

let project: Project | undefined
afterEach(() => {
  killLeftovers()
  project?.remove()
})

/** The log of a process that a web server started, after a few visits. */
async function logOf(names: (typeof versions)[number], options: string): Promise<string> {
  const load = (name: string): string => `require(${JSON.stringify(resolve(name))})`
  const site = makeProject(
    {
      'app.cjs': `
const app = ${load(names.fastify)}()
app.register(${load(names.cookie)})
app.register(${load(names.session)}, { secret: 's'.repeat(32), cookie: { secure: false }, ${options} })
app.register(async (part) => {
  part.get('/visits', async (request) => {
    request.session.visits = (request.session.visits ?? 0) + 1
    return String(request.session.visits)
  })
})
module.exports = app
`,
      'app.fcgi':
        "const { serve } = require('@fastcgi/fastify')\nserve(() => import('./app.cjs'))\n",
    },
    ['@fastcgi/fastify'],
  )
  project = site
  const socketPath = site.file('app.sock')
  const app = startNode({ file: site.file('app.fcgi'), stdin: await listeningServer(socketPath) })
  const first = await request({ socketPath, path: '/visits' })
  expect(await first.text()).toBe('1')
  const [cookie] = first.headers['set-cookie'] as string[]
  const headers = { cookie: cookie!.split(';')[0]! }
  expect(await (await request({ socketPath, path: '/visits', headers })).text()).toBe('2')
  app.child.kill('SIGTERM')
  expect(await app.ended).toBe(0)
  return app.stderr()
}

describe.each(versions)('$session', (names) => {
  it('in memory is named once', async () => {
    const log = await logOf(names, '')
    expect(log.match(/FCGI_MEMORY_SESSIONS/g)).toHaveLength(1)
    expect(log).toContain('@fastify/secure-session')
  })

  it('in a store of another kind is nothing to warn of', async () => {
    const store = `store: new (class Shared {
      rows = {}
      set(id, session, done) { this.rows[id] = session; done() }
      get(id, done) { done(null, this.rows[id]) }
      destroy(id, done) { delete this.rows[id]; done() }
    })()`
    expect(await logOf(names, store)).not.toContain('FCGI_MEMORY_SESSIONS')
  })
})
