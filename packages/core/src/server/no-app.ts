// What users hand over in the place of an app: a router, the framework itself, an app of another framework, what a
// CommonJS file exports that exports nothing. Told apart by what they have, so that any copy and version is recognised.

import { isClass } from '../http/framework-prototypes.ts'

/** What was given can take no requests: the message says what it is, and what to give instead. */
export class NoAppError extends TypeError {
  override readonly name: string = 'NoAppError'

  /**
   * @param wanted a sentence up to what was given: `No Express app, but`, `The app must be a listener, not`
   * @param given what was given, as `whyNoApp` puts it
   */
  constructor(wanted: string, given: string) {
    super(`${wanted} ${given}`)
  }
}

/** Functions that can be called, but not with a request and a response; undefined for any other. */
export function mistakenFunction(value: object): string | undefined {
  // Routers of Express 4 and 5, and of the package router, which go on to a third argument. Connect's app listens.
  if (has(value, 'handle', 'use') && Array.isArray(at(value, 'stack')) && !has(value, 'listen')) {
    return 'an express.Router(), which answers nothing by itself: wrap it, express().use(router)'
  }
  if (isExpress(value)) return 'Express itself: give an app, which express() makes'
  if (at(value, 'fastify') === value) return 'Fastify itself: give an app, which fastify() makes'
  if (isKoaCallback(value)) {
    return "Koa's app.callback, not called: give the app itself to serve() of @fastcgi/koa, or app.callback() to that of @fastcgi/core"
  }
  if (isClass(value)) {
    const { name } = value as { name?: unknown }
    return typeof name === 'string' && name !== ''
      ? `the class ${name}: give an instance, which new ${name}() makes`
      : 'a class: give an instance of it'
  }
  return undefined
}

/** Express, 4 or 5, not yet called. It has no parameters, and so looks like a loader. */
export function isExpress(value: object): boolean {
  return has(value, 'Router', 'static') && has(at(value, 'application') ?? {}, 'handle', 'listen')
}

/** The method of Koa's app, 2 and 3, as it is written. */
const koaCallback = /^callback\s*\(\).*\bthis\.middleware\b/s

/** Koa's `app.callback`, not called: it has lost its app. It has no parameters, and so looks like a loader. */
export function isKoaCallback(value: object): boolean {
  return koaCallback.test(String(value))
}

const appItself = 'give the app itself, as default export or module.exports'
/** Keys of an object that are named. */
const maxKeys = 5

/** What a value is that is neither a function nor a server. */
export function valueGiven(value: unknown): string {
  if (typeof value === 'object' && value !== null) return objectGiven(value)
  if (typeof value === 'string') {
    return "a string: give a function that loads the file, () => import('./app.js')"
  }
  return `${value === undefined || value === null ? String(value) : `a ${typeof value}`}: ${appItself}`
}

function objectGiven(value: object): string {
  if (has(value, 'callback', 'createContext')) {
    return 'a Koa app: serve() of @fastcgi/koa takes it'
  }
  if (has(value, 'ready', 'decorateRequest', 'inject')) {
    return 'a Fastify app: serve() of @fastcgi/fastify takes it'
  }
  if (has(value, 'routes', 'allowedMethods')) {
    return 'a Koa router: give the app that uses it, new Koa().use(router.routes())'
  }
  if (has(value, 'fetch')) {
    return 'an object with fetch(), as Hono and other Web-standard frameworks have it: give a (req, res) listener made of it, such as getRequestListener(app.fetch) of @hono/node-server'
  }
  const name = (value.constructor as { name?: unknown } | undefined)?.name
  if (typeof name === 'string' && name !== 'Object') return `an instance of ${name}: ${appItself}`
  const keys = Object.keys(value)
  if (keys.length === 0) {
    return 'an empty object, which is what a CommonJS file exports by itself: end it with module.exports = app; if it calls listen() itself, use @fastcgi/core/register'
  }
  const more = keys.length > maxKeys ? ' …' : ''
  return `an object with ${keys.slice(0, maxKeys).join(', ')}${more}: ${appItself}`
}

/** What a loader loads, as it is written: `import('./app.js')`. */
const loaded = /\b(?:import|require)\s*\(\s*(['"`])[^'"`]+\1\s*\)/

/**
 * Puts into an error about what was given where that comes from; any other error is left alone.
 *
 * @param app what `serve` was called with
 * @param script the file that called it, as far as known
 */
export function tellOrigin(error: unknown, app: unknown, script: string | undefined): void {
  if (!(error instanceof NoAppError)) return
  const [expression] = (typeof app === 'function' && loaded.exec(String(app))) || []
  const place = script === undefined ? '' : `in ${script}`
  const from = expression === undefined ? '' : `from ${expression}`
  if (place === '' && from === '') return
  const origin = ` (${[from, place].filter(Boolean).join(' ')})`
  const { message, stack } = error
  error.message += origin
  if (stack !== undefined) error.stack = stack.replace(message, () => message + origin)
}

function at(value: object, name: string): object | undefined {
  return (value as Record<string, object | undefined>)[name]
}

function has(value: object, ...methods: readonly string[]): boolean {
  return methods.every((name) => typeof at(value, name) === 'function')
}
