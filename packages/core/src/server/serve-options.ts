// What `serve` can be told, beyond what a server can.
import type { AppLoader, RequestTaker } from './app.ts'
import type { LogTarget } from './log.ts'
import type { ObserveOptions } from './observe/options.ts'
import type { ServerOptions } from './options.ts'
import type { SocketFileOptions } from './unix-socket.ts'

/** What `serve` takes: a `(req, res)` listener, an `http.Server`, or a function without parameters that loads one. */
export type ServeApp = RequestTaker | AppLoader<RequestTaker>

/** Options of `serve`, beside those of `createServer` and of a socket's file. All are optional. */
export interface ServeOptions
  extends
    Omit<ServerOptions, 'handlerError' | 'warn' | 'intercept'>,
    SocketFileOptions,
    ObserveOptions {
  /**
   * Where to listen: a path (`/run/app.sock`), `@abstract`, `host:port`, `:port` (127.0.0.1) or `fd:3`. Default: found
   * from `--listen`, FASTCGI_LISTEN, systemd, or descriptor 0, in that order.
   */
  readonly listen?: string | number | undefined
  /** The development gateway when nothing else fits: true or its port; false: not even in a terminal. */
  readonly gateway?: boolean | number | undefined
  /**
   * Errors and notices: the path of a file, which is opened anew on SIGUSR2, or a function that gets lines. Default:
   * descriptor 2, which is the web server's error log under mod_fcgid and is lost under lighttpd.
   */
  readonly log?: LogTarget | undefined
  /** Sets NODE_ENV to `production` before the app is loaded if it is unset. Default true. Never under the gateway. */
  readonly env?: boolean | undefined
  /**
   * True: a development gateway in another process stands in front (`fastcgi dev`), so pages tell what went wrong and
   * NODE_ENV is left alone, as under the gateway in this process. Never behind a web server. Default false.
   */
  readonly development?: boolean | undefined
  /** Milliseconds a request waits for the app to load before it is answered 503. Default 60 s. */
  readonly loadTimeout?: number | undefined
  /**
   * A file that ends the process, gracefully, when it changes, and the script with it; a relative path begins at the
   * real script. Default `tmp/restart.txt` when a web server started the process (but h2o, which starts it once),
   * else none. False: neither file is watched. With `workers` this file alone is watched, by default, and a change
   * replaces the workers; with `shared` as well a change of the script ends all of them.
   */
  readonly restartFile?: string | false | undefined
  /** End the process, gracefully and with status 1, after a handler has thrown. Default false: it goes on. */
  readonly exitOnError?: boolean | undefined
  /**
   * False: the process is yours. No signal listeners, no watch on files, no `process.exit`; what would end the process
   * rejects the promise instead. Default true.
   */
  readonly signals?: boolean | undefined
  /** Runs after the last response when the process is to end: close databases here. Bounded by `drainTimeout`. */
  readonly onStop?: (() => unknown) | undefined
  /**
   * That many processes serve the socket, and this one, which never loads the app, starts, watches and replaces them:
   * SIGHUP and `restartFile` load new code without losing a request. `'auto'`: as many as there are processors.
   * Default: from `--workers` or FASTCGI_WORKERS, else 0: this process serves. Only on a socket of our own (`listen`,
   * systemd) and with `shared`; where a web server starts the processes it also decides how many.
   */
  readonly workers?: number | 'auto' | undefined
  /** Requests after which a worker is replaced, up to a fifth earlier so that not all are at once. Default 0: never. */
  readonly workerMaxRequests?: number | undefined
  /** Megabytes of resident memory above which a worker is replaced. Default 0: never. */
  readonly workerMaxMemory?: number | undefined
  /**
   * Milliseconds for which a worker may be deaf (an endless loop) before it is killed and replaced; 3000 at least.
   * Default 60 s. 0: never.
   */
  readonly workerTimeout?: number | undefined
  /**
   * One process runs the app for all that a web server starts (mod_fcgid, lighttpd, h2o, spawn-fcgi): those become
   * relays, which pass their connections on to it and load nothing of the app, so give a function that loads it. With
   * `workers` that process starts so many, which run the app in its place. Default: from `--shared` or
   * FASTCGI_SHARED=1, else false. FASTCGI_SHARED=0 counts before all: this process serves. Refused on a socket of our
   * own, where one process serves already; without meaning under CGI and the gateway.
   */
  readonly shared?: boolean | undefined
  /** Milliseconds without a relay after which the process that runs the app for all ends. Default 10 minutes. */
  readonly sharedIdleTimeout?: number | undefined
  /** The arguments in which `--listen`, `--workers`, `--gateway` and `--help` are looked for. Default `process.argv.slice(2)`. */
  readonly arguments?: readonly string[] | undefined
}

/** Options with which an adapter teaches `serve` another kind of app. */
export interface AdapterOptions<T> extends ServeOptions {
  /** Makes a listener or server of an app, once it is loaded; requests wait for it. What it throws is a failed load. */
  readonly adapt: (app: T) => RequestTaker | PromiseLike<RequestTaker>
}

/** Long enough for a big app on a slow shared host; web servers give up after 40 s (mod_fcgid) to 60 s (nginx). */
export const defaultLoadTimeout = 60_000

/** Twice mod_fcgid's FcgidIdleTimeout: sessions outlive a quiet quarter of an hour. */
export const defaultSharedIdleTimeout = 600_000

/** A handler may compute for long, but the web server has given its client up by then. */
export const defaultWorkerTimeout = 60_000
