import http from 'node:http'
import { describe, expect, it } from 'vitest'
import { isLoader, loadApp, whyNoApp } from './app.ts'

const none = (): undefined => undefined

/** As express, 4 and 5, exports itself. */
function expressItself(): unknown {
  return (_req: unknown, res: http.ServerResponse) => res.end()
}
Object.assign(expressItself, {
  Router: none,
  static: none,
  application: { handle: none, listen: none },
})

/** As the routers of Express and the package router are made, and the apps of Connect. */
const middleware = (more: object): unknown =>
  Object.assign((_req: unknown, _res: unknown, _next: unknown) => {}, {
    handle: none,
    use: none,
    stack: [],
    ...more,
  })

/** As Koa's app, 2 and 3, has it. */
const koa = {
  middleware: [],
  callback() {
    return () => this.middleware
  },
}

class Application {}

describe('whyNoApp', () => {
  it.each<[string, unknown, RegExp]>([
    ['a router', middleware({}), /^an express\.Router\(\), .*: .*express\(\)\.use\(router\)/],
    ['Express itself', expressItself, /^Express itself: .*express\(\)/],
    ['a callback not called', koa.callback, /^Koa's app\.callback, not called: .*callback\(\)/],
    ['a class', Application, /^the class Application: .*new Application\(\)/],
    ['a class without a name', (() => class {})(), /^a class: /],
    ['a Koa app', { callback: none, createContext: none }, /^a Koa app: .*@fastcgi\/koa/],
    [
      'a Fastify app',
      { ready: none, decorateRequest: none, inject: none },
      /^a Fastify app: .*@fastcgi\/fastify/,
    ],
    ['a Koa router', { routes: none, allowedMethods: none }, /^a Koa router: .*new Koa\(\)/],
    ['a handler of the Fetch API', { fetch: none }, /^an object with fetch\(\).*: .*getRequest/],
    ['what CommonJS exports by itself', {}, /^an empty object.*: .*module\.exports/],
    [
      'several exports',
      { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6 },
      /^an object with a, b, c, d, e …: /,
    ],
    ['an object of a class', new Application(), /^an instance of Application: /],
    ['an object without prototype', Object.create(null), /^an empty object/],
    ['the name of a file', './app.js', /^a string: .*import\('\.\/app\.js'\)/],
    ['a number', 7, /^a number: /],
    ['nothing', undefined, /^undefined: /],
    ['null', null, /^null: /],
  ])('tells %s, and what to do', (_what, value, why) => {
    expect(whyNoApp(value)).toMatch(why)
  })

  it.each<[string, unknown]>([
    ['a listener', (_req: unknown, res: http.ServerResponse) => res.end()],
    ['an app of Connect, which has what a router has', middleware({ listen: none })],
    ['an http.Server', http.createServer()],
  ])('takes %s', (_what, value) => {
    expect(whyNoApp(value)).toBeUndefined()
  })
})

describe('loadApp', () => {
  it('does not take Express itself for a loader: its app would answer 404 to everything', async () => {
    expect(isLoader(expressItself)).toBe(false)
    expect(await loadApp(() => ({ default: expressItself }))).toBe(expressItself)
  })

  it('does not take a method of a Koa app for one: without its app it cannot run', async () => {
    expect(await loadApp(() => koa.callback)).toBe(koa.callback)
    const own = {
      callback() {
        return 'app'
      },
    }
    expect(await loadApp(own.callback)).toBe('app')
  })
})
