/**
 * The development gateway: HTTP in, FastCGI out, so that what is tried is what is deployed. As faithful as tests and
 * development need; not a production server, and it sees to it that it is not taken for one.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { checkTarget, DEFAULT_TIMEOUT, type Target, wholeNumber } from '../client/options.ts'
import { checkMount } from '../client/params.ts'
import { Pool } from '../client/pool.ts'
import { GatewayError } from './errors.ts'
import { Relay } from './relay.ts'
import { rulesOf, type Site } from './request-context.ts'
import { WEB_SERVERS, type WebServer } from './web-servers.ts'

/** Options of {@link startGateway}. */
export interface GatewayOptions {
  /** Where the application is: an address, or a function that makes a connection, called once a connection. */
  connect: Target | NonNullable<Target['connect']>
  /** Port on 127.0.0.1; 0: any free one. Default: $PORT, else 8080. */
  port?: number
  /** Path the application is mounted at. Default: the root. */
  mount?: string
  /** Sends the variables as this server does. Default: as an nginx that is configured well. */
  as?: WebServer
  /** The script, for SCRIPT_FILENAME. Default: `app.fcgi` in `documentRoot`. */
  script?: string
  /** DOCUMENT_ROOT. Default: the working directory. */
  documentRoot?: string
  /** Longest silence of the application in milliseconds, then 504. Default 60000. 0: none. */
  timeout?: number
  /** Takes each line of the log. Default: standard error. `false`: no log. */
  log?: ((line: string) => void) | false
  /** Runs although NODE_ENV is `production`. Default false. */
  allowProduction?: boolean
  /** Where PORT and NODE_ENV are looked up. Default: process.env. */
  env?: Readonly<Record<string, string | undefined>>
}

/** A running gateway. */
export interface Gateway {
  /** Where the application can be seen: `http://127.0.0.1:8080/app/`. */
  readonly url: string
  readonly port: number
  /** The HTTP server, for tests. */
  readonly server: Server
  /**
   * Accepts nothing more, and resolves when the requests that run have ended; after `timeout` milliseconds (default
   * 1000) they are cut.
   */
  close(timeout?: number): Promise<void>
  /** `await using`: as {@link Gateway.close}. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Most connections to the application at once; more requests wait. Event streams each hold one. */
const MAX_CONNECTIONS = 512

/**
 * Starts a gateway on 127.0.0.1.
 *
 * @throws {GatewayError} FCGI_GATEWAY_PRODUCTION, FCGI_GATEWAY_PORT; the message says what to do
 * @throws {TypeError | RangeError} for options that make no gateway
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const env = options.env ?? process.env
  if (env['NODE_ENV'] === 'production' && options.allowProduction !== true) {
    throw new GatewayError(
      'FCGI_GATEWAY_PRODUCTION',
      'The development gateway does not run with NODE_ENV=production. Behind a web server, listen on a socket ' +
        '(FASTCGI_LISTEN or --listen); to try production mode here, ask for it with allowProduction.',
    )
  }
  const site = readSite(options)
  const port = wholeNumber('port', options.port ?? portOf(env['PORT']), 8080)
  if (port > 65_535) throw new RangeError(`port must be 0 to 65535, not ${port}`)
  const timeout = wholeNumber('timeout', options.timeout, DEFAULT_TIMEOUT)
  const { connect } = options
  const target = checkTarget(typeof connect === 'function' ? { connect } : connect)
  const pool = new Pool({
    ...target,
    maxConnections: MAX_CONNECTIONS,
    maxIdle: rulesOf(site).keepsConnections ? MAX_CONNECTIONS : 0,
    timeout,
  })
  const log = options.log ?? ((line: string) => void process.stderr.write(`${line}\n`))
  const relay = new Relay(pool, site, log === false ? () => {} : log)
  const server = createServer(relay.handle)
  server.on('checkContinue', relay.handleExpecting)
  try {
    await listen(server, port)
  } catch (error) {
    await pool.destroy()
    throw error
  }
  const bound = (server.address() as AddressInfo).port
  const close = async (grace = 1_000): Promise<void> => {
    await closeServer(server, grace)
    await pool.destroy()
  }
  return {
    url: `http://127.0.0.1:${bound}${site.mount}/`,
    port: bound,
    server,
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

function readSite(options: GatewayOptions): Site {
  const { as } = options
  if (as !== undefined && !WEB_SERVERS.includes(as)) {
    throw new TypeError(`as must be one of ${WEB_SERVERS.join(', ')}, not ${as as string}`)
  }
  const documentRoot = resolve(options.documentRoot ?? '.')
  return {
    as,
    mount: checkMount(options.mount ?? ''),
    documentRoot,
    script: resolve(documentRoot, options.script ?? 'app.fcgi'),
  }
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  if (!/^\d+$/.test(text))
    throw new RangeError(`PORT must be a number, not ${JSON.stringify(text)}`)
  return Number(text)
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        const message = `Port ${port} on 127.0.0.1 is taken by another process. Choose another: PORT=${port + 1}.`
        return fail(new GatewayError('FCGI_GATEWAY_PORT', message, error))
      }
      const message = `Cannot listen on port ${port} of 127.0.0.1 (${error.code ?? error.message}). Choose another by PORT.`
      fail(new GatewayError('FCGI_GATEWAY_PORT', message, error))
    })
    server.listen({ host: '127.0.0.1', port }, done)
  })
}

async function closeServer(server: Server, timeout: number): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), timeout)
  await new Promise<void>((done) => {
    server.close(() => done())
    server.closeIdleConnections()
  })
  clearTimeout(timer)
}
