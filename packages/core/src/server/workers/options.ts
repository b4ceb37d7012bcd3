// How many workers, and when they are replaced.
import type { Mode } from '../modes.ts'
import { defaultWorkerTimeout, type ServeOptions } from '../serve-options.ts'
import { valueOf } from '../socket-access.ts'

const variable = 'FASTCGI_WORKERS'
const maxWorkers = 1024
/** A sign of life comes once a second; on a busy machine it may be late. */
const leastTimeout = 3000

/**
 * The number of workers that are wanted, from the option, `--workers` or FASTCGI_WORKERS, in that order; 0 for none. The
 * variable goes, so that no child process takes it for its own. Not to be called under CGI, where the arguments are the
 * client's.
 *
 * @throws RangeError when it is no number
 */
export function workerCount(
  { workers, arguments: given }: ServeOptions,
  env: Record<string, string | undefined> = process.env,
): number {
  const fromEnvironment = env[variable] || undefined
  delete env[variable]
  const settings: [string, string | number | undefined][] = [
    ['option workers', workers],
    ['--workers', valueOf('--workers', given ?? process.argv.slice(2))],
    [variable, fromEnvironment],
  ]
  for (const [name, value] of settings) {
    if (value === undefined) continue
    if (value === 'auto') return process.getBuiltinModule('node:os').availableParallelism()
    const number = value === '' ? Number.NaN : Number(value)
    if (Number.isInteger(number) && number >= 0 && number <= maxWorkers) return number
    throw new RangeError(
      `${name} is a whole number from 0 to ${maxWorkers} or 'auto', not ${JSON.stringify(value)}`,
    )
  }
  return 0
}

/**
 * How many workers a process is to have in its mode: none where the web server decides about processes, which is said.
 *
 * @throws RangeError when the number is none
 */
export function workersIn(
  { type }: Mode,
  options: ServeOptions,
  log: (message: string) => void,
): number {
  // A line for each request of a CGI script would bury the log.
  if (type === 'cgi' || type === 'worker') return 0
  const count = workerCount(options)
  if (count === 0 || type === 'listen' || type === 'systemd' || type === 'host') return count
  log(
    type === 'spawned'
      ? 'workers are ignored: whoever started this process with a socket on descriptor 0 decides how many there are (--listen fd:0 where it starts one only, --shared where it starts many)'
      : 'workers are ignored by the development gateway',
  )
  return 0
}

/** When a worker has had enough; 0 for never. */
export interface RecycleLimits {
  readonly requests: number
  /** Megabytes of resident memory. */
  readonly memory: number
}

/** Workers that start together must not end together: each takes limits of its own, up to so much below. */
const jitter = 0.2

/** The limits of one worker. */
export function jittered({ requests, memory }: RecycleLimits): RecycleLimits {
  const part = 1 - Math.random() * jitter
  return { requests: Math.ceil(requests * part), memory: Math.ceil(memory * part) }
}

/** When workers are replaced; 0 for never. */
export interface WorkerLimits extends RecycleLimits {
  /** Milliseconds. */
  readonly timeout: number
}

/**
 * Checks the limits.
 *
 * @throws RangeError that names the option
 */
export function workerLimits(options: ServeOptions): WorkerLimits {
  const timeout = limit('workerTimeout', options.workerTimeout ?? defaultWorkerTimeout)
  if (timeout > 0 && timeout < leastTimeout) {
    throw new RangeError(`option workerTimeout is 0 or at least ${leastTimeout}, not ${timeout}`)
  }
  return {
    requests: limit('workerMaxRequests', options.workerMaxRequests ?? 0),
    memory: limit('workerMaxMemory', options.workerMaxMemory ?? 0),
    timeout,
  }
}

function limit(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError(`option ${name} is a whole number from 0 on, not ${String(value)}`)
}
