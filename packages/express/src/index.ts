/**
 * `@fastcgi/express`: an Express app, 4 or 5, as FastCGI. It adds to `serve` of `@fastcgi/core` what
 * Express alone has: `req.baseUrl`, which starts with the path where the web server mounts the app.
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'

import {
  NoAppError,
  serve as serveListener,
  whyNoApp,
  type AppLoader,
  type ServeOptions,
  type Server,
} from '@fastcgi/core'

export type { AppLoader, FastcgiRequest, ServeOptions, Server } from '@fastcgi/core'

/** Not imported: from Node 22 on an ES module that imports http loads undici with it, 35 ms of CPU. */
const http = process.getBuiltinModule('node:http')

/** An Express app: what Node calls with a request and a response. Any such listener will do. */
export type ExpressApp = (req: IncomingMessage, res: ServerResponse) => unknown

/**
 * Serves an Express app over FastCGI: spawned by a web server, on a socket, under systemd, as plain
 * CGI or, for trying out, behind a gateway on http://127.0.0.1:8080. See `serve` of `@fastcgi/core`
 * for how the mode is found, for logging and for the end.
 *
 * Below a mount `req.baseUrl` starts with it, `req.url` is what follows, and `req.originalUrl` is the
 * whole target as the client sent it, as if a parent app had called `parent.use('/mount', app)`.
 *
 * @param app the app, an `http.Server` made for it, or a function without parameters that loads one
 *   of them or a module with it as default export. Prefer the function: requests wait while the app
 *   loads, NODE_ENV is `production` before it does, and a failure to load is answered 503 and logged.
 * @param options as for `serve` of `@fastcgi/core`
 * @returns the server, once it listens
 */
export function serve(
  app: ExpressApp | HttpServer | AppLoader<ExpressApp | HttpServer>,
  options?: ServeOptions,
): Promise<Server> {
  return serveListener(app, { ...options, adapt })
}

/**
 * Makes of an Express app the listener that `serve` serves, for tools that call `serve` of `@fastcgi/core` themselves.
 *
 * Express builds `req.baseUrl` of a router upon the one it finds (`parentUrl` in router/index.js, 4 and
 * 5 alike), and leaves an `originalUrl` that is there. So the mount goes in before the app is called.
 *
 * @throws NoAppError for what is no app, such as a router
 */
export function adapt(app: ExpressApp | HttpServer): ExpressApp | HttpServer {
  if (app instanceof http.Server) return app.prependListener('request', setBaseUrl)
  const why = whyNoApp(app)
  if (why !== undefined) throw new NoAppError('No Express app, but', why)
  const listener: ExpressApp = (req, res) => {
    setBaseUrl(req)
    return app(req, res)
  }
  // By this `serve` sees that it is none, and warns.
  if (app.length === 1) Object.defineProperty(listener, 'length', { value: 1 })
  // By these `serve` knows with which prototypes Express wants its requests and responses.
  const { request, response } = app as ExpressApp & { request?: object; response?: object }
  return Object.assign(listener, { request, response })
}

function setBaseUrl(req: IncomingMessage & { baseUrl?: string }): void {
  const { mount } = req.fastcgi
  if (mount !== '') req.baseUrl = mount
}
