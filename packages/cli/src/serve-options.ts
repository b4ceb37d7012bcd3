/** The options of `serve` on the command line and in package.json: one table for both, and for `--help`. */
import type { ServeOptions } from '@fastcgi/core'
import { Option, type Command } from 'commander'
import { ExitCode, Failure } from './exit.ts'
import { parseQuantity } from './target.ts'

type Kind =
  | 'text'
  | 'count'
  | 'time'
  | 'size'
  | 'flag'
  | 'no'
  | 'list'
  | 'workers'
  | 'port'
  | 'octal'

interface Row {
  /** Name in the options of `serve`; the command line has it with dashes. */
  readonly name: string
  readonly kind: Kind
  readonly value?: string
  readonly help: string
  readonly choices?: readonly string[]
}

const rows: readonly Row[] = [
  {
    name: 'listen',
    kind: 'text',
    value: 'ADDRESS',
    help: '/run/app.sock, @name, host:port, :port or fd:3',
  },
  { name: 'mode', kind: 'octal', value: 'OCTAL', help: 'of the socket’s file; default 660' },
  { name: 'owner', kind: 'text', value: 'USER', help: 'of the socket’s file' },
  { name: 'group', kind: 'text', value: 'GROUP', help: 'of the socket’s file: the web server’s' },
  {
    name: 'gateway',
    kind: 'port',
    value: '[PORT]',
    help: 'development: HTTP on 127.0.0.1 (see fastcgi dev)',
  },
  { name: 'log', kind: 'text', value: 'FILE', help: 'log there; SIGUSR2 opens it anew' },
  { name: 'env', kind: 'no', help: 'leave NODE_ENV alone; default: production where unset' },
  { name: 'workers', kind: 'workers', value: 'N', help: 'so many processes, or auto' },
  {
    name: 'workerMaxRequests',
    kind: 'count',
    value: 'N',
    help: 'replace a worker after so many requests',
  },
  {
    name: 'workerMaxMemory',
    kind: 'count',
    value: 'MB',
    help: 'replace a worker above so many megabytes',
  },
  { name: 'workerTimeout', kind: 'time', value: 'TIME', help: 'kill a worker that hangs so long' },
  {
    name: 'status',
    kind: 'text',
    value: 'ADDRESS',
    help: 'a socket of its own for fastcgi status',
  },
  {
    name: 'statusSecret',
    kind: 'text',
    value: 'SECRET',
    help: 'status also for FASTCGI_STATUS of the web server',
  },
  { name: 'ping', kind: 'text', value: 'PATH', help: 'answered pong, for health checks' },
  {
    name: 'accessLog',
    kind: 'text',
    value: '[FORMAT]',
    help: 'a line a request: combined, common, json',
  },
  {
    name: 'slowLog',
    kind: 'time',
    value: 'TIME',
    help: 'a line for each request that takes longer, while it runs and at its end',
  },
  { name: 'requestIds', kind: 'flag', help: 'console lines begin with the id of their request' },
  {
    name: 'shared',
    kind: 'flag',
    help: 'where a web server starts many processes: one runs the app for all',
  },
  {
    name: 'sharedIdleTimeout',
    kind: 'time',
    value: 'TIME',
    help: 'how long that one stays when idle',
  },
  {
    name: 'mount',
    kind: 'text',
    value: 'PATH',
    help: 'where the app is mounted, if the web server does not tell',
  },
  {
    name: 'script',
    kind: 'text',
    value: 'FILE',
    help: 'the file that the web server’s SCRIPT_FILENAME names; default: ENTRY',
  },
  {
    name: 'target',
    kind: 'text',
    value: 'FORM',
    choices: ['raw', 'normalized'],
    help: 'req.url as sent, or as the web server judged it',
  },
  {
    name: 'trustedProxies',
    kind: 'list',
    value: 'LIST',
    help: 'addresses whose X-Forwarded-* are believed',
  },
  {
    name: 'trustRemoteUser',
    kind: 'flag',
    help: 'believe REMOTE_USER also from nginx and HAProxy',
  },
  { name: 'allow', kind: 'list', value: 'LIST', help: 'addresses that may connect by TCP' },
  { name: 'multiplex', kind: 'no', help: 'one request at a time on a connection' },
  {
    name: 'stderr',
    kind: 'text',
    value: 'WHAT',
    choices: ['send', 'refuse'],
    help: 'what is written to the error stream',
  },
  { name: 'exitOnError', kind: 'flag', help: 'end, gracefully, after a handler has thrown' },
  {
    name: 'restartFile',
    kind: 'text',
    value: 'FILE',
    help: 'restart when it changes; default tmp/restart.txt',
  },
  { name: 'restartFile', kind: 'no', help: 'watch no file' },
  {
    name: 'loadTimeout',
    kind: 'time',
    value: 'TIME',
    help: 'how long a request waits for the app to load',
  },
  {
    name: 'drainTimeout',
    kind: 'time',
    value: 'TIME',
    help: 'how long running requests have on stop',
  },
  { name: 'maxConnections', kind: 'count', value: 'N', help: 'connections at once' },
  { name: 'maxRequests', kind: 'count', value: 'N', help: 'requests at once' },
  {
    name: 'maxRequestsPerConnection',
    kind: 'count',
    value: 'N',
    help: 'requests at once on a connection',
  },
  {
    name: 'maxPendingPerConnection',
    kind: 'count',
    value: 'N',
    help: 'requests at once whose variables are arriving',
  },
  {
    name: 'maxHeldParams',
    kind: 'size',
    value: 'SIZE',
    help: 'of variables that are arriving, on all connections',
  },
  { name: 'maxParamsBytes', kind: 'size', value: 'SIZE', help: 'of a request’s variables' },
  { name: 'maxParams', kind: 'count', value: 'N', help: 'variables of a request' },
  { name: 'maxParamNameLength', kind: 'size', value: 'SIZE', help: 'of a variable’s name' },
  { name: 'maxParamValueLength', kind: 'size', value: 'SIZE', help: 'of a variable’s value' },
  { name: 'maxHeaderSize', kind: 'size', value: 'SIZE', help: 'of a request’s headers together' },
  { name: 'bodyBudget', kind: 'size', value: 'SIZE', help: 'of a body that nobody reads' },
  {
    name: 'maxUnread',
    kind: 'size',
    value: 'SIZE',
    help: 'of answers that the web server does not read',
  },
  {
    name: 'paramsTimeout',
    kind: 'time',
    value: 'TIME',
    help: 'for a request’s variables to arrive',
  },
  {
    name: 'stalledReaderTimeout',
    kind: 'time',
    value: 'TIME',
    help: 'for a body that holds others up',
  },
  { name: 'idleReaderTimeout', kind: 'time', value: 'TIME', help: 'for a body that nobody reads' },
  {
    name: 'stalledPeerTimeout',
    kind: 'time',
    value: 'TIME',
    help: 'for a web server that takes nothing',
  },
]

