// For apps that call listen() themselves and are not to be changed: the listen that is meant is served over FastCGI
// instead, in the mode `serve` would find. Behind `@fastcgi/core/register`.
import cluster from 'node:cluster'
import type http from 'node:http'
import net from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { isHttpServer } from './app.ts'
import { settleNodeEnv } from './environment.ts'
import { createLog } from './log.ts'
import { Serving } from './serve.ts'
import type { ServeOptions } from './serve-options.ts'
import { Server } from './server.ts'
import { processShutdown } from './shutdown.ts'
import { prepareStandIns, StandIn } from './stand-in.ts'
import { findStart, type Start } from './start.ts'

/** Marks the process that was started; child processes inherit it and are left alone. */
const marker = 'FASTCGI_REGISTERED'

type Listen = typeof net.Server.prototype.listen

/** What the environment says in place of options. */
function optionsFrom(env: NodeJS.ProcessEnv): ServeOptions {
  return {
    // The arguments are the app's.
    arguments: [],
    log: env.FASTCGI_LOG || undefined,
    mode: env.FASTCGI_SOCKET_MODE || undefined,
    owner: env.FASTCGI_SOCKET_OWNER || undefined,
    group: env.FASTCGI_SOCKET_GROUP || undefined,
  }
}

/**
 * Takes over the `listen()` of the app in this process. Does nothing in worker threads, cluster workers and child
 * processes of a process that has done so.
 */
export function takeOverListen(): void {
  const { env } = process
  if (!isMainThread || cluster.isWorker) return
  if (env[marker] !== undefined && env[marker] !== String(process.pid)) return
  env[marker] = String(process.pid)
  processShutdown().listen()
  const options = optionsFrom(env)
  const log = createLog(options.log)
  if (env.FASTCGI_WORKERS) {
    log.write('FASTCGI_WORKERS is ignored: this process loads the app, workers need serve()')
  }
  delete env.FASTCGI_WORKERS
  if (env.FASTCGI_SHARED && env.FASTCGI_SHARED !== '0') {
    log.write('FASTCGI_SHARED is ignored: this process loads the app, a relay needs serve()')
  }
  delete env.FASTCGI_SHARED
  const wanted = wantedPort(env)
  const start = findStart(options)
  const { type } = start.mode
  if (type !== 'usage' && type !== 'gateway') {
    const message = settleNodeEnv(env, false)
    if (message !== undefined && type !== 'cgi') log.write(message)
  }
  prepareStandIns()
  const original = net.Server.prototype.listen
  net.Server.prototype.listen = function (this: net.Server, ...given: unknown[]) {
    const port = isHttpServer(this) && !(this instanceof Server) ? tcpPort(given) : undefined
    if (port === undefined) return Reflect.apply(original, this, given) as net.Server
    if (wanted !== undefined && port !== wanted) {
      log.write(`listen(${port}) is left alone: listen(${wanted}) will be served over FastCGI`)
      return Reflect.apply(original, this, given) as net.Server
    }
    net.Server.prototype.listen = original
    log.write(`listen(${port}) is served over FastCGI`)
    take(this as http.Server, given, port, options, withPort(start, port))
    return this
  } as Listen
}

/** FASTCGI_PORT or PORT, where it is a number. */
function wantedPort(env: NodeJS.ProcessEnv): number | undefined {
  const text = env.FASTCGI_PORT || env.PORT
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** The port of a listen() on TCP; undefined for a path, a descriptor or a handle. */
function tcpPort(given: readonly unknown[]): number | undefined {
  const [first] = given
  if (first === undefined || first === null || typeof first === 'function') return 0
  if (typeof first !== 'object') return portNumber(first)
  const options = first as { port?: unknown; path?: unknown; fd?: unknown; _handle?: unknown }
  return options.port === undefined || options.port === null ? undefined : portNumber(options.port)
}

function portNumber(value: unknown): number | undefined {
  const isPort =
    typeof value === 'number' ||
    (typeof value === 'string' && value.trim() !== '' && Number(value) >= 0)
  return isPort ? Number(value) : undefined
}

/** The gateway stands where the app meant to, unless the environment names a port. */
function withPort(start: Start, port: number): Start {
  const { mode } = start
  if (mode.type !== 'gateway' || mode.port !== undefined || port === 0) return start
  return { ...start, mode: { ...mode, port } }
}

function take(
  app: http.Server,
  given: readonly unknown[],
  port: number,
  options: ServeOptions,
  start: Start,
): void {
  const callback = given.findLast((value) => typeof value === 'function')
  if (callback !== undefined) app.once('listening', callback as () => void)
  const stand = new StandIn(app, port)
  const signal = (given[0] as { signal?: AbortSignal } | null | undefined)?.signal
  signal?.addEventListener('abort', () => app.close())
  new Serving(app, options).start(start).then(
    (server) => stand.opened(server),
    (error: unknown) => stand.failed(error),
  )
}
