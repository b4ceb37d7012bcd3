// What one call of `serve` works with, whatever the mode: each room takes it from here.
import { entryScript } from './entry.ts'
import { createLog, type Log } from './log.ts'
import { Watching } from './observe/watching.ts'
import { resolveOptions } from './options.ts'
import type { AdapterOptions, ServeOptions } from './serve-options.ts'
import type { Server } from './server.ts'
import { processShutdown, type Shutdown, type Stoppable } from './shutdown.ts'

/** One call of `serve`. */
export interface Call {
  /** An app, or what loads one. */
  readonly app: unknown
  readonly options: ServeOptions & Partial<AdapterOptions<never>>
  readonly log: Log
  /** Undefined where the process is the caller's. */
  readonly shutdown: Shutdown | undefined
  /** Real path of the script. */
  readonly script: string | undefined
  readonly watching: Watching
}

/** The first act of `serve`: from here on signals end the process in order, and what happens is logged. */
export function beginCall(app: unknown, options: Call['options']): Call {
  const shutdown = options.signals === false ? undefined : processShutdown()
  shutdown?.listen()
  const log = createLog(options.log)
  if (shutdown) shutdown.log = (message) => log.write(message)
  const watching = new Watching(options, log, shutdown)
  return { app, options, log, shutdown, script: options.script ?? entryScript(), watching }
}

/** The process ends in order with a server, which finishes what it has. `own`: what is different for this one. */
export function addToShutdown(
  { shutdown, options }: Call,
  server: Server,
  own: Partial<Stoppable> = {},
): void {
  shutdown?.add({
    timeout: resolveOptions(options).drainTimeout,
    drain: (timeout) => server.drain(timeout),
    idle: () => server.statistics.running === 0,
    stop: options.onStop,
    ...own,
  })
}

/** Ends the process, in order where that is ours to do. */
export function endProcess({ shutdown }: Call, status: number, reason: string | undefined): void {
  if (shutdown) void shutdown.begin(reason, status)
  else process.exitCode = status
}