/** Adds the options to a command; times are `30s`, sizes `256k`. */
export function addServeOptions(command: Command): void {
  for (const row of rows) {
    const flag = row.name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    const value =
      row.value === undefined ? '' : row.value.startsWith('[') ? ` ${row.value}` : ` <${row.value}>`
    const option = new Option(`--${row.kind === 'no' ? 'no-' : ''}${flag}${value}`, row.help)
    // `--no-x` would make true the default of x, which is the core's to choose.
    if (row.kind === 'no') option.default(undefined)
    if (row.choices !== undefined) option.choices([...row.choices])
    command.addOption(option)
  }
  command.addOption(new Option('--development').hideHelp())
}

/** Takes the options out of a "fastcgi" key of package.json; `max-requests` and `maxRequests` are both understood. */
export function settingsFrom(
  key: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> {
  const settings: Record<string, unknown> = {}
  for (const [written, value] of Object.entries(key ?? {})) {
    const name = written.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (name === 'entry') continue
    if (!rows.some((row) => row.name === name)) {
      throw new Failure(
        ExitCode.Usage,
        `"fastcgi" in package.json has an option that there is not: ${written}`,
      )
    }
    settings[name] = value
  }
  return settings
}

/** Makes options for `serve` of what was given as text, or in package.json as what it is. */
export function readServeOptions(given: Readonly<Record<string, unknown>>): ServeOptions {
  const options: Record<string, unknown> = {}
  for (const { name, kind } of rows) {
    const value = given[name]
    if (value === undefined || (kind === 'no' && value === true)) continue
    if (typeof value === 'string') options[name] = fromText(kind, name, value)
    else options[name] = value
  }
  if (given['development'] === true) options['development'] = true
  return options
}

function fromText(kind: Kind, name: string, value: string): unknown {
  switch (kind) {
    case 'time':
    case 'size':
      return parseQuantity(value, kind)
    case 'count':
    case 'port':
      return wholeNumber(name, value)
    case 'workers':
      return value === 'auto' ? value : wholeNumber(name, value)
    case 'list':
      return value.split(/[\s,]+/).filter(Boolean)
    case 'octal':
      if (!/^0?[0-7]{3}$/.test(value)) {
        throw new Failure(
          ExitCode.Usage,
          `--mode is three octal digits such as 660, not ${JSON.stringify(value)}`,
        )
      }
      return Number.parseInt(value, 8)
    default:
      return value
  }
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d+$/.test(value)) {
    throw new Failure(ExitCode.Usage, `${name} is a whole number, not ${JSON.stringify(value)}`)
  }
  return Number(value)
}
