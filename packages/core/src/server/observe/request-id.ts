// Request ids: one for each request, in the async context of all that runs for it, and in front of what it writes to
// the console.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage } from 'node:http'
import { format } from 'node:util'

let storage: AsyncLocalStorage<string> | undefined

/** The id of the request that the calling code runs for; undefined outside of requests and without `requestIds`. */
export function currentRequestId(): string | undefined {
  return storage?.getStore()
}

/** Runs what belongs to a request. */
export function runWithRequestId<T>(id: string, work: () => T): T {
  storage ??= new AsyncLocalStorage()
  return storage.run(id, work)
}

/** What an id may look like: it goes into logs as it is. */
const fit = /^[\w.@-]{1,64}$/

let count = 0

/**
 * The id of a request: the web server's own (UNIQUE_ID of Apache's mod_unique_id, REQUEST_ID as nginx's `$request_id`
 * is commonly passed), else one of our own. Never the client's: it would choose what it is found under.
 */
export function makeRequestId({ fastcgi: { params } }: IncomingMessage): string {
  for (const id of [params.UNIQUE_ID, params.REQUEST_ID]) {
    if (id !== undefined && fit.test(id)) return id
  }
  count += 1
  return `${process.pid.toString(36)}-${count.toString(36)}`
}

let marked = false

/** Puts the id in front of each line that is written to the console while a request is served. */
export function markConsole(): void {
  if (marked) return
  marked = true
  // `trace` writes by `error`.
  for (const method of ['debug', 'error', 'info', 'log', 'warn'] as const) {
    const write = console[method].bind(console)
    console[method] = (...values: unknown[]): void => {
      const id = currentRequestId()
      // Every line: a value of the client's with a line break in it would else begin one that looks like another's.
      if (id === undefined) write(...values)
      else write('%s', `[${id}] ${format(...values).replaceAll('\n', `\n[${id}] `)}`)
    }
  }
}
