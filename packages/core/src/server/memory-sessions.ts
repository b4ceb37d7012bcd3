// Sessions in the memory of one process, where several processes serve the app: a login is known to the process that
// answered it, and to no other. Said once in the log, because it shows as users who are logged out at random.
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Responses looked at; an app that uses sessions at all uses them soon. */
const looks = 200

let seen = false

/** Whether sessions in memory were seen in this process. */
export function memorySessionsSeen(): boolean {
  return seen
}

/**
 * What the log says.
 *
 * @param workers whether the several processes are workers
 */
export function memorySessionsWarning(workers: boolean): string {
  const one = workers
    ? 'leave workers out: one process serves then'
    : 'let one process run the app for all (option shared)'
  return `warning: sessions are kept in memory, and several processes serve this app: who logs in at one is unknown to the others, and logged out when it ends. Keep sessions in a signed cookie (cookie-session, koa-session, @fastify/secure-session), in a store that all processes share, or ${one} [FCGI_MEMORY_SESSIONS]`
}

/**
 * Looks at the first responses for the store of express-session, `req.sessionStore`, and of @fastify/session, which the
 * adapter puts in the same place.
 *
 * @param found called once, when it is there
 * @returns what to call with each request, before the app; after a while it does nothing
 */
export function watchSessions(
  found: () => void,
): (request: IncomingMessage, response: ServerResponse) => void {
  let left = looks
  return (request, response) => {
    if (left === 0) return
    left--
    response.once('finish', () => {
      if (seen || !isMemoryStore((request as { sessionStore?: unknown }).sessionStore)) return
      seen = true
      left = 0
      found()
    })
  }
}

/** express-session's default is a MemoryStore; @fastify/session's a Store around a Map. */
function isMemoryStore(store: unknown): boolean {
  if (typeof store !== 'object' || store === null) return false
  const { name } = store.constructor
  return (
    name === 'MemoryStore' ||
    (name === 'Store' && (store as { store?: unknown }).store instanceof Map)
  )
}
