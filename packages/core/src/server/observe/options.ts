// What `serve` can be told about watching: every option off by default, and checked here.
import type { LineTarget } from './lines.ts'
import type { AccessLogFormat } from './access-log.ts'

/** Where a log goes and what it looks like. */
export interface AccessLogOptions {
  /**
   * `common` and `combined` as Apache has them, `json`, or a format such as php-fpm's access.format:
   * `'%R - %u %t "%m %r%Q%q" %s'`. Default `combined`.
   */
  readonly format?: AccessLogFormat | undefined
  /**
   * The path of a file, opened anew on SIGUSR2, `'stderr'`, `'web-server'` (its error log, by FCGI_STDERR), or a function
   * that gets lines. Default `'stderr'`.
   */
  readonly to?: LineTarget | undefined
}

/** What counts as slow. */
export interface SlowLogOptions {
  /** Milliseconds from the request's arrival to the end of its response, or until a look finds that it still runs. */
  readonly threshold: number
  /** As for the access log. Default: the log of errors. */
  readonly to?: LineTarget | undefined
}

/** The socket for the status. */
export interface StatusOptions {
  /** A path (0600 unless `mode` says otherwise), or `host:port` on this machine. Speaks FastCGI. */
  readonly listen: string | number
  readonly mode?: number | string | undefined
  readonly owner?: number | string | undefined
  readonly group?: number | string | undefined
}

/** The part of `ServeOptions` that is about watching. */
export interface ObserveOptions {
  /**
   * A socket of its own that tells how the app is, as JSON, as text for Prometheus (`/metrics`) or as a page: an
   * address, or an address with mode, owner and group. `fastcgi status ADDRESS` shows it. Default none.
   */
  readonly status?: string | StatusOptions | undefined
  /**
   * The same in place of the app's answer, for requests whose param FASTCGI_STATUS has this value. Only the web
   * server's configuration can set such a param, no client's header can. 16 characters at least. Default none.
   */
  readonly statusSecret?: string | undefined
  /** A path below the mount that is answered `pong`, once the app is loaded: for health checks. Default none. */
  readonly ping?: string | undefined
  /** A line for each request the app is given. True: `combined`, to descriptor 2. Default false. */
  readonly accessLog?: boolean | AccessLogFormat | AccessLogOptions | undefined
  /**
   * A line for each request that takes longer than so many milliseconds; of one that still runs then, within a second, and
   * another at its end. Default none.
   */
  readonly slowLog?: number | SlowLogOptions | undefined
  /**
   * Each request gets an id, from Apache's UNIQUE_ID or the param REQUEST_ID where the web server passes one, and what
   * is written to the console while it is served begins with it; `currentRequestId()` tells it. Default false.
   */
  readonly requestIds?: boolean | undefined
}

/** The same with defaults filled in. */
export interface ResolvedObserveOptions {
  readonly status: StatusOptions | undefined
  readonly statusSecret: string | undefined
  readonly ping: string | undefined
  readonly accessLog: { readonly format: AccessLogFormat; readonly to: LineTarget } | undefined
  readonly slowLog: { readonly threshold: number; readonly to: LineTarget | undefined } | undefined
  readonly requestIds: boolean
}

const formats: readonly string[] = ['common', 'combined', 'json']
const leastSecret = 16

/** Whether anything is to be watched: nothing of it is loaded otherwise. */
export function isObserved(options: ObserveOptions): boolean {
  const { status, statusSecret, ping, accessLog, slowLog, requestIds } = options
  return (
    status !== undefined ||
    statusSecret !== undefined ||
    ping !== undefined ||
    Boolean(accessLog) ||
    slowLog !== undefined ||
    requestIds === true
  )
}

/**
 * Fills in defaults and checks.
 *
 * @throws TypeError or RangeError that names the option
 */
export function resolveObserveOptions(options: ObserveOptions): ResolvedObserveOptions {
  const { status, statusSecret, ping, slowLog } = options
  if (statusSecret !== undefined && statusSecret.length < leastSecret) {
    throw new RangeError(`option statusSecret has at least ${leastSecret} characters`)
  }
  if (ping !== undefined && !/^\/[^?#\s]*$/.test(ping)) {
    throw new TypeError(`option ping is a path such as '/ping', not ${JSON.stringify(ping)}`)
  }
  const slow = typeof slowLog === 'number' ? { threshold: slowLog } : slowLog
  if (slow && !(Number.isFinite(slow.threshold) && slow.threshold > 0)) {
    throw new RangeError(`option slowLog is milliseconds above 0, not ${String(slow.threshold)}`)
  }
  return {
    status:
      typeof status === 'object' ? status : status === undefined ? undefined : { listen: status },
    statusSecret,
    ping,
    accessLog: accessLogOf(options.accessLog),
    slowLog: slow && { threshold: slow.threshold, to: slow.to },
    requestIds: options.requestIds === true,
  }
}

function accessLogOf(given: ObserveOptions['accessLog']): ResolvedObserveOptions['accessLog'] {
  if (!given) return undefined
  const options: AccessLogOptions =
    given === true ? {} : typeof given === 'string' ? { format: given } : given
  const { format = 'combined', to = 'stderr' } = options
  if (!formats.includes(format) && !format.includes('%')) {
    throw new TypeError(
      `option accessLog is one of ${formats.join(', ')}, or a format with %, not ${format}`,
    )
  }
  return { format, to }
}
