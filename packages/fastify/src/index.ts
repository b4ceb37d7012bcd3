/**
 * `@fastcgi/fastify`: a Fastify app, 4 or 5, as FastCGI. Two ways: `serve(app)`, one line for every way
 * in which a web server starts or reaches an app; and `serverFactory`, with which `fastify.listen()` and
 * `fastify.close()` keep their meaning and speak FastCGI.
 */
import type { IncomingMessage, RequestListener, Server as HttpServer } from 'node:http'

import {
  createServer,
  NoAppError,
  serve as serveListener,
  whyNoApp,
  type AppLoader,
  type FastcgiRequest,
  type ServeOptions,
  type Server,
  type ServerOptions,
} from '@fastcgi/core'
// For the types below.
import type * as _fastify from 'fastify'

export type { AppLoader, FastcgiRequest, ServeOptions, Server, ServerOptions } from '@fastcgi/core'

/** What is used of a Fastify app; structural, so that Fastify 4 and 5 fit, whatever its type parameters. */
export interface FastifyApp {
  readonly server: unknown
  ready(): unknown
  close(): unknown
  hasRequestDecorator(name: string): boolean
  decorateRequest(name: string, value: never): unknown
  register(plugin: never): unknown
  addHook(name: 'onClose', hook: () => Promise<void>): unknown
  addHook(
    name: 'onRequest',
    hook: (request: { raw: IncomingMessage }, reply: unknown, done: () => void) => void,
  ): unknown
}

/**
 * Serves a Fastify app over FastCGI: spawned by a web server, on a socket, under systemd, as plain CGI
 * or, for trying out, behind a gateway on http://127.0.0.1:8080. See `serve` of `@fastcgi/core` for how
 * the mode is found, for logging and for the end.
 *
 * The app must not have called `listen()`. It is made ready first: requests wait until all plugins are
 * loaded. When the process is told to end, running requests are finished, then `app.close()` runs the
 * `onClose` hooks; `app.close()` called by the app itself ends the FastCGI server too.
 *
 * @param app the app, or a function without parameters that loads it or a module with it as default
 *   export. Prefer the function: requests wait while the app loads, NODE_ENV is `production` before it
 *   does, and a failure to load is answered 503 and logged.
 * @param options as for `serve` of `@fastcgi/core`
 * @returns the server, once it listens
 */
export async function serve(
  app: FastifyApp | AppLoader<FastifyApp>,
  options: ServeOptions = {},
): Promise<Server> {
  const served = new Served()
  const server = await serveListener(app, {
    ...options,
    adapt: (loaded) => served.prepare(loaded),
    onStop: async () => {
      await served.close()
      await options.onStop?.()
    },
  })
  served.server = server
  return server
}

/**
 * Makes of a Fastify app, once it is ready, the server that `serve` serves, for tools that call `serve` of
 * `@fastcgi/core` themselves. Closing the app is then their business.
 *
 * @throws NoAppError for what is no app, and what a plugin throws
 */
export function adapt(app: FastifyApp): Promise<HttpServer> {
  return new Served().prepare(app)
}

const other =
  'a function or server: give what fastify() makes, not a plugin; serve() of @fastcgi/core takes a (req, res) listener or an http.Server, that of @fastcgi/express an Express app'

/** An app and the server in front of it; either may be the first to close. */
class Served {
  server: Server | undefined
  #app: FastifyApp | undefined

  /** Makes the app ready, and gives the server whose listeners take its requests. */
  async prepare(app: FastifyApp): Promise<HttpServer> {
    if (!isFastify(app)) {
      throw new NoAppError('No Fastify app, but', whyNoApp(app) ?? other)
    }
    this.#app = app
    try {
      decorate(app)
      app.addHook('onClose', async () => {
        this.server?.close()
      })
      app.register(sessionsShown as never)
    } catch (error) {
      // An app that is ready already takes neither; request.raw.fastcgi is there all the same.
      if (!isStarted(error)) throw error
    }
    await app.ready()
    return app.server as HttpServer
  }

  async close(): Promise<void> {
    await this.#app?.close()
  }
}

/** Requests whose session store is shown to `serve`: it looks at no more. */
const sessionLooks = 200

/**
 * Puts the store of @fastify/session where `serve` finds that of express-session, to warn of sessions in the memory of
 * one of several processes. Loaded last, so that it is known whether there is one: a hook costs each request 0.1 µs.
 * (bench: `pnpm bench --case hello --impl ours-fastify`)
 */
function sessionsShown(app: FastifyApp, _options: unknown, done: Done): void {
  if (app.hasRequestDecorator('sessionStore')) {
    let left = sessionLooks
    app.addHook('onRequest', (request, _reply, next) => {
      if (left > 0) {
        left--
        const { sessionStore } = request as { sessionStore?: unknown }
        if (sessionStore !== undefined) Object.assign(request.raw, { sessionStore })
      }
      next()
    })
  }
  done()
}
Object.assign(sessionsShown, { [Symbol.for('skip-override')]: true })

function isStarted(error: unknown): boolean {
  return /ALREADY_LISTENING|already listening|AVV_ERR_.*ROOT_PLG_BOOTED|DEC_AFTER_START/.test(
    `${String((error as { code?: unknown }).code)} ${String(error)}`,
  )
}

function isFastify(value: unknown): value is FastifyApp {
  return (
    typeof value === 'object' &&
    value !== null &&
    'decorateRequest' in value &&
    'ready' in value &&
    'server' in value
  )
}

/** Fastify's plugins take an instance and, in the old form, a callback. */
type Done = (error?: Error) => void

/**
 * A plugin that adds `request.fastcgi`, for apps that use {@link serverFactory}; `serve` adds it by
 * itself. It holds for the whole app: `app.register(fastcgi)`.
 */
export function fastcgi(app: unknown, _options: unknown, done: Done): void {
  decorate(app as FastifyApp)
  done()
}
Object.assign(fastcgi, {
  // What fastify-plugin sets: no scope of its own, and a name.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@fastcgi/fastify',
})

function decorate(app: FastifyApp): void {
  if (app.hasRequestDecorator('fastcgi')) return
  const getter = {
    getter(this: { raw: IncomingMessage }): FastcgiRequest | undefined {
      return this.raw.fastcgi
    },
  }
  app.decorateRequest('fastcgi', getter as never)
}

/**
 * For `fastify({ serverFactory })`: the app's own server speaks FastCGI, so that
 * `fastify.listen({ path: '/run/app.sock' })`, `fastify.listen({ port: 9000 })` and `fastify.close()` do
 * what they say. Signals and modes are then the app's business; `serve` sees to both.
 *
 * @param handler Fastify's listener
 */
export function serverFactory(handler: RequestListener): Server {
  return createServer(handler)
}

/**
 * The same with options of `createServer`: `fastify({ serverFactory: serverFactoryWith({ mount }) })`.
 *
 * @param options as for `createServer` of `@fastcgi/core`
 */
export function serverFactoryWith(options: ServerOptions): (handler: RequestListener) => Server {
  return (handler) => createServer(options, handler)
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What the web server said beyond HTTP. */
    fastcgi: FastcgiRequest
  }
}
