/**
 * `@fastcgi/koa`: a Koa app, 2 or 3, as FastCGI. It adds to `serve` of `@fastcgi/core` what Koa alone
 * has: the context, with `ctx.fastcgi`, `ctx.mountPath` and the right `ctx.originalUrl`.
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'

import {
  NoAppError,
  serve as serveListener,
  whyNoApp,
  type AppLoader,
  type FastcgiRequest,
  type ServeOptions,
  type Server,
} from '@fastcgi/core'
// For the types below.
import type * as _koa from 'koa'

export type { AppLoader, FastcgiRequest, ServeOptions, Server } from '@fastcgi/core'

/** Not imported: from Node 22 on an ES module that imports http loads undici with it, 35 ms of CPU. */
const http = process.getBuiltinModule('node:http')

/** What is used of a Koa app; structural, so that Koa 2 and 3 fit, with types or without. */
export interface KoaApp {
  /** The listener that Koa makes of its middleware. */
  callback(): (req: IncomingMessage, res: ServerResponse) => unknown
  /** Makes the context of a request. */
  createContext(req: IncomingMessage, res: ServerResponse): unknown
  /** The prototype of every context. */
  readonly context: object
}

/**
 * Serves a Koa app over FastCGI: spawned by a web server, on a socket, under systemd, as plain CGI or,
 * for trying out, behind a gateway on http://127.0.0.1:8080. See `serve` of `@fastcgi/core` for how the
 * mode is found, for logging and for the end.
 *
 * In the app `ctx.fastcgi` is what the web server said beyond HTTP. Below a mount `ctx.mountPath` is the
 * path the app is mounted at, as inside koa-mount, `ctx.url` is what follows, and `ctx.originalUrl`,
 * `ctx.href` have the whole target as the client sent it. Without a mount `ctx.mountPath` is `''`.
 *
 * @param app the app, a `http.Server` made for its `callback()`, or a function without parameters that
 *   loads one of them or a module with it as default export. Prefer the function: requests wait while
 *   the app loads, NODE_ENV is `production` before it does, and a failure to load is answered 503 and
 *   logged.
 * @param options as for `serve` of `@fastcgi/core`
 * @returns the server, once it listens
 */
export function serve(
  app: KoaApp | HttpServer | AppLoader<KoaApp | HttpServer>,
  options?: ServeOptions,
): Promise<Server> {
  return serveListener(app, { ...options, adapt })
}

function isKoa(value: unknown): value is KoaApp {
  return (
    typeof value === 'object' &&
    value !== null &&
    'callback' in value &&
    typeof value.callback === 'function' &&
    'createContext' in value
  )
}

const listener =
  'a function: give the app itself, not its callback(); serve() of @fastcgi/core takes a (req, res) listener, that of @fastcgi/express an Express app'

/** A listener as Koa makes it. */
export type Listener = ReturnType<KoaApp['callback']>

/**
 * Makes of a Koa app the listener that `serve` serves, for tools that call `serve` of `@fastcgi/core` themselves.
 *
 * @throws NoAppError for what is no app, such as a router
 */
export function adapt(app: KoaApp | HttpServer): Listener | HttpServer {
  // A server has its listener already, and with it a context that is out of reach.
  if (app instanceof http.Server) return app
  if (!isKoa(app)) {
    throw new NoAppError('No Koa app, but', whyNoApp(app) ?? listener)
  }
  extendContext(app)
  return app.callback()
}

/** What this package puts on a context, beside what Koa puts there. */
interface Mounted {
  request: { originalUrl: string }
  originalUrl: string
  mountPath: string
}

const extended = new WeakSet<object>()

/** Requests whose session store is shown to `serve`: it looks at no more. */
const sessionLooks = 200

/**
 * Koa's createContext takes `req.url` for the original one, whatever `req.originalUrl` says; so both
 * are set right behind it, before any middleware runs.
 */
function extendContext(app: KoaApp): void {
  if (extended.has(app)) return
  extended.add(app)
  Object.defineProperty(app.context, 'fastcgi', {
    configurable: true,
    get(this: { req: IncomingMessage }): FastcgiRequest | undefined {
      return this.req.fastcgi
    },
  })
  const createContext = app.createContext.bind(app)
  let looks = sessionLooks
  app.createContext = (req: IncomingMessage & { originalUrl?: string }, res) => {
    const ctx = createContext(req, res) as Mounted
    const target = req.originalUrl
    if (target !== undefined) {
      ctx.originalUrl = target
      ctx.request.originalUrl = target
    }
    ctx.mountPath = req.fastcgi?.mount ?? ''
    if (looks > 0) {
      looks--
      showStore(req, ctx)
    }
    return ctx
  }
}

/**
 * Puts koa-session's store, where it has one and not cookies, where `serve` finds that of express-session, to warn of
 * sessions in the memory of one of several processes.
 */
function showStore(req: IncomingMessage, ctx: object): void {
  Object.defineProperty(req, 'sessionStore', {
    configurable: true,
    get: () => (ctx as { sessionOptions?: { store?: unknown } }).sessionOptions?.store,
    set(value: unknown) {
      Object.defineProperty(req, 'sessionStore', { configurable: true, writable: true, value })
    },
  })
}

declare module 'koa' {
  interface ExtendableContext {
    /** What the web server said beyond HTTP. */
    fastcgi: FastcgiRequest
    /** The path the app is mounted at: `''` at the root, `'/app'` below it. */
    mountPath: string
  }
}
