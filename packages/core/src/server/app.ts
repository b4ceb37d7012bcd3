// What `serve` is given: an app, or a function that loads one.
import http from 'node:http'
import net from 'node:net'
import { isClass } from '../http/framework-prototypes.ts'
import { isExpress, isKoaCallback, mistakenFunction, NoAppError, valueGiven } from './no-app.ts'
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
  if (typeof app !== 'function' || app.length > 0) return false
  return !isClass(app) && !isExpress(app) && !isKoaCallback(app)
}

/**
 * Runs a loader and takes default exports out of modules until an app is left.
 *
 * @throws whatever the loader throws
 * @throws NoAppError when nothing was exported
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
  throw new NoAppError(
    'The loaded module has no default export.',
    'Export the app as default; if it calls listen() itself, use @fastcgi/core/register',
  )
}

/**
 * Checks that a value can take requests.
 *
 * @throws NoAppError that says what to pass instead
 */
export function requestTaker(app: unknown): RequestTaker {
  const why = whyNoApp(app)
  if (why === undefined) return app as RequestTaker
  throw new NoAppError('The app must be a (req, res) listener or an http.Server, not', why)
}

/**
 * What a value is that can take no requests, such as an `express.Router()`, and behind a colon what to do about it: the
 * end of a sentence, for the {@link NoAppError} of an adapter. Undefined for what can take them: a `(req, res)` listener,
 * an `http.Server`.
 */
export function whyNoApp(value: unknown): string | undefined {
  if (typeof value === 'function') return mistakenFunction(value)
  return isHttpServer(value) ? undefined : valueGiven(value)
}

/**
 * Whether a value is a server of node:http or node:https; its own `listen` is not needed. A server of node:https is told
 * by what it has: to ask its class would load node:tls into every process (4 ms of start).
 */
export function isHttpServer(app: unknown): app is http.Server {
  return app instanceof http.Server || (app instanceof net.Server && 'headersTimeout' in app)
}
