// What `serve` is given: an app, or a function that loads one.
import http from 'node:http'
import net from 'node:net'
import type { Handler } from './options.ts'

/** Something that takes requests: a listener, or a server with its own `request` listeners. */
export type RequestTaker = Handler | http.Server

/** A module, as `import()` gives it. */
export interface AppModule<T> {
  readonly default: T | AppModule<T>
}

/**
 * Loads an app. A function without parameters is a loader; it returns the app, a module whose default export it is, or a
 * promise of either. A `(req, res)` listener has parameters, which is how the two are told apart: write
 * `(...args) => handler(...args)` as `(req, res) => handler(req, res)`.
 *
 * @typeParam T what an app is
 */
export type AppLoader<T> = () => T | AppModule<T> | PromiseLike<T | AppModule<T>>

/** Loaders that return loaders come to an end. */
const maxDepth = 8

/** Whether a value is a loader: see {@link AppLoader}. */
export function isLoader(app: unknown): app is () => unknown {
  return typeof app === 'function' && app.length === 0 && !isClass(app)
}

function isClass(value: { toString(): string }): boolean {
  return value.toString().startsWith('class')
}

/**
 * Runs a loader and takes default exports out of modules until an app is left.
 *
 * @throws whatever the loader throws
 * @throws TypeError when nothing was exported
 */
export async function loadApp(app: unknown): Promise<unknown> {
  let value: unknown = await app
  for (let depth = 0; depth < maxDepth; depth += 1) {
    if (isLoader(value)) value = await value()
    else if (hasDefault(value)) value = await value.default
    else return value
  }
  throw new TypeError('The loader returns loaders without end.')
}

function hasDefault(value: unknown): value is AppModule<unknown> {
  if (typeof value !== 'object' || value === null) return false
  if ('default' in value && value.default !== undefined) return true
  // Only a namespace object has this tag; without a default export it can be no app.
  if ((value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] !== 'Module') return false
  throw new TypeError(
    'The loaded module has no default export. Export the app as default; if it calls listen() itself, use @fastcgi/core/register.',
  )
}

/**
 * Checks that a value can take requests.
 *
 * @throws TypeError that says what to pass instead
 */
export function requestTaker(app: unknown): RequestTaker {
  if (typeof app === 'function') return app as Handler
  if (isHttpServer(app)) return app
  throw new TypeError(
    `The app must be a (req, res) listener or an http.Server, not ${kindOf(app)}. For Express, Koa and Fastify use serve() of @fastcgi/express, @fastcgi/koa and @fastcgi/fastify.`,
  )
}

/**
 * Whether a value is a server of node:http or node:https; its own `listen` is not needed. A server of node:https is told
 * by what it has: to ask its class would load node:tls into every process (4 ms of start).
 */
export function isHttpServer(app: unknown): app is http.Server {
  return app instanceof http.Server || (app instanceof net.Server && 'headersTimeout' in app)
}

function kindOf(value: unknown): string {
  if (value === null || typeof value !== 'object')
    return value === undefined ? 'undefined' : typeof value
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name !== 'Object' ? `an instance of ${name}` : 'an object'
}
