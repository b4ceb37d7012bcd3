/**
 * `@fastcgi/express`: an Express app, 4 or 5, as FastCGI. It adds to `serve` of `@fastcgi/core` what
 * Express alone has: `req.baseUrl`, which starts with the path where the web server mounts the app.
 */
import { Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'

import { serve as serveListener, type ServeOptions, type Server } from '@fastcgi/core'

export type { FastcgiRequest, ServeOptions, Server } from '@fastcgi/core'

/** An Express app, a Router's owner or any listener: what Node calls with a request and a response. */
export type ExpressApp = (req: IncomingMessage, res: ServerResponse) => unknown

/** What a loader may give: the app, an `http.Server` made for it, or a module that exports it as default. */
export type ExpressModule = ExpressApp | HttpServer | { readonly default: unknown }

/** A function without parameters that loads the app: `() => import('./app.js')`. */
export type ExpressLoader = () => ExpressModule | Promise<ExpressModule>

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
  app: ExpressApp | HttpServer | ExpressLoader,
  options?: ServeOptions,
): Promise<Server> {
  if (isLoader(app)) {
    return serveListener(async () => withBaseUrl(exported(await app())), options)
  }
  return serveListener(withBaseUrl(app), options)
}

/** Express apps take three parameters and listeners two; a function without any is a loader. */
function isLoader(app: ExpressApp | HttpServer | ExpressLoader): app is ExpressLoader {
  return typeof app === 'function' && app.length === 0
}

/** The default export of a module; of a CommonJS module compiled from ES modules, the inner one. */
function exported(loaded: ExpressModule): unknown {
  let value: unknown = loaded
  for (let depth = 0; depth < 2 && isModule(value); depth += 1) value = value.default
  return value
}

function isModule(value: unknown): value is { default: unknown } {
  return typeof value === 'object' && value !== null && 'default' in value
}

/**
 * Express builds `req.baseUrl` of a router upon the one it finds (`parentUrl` in router/index.js, 4 and
 * 5 alike), and leaves an `originalUrl` that is there. So the mount goes in before the app is called.
 */
function withBaseUrl(app: unknown): ExpressApp | HttpServer {
  if (app instanceof HttpServer) return app.prependListener('request', setBaseUrl)
  if (typeof app !== 'function') {
    throw new TypeError(
      'No Express app: expected a function, an http.Server or a module that exports one as default.',
    )
  }
  return (req, res) => {
    setBaseUrl(req)
    return (app as ExpressApp)(req, res)
  }
}

function setBaseUrl(req: IncomingMessage & { baseUrl?: string }): void {
  const { mount } = req.fastcgi
  if (mount !== '') req.baseUrl = mount
}
