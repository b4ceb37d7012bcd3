/**
 * Stores of sessions in memory are found where several processes serve an app, with the packages as they were built:
 * @fastify/session's, express-session's wherever it stands, and what is written by hand for koa-session.
 */
import { createRequire } from 'node:module'

import { afterEach, describe, expect, it } from 'vitest'

import { request } from '../packages/core/src/client.ts'
import { makeProject, type Project } from './support/cli.ts'
import { killLeftovers, listeningServer, startNode } from './support/node-process.ts'

const resolve = createRequire(import.meta.url).resolve
const load = (name: string): string => `require(${JSON.stringify(resolve(name))})`

let project: Project | undefined
afterEach(() => {
  killLeftovers()
  project?.remove()
})

/** The log of a process that a web server started, after two visits of one client. */
async function logOf(
  framework: 'express' | 'koa' | 'fastify',
  app: string,
  given = "() => import('./app.cjs')",
): Promise<string> {
  const site = makeProject(
    {
      'app.cjs': app,
      'app.fcgi': `const { serve } = require('@fastcgi/${framework}')\nserve(${given})\n`,
    },
    [`@fastcgi/${framework}`],
  )
  project = site
  const socketPath = site.file('app.sock')
  const process = startNode({
    file: site.file('app.fcgi'),
    stdin: await listeningServer(socketPath),
  })
  const first = await request({ socketPath, path: '/visits' })
  expect(await first.text()).toBe('1')
  const cookies = first.headers['set-cookie'] as string[]
  const headers = { cookie: cookies.map((cookie) => cookie.split(';')[0]).join('; ') }
  expect(await (await request({ socketPath, path: '/visits', headers })).text()).toBe('2')
  process.child.kill('SIGTERM')
  expect(await process.ended).toBe(0)
  return process.stderr()
}

const named = (log: string): number => log.match(/FCGI_MEMORY_SESSIONS/g)?.length ?? 0

const versions = [
  { fastify: 'fastify', cookie: '@fastify/cookie', session: '@fastify/session' },
  { fastify: 'fastify4', cookie: 'fastify4-cookie', session: 'fastify4-session' },
]

describe.each(versions)('$session', (names) => {
  const register = (on: string, options: string): string => `
${on}.register(${load(names.cookie)})
${on}.register(${load(names.session)}, { secret: 's'.repeat(32), cookie: { secure: false }, ${options} })
`
  const visits = (on: string): string => `
${on}.get('/visits', async (request) => {
  request.session.visits = (request.session.visits ?? 0) + 1
  return String(request.session.visits)
})
`
  const app = (options: string): string => `
const app = ${load(names.fastify)}()
${register('app', options)}
app.register(async (part) => { ${visits('part')} })
module.exports = app
`

  it('in memory is named once', async () => {
    const log = await logOf('fastify', app(''))
    expect(named(log)).toBe(1)
    expect(log).toContain('@fastify/secure-session')
  })

  it('in memory is named where the app is there before serve() is called', async () => {
    expect(named(await logOf('fastify', app(''), "require('./app.cjs')"))).toBe(1)
  })

  it.each([
    ['was awaited', ''],
    ['the app is ready before anybody sees it', 'await app.ready()'],
  ])('in memory is named where a plugin of the app’s own has it, and %s', async (_when, wait) => {
    const awaited = `
module.exports = (async () => {
  const app = ${load(names.fastify)}()
  await app.register(async (part) => {
    ${register('part', '')}
    await part.register(async (inner) => { ${visits('inner')} })
  })
  ${wait}
  return app
})()
`
    expect(named(await logOf('fastify', awaited))).toBe(1)
  })

  it('in a store of another kind is nothing to warn of', async () => {
    const store = `store: new (class Shared {
      rows = {}
      set(id, session, done) { this.rows[id] = session; done() }
      get(id, done) { done(null, this.rows[id]) }
      destroy(id, done) { delete this.rows[id]; done() }
    })()`
    expect(named(await logOf('fastify', app(store)))).toBe(0)
  })
})

describe('express-session', () => {
  const app = (place: string, options = ''): string => `
const express = ${load('express')}
const session = ${load('express-session')}
const app = express()
const use = session({ secret: 's', resave: false, saveUninitialized: true, ${options} })
const visits = (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1
  res.send(String(req.session.visits))
}
${place}
module.exports = app
`

  it.each([
    ['by default', "app.use(use).get('/visits', visits)"],
    ['in a router', "app.use(express.Router().use(use).get('/visits', visits))"],
    ['in an app below the app', "app.use('/', express().use(use).get('/visits', visits))"],
  ])('in memory is named: %s', async (_place, code) => {
    expect(named(await logOf('express', app(code)))).toBe(1)
  })

  it('in memory is named where it was asked for by name', async () => {
    const code = "app.use(use).get('/visits', visits)"
    expect(named(await logOf('express', app(code, 'store: new session.MemoryStore()')))).toBe(1)
  })

  it('in a store with a client of a database is nothing to warn of', async () => {
    const store = `store: new (class RedisStore extends session.Store {
      client = { rows: new Map() }
      cache = new Map()
      set(id, value, done) { this.client.rows.set(id, JSON.stringify(value)); done() }
      get(id, done) { done(null, this.client.rows.has(id) ? JSON.parse(this.client.rows.get(id)) : null) }
      destroy(id, done) { this.client.rows.delete(id); done() }
    })()`
    expect(named(await logOf('express', app("app.use(use).get('/visits', visits)", store)))).toBe(0)
  })
})

describe('koa-session', () => {
  const app = (options: string): string => `
const Koa = ${load('koa')}
const session = ${load('koa-session')}
const app = new Koa()
app.keys = ['k']
class Held {
  rows = new Map()
  async get(key) { return this.rows.get(key) }
  async set(key, value) { this.rows.set(key, value) }
  async destroy(key) { this.rows.delete(key) }
}
app.use((session.default ?? session.createSession ?? session)({ ${options} }, app))
app.use((ctx) => {
  ctx.session.visits = (ctx.session.visits ?? 0) + 1
  ctx.body = String(ctx.session.visits)
})
module.exports = app
`

  it('in cookies, as it has them by default, is nothing to warn of', async () => {
    expect(named(await logOf('koa', app('')))).toBe(0)
  })

  it('in a Map of the app’s own is named', async () => {
    expect(named(await logOf('koa', app('store: new Held()')))).toBe(1)
  })

  it('in a store with a client of a database is nothing to warn of', async () => {
    const store = 'store: Object.assign(new Held(), { client: { connected: true } })'
    expect(named(await logOf('koa', app(store)))).toBe(0)
  })
})
