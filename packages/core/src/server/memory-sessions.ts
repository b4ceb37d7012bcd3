// Sessions in the memory of one process, where several processes serve the app: a login is known to the process that
// answered it, and to no other. Said once in the log, because it shows as users who are logged out at random.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
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
 * Looks at the first responses for the store of express-session, `req.sessionStore`, of @fastify/session, which is put in
 * the same place, and of koa-session, which the adapter puts there. Called before the app loads.
 *
 * @param found called once, when it is there
 * @returns what to call with each request, before the app; after a while it does nothing
 */
export function watchSessions(
  found: () => void,
): (request: IncomingMessage, response: ServerResponse) => void {
  let left = looks
  subscribe(fastifyMade, showFastifyStore)
  return (request, response) => {
    if (left === 0) return
    left--
    if (left === 0) unsubscribe(fastifyMade, showFastifyStore)
    response.once('finish', () => {
      if (seen || !isMemoryStore((request as { sessionStore?: unknown }).sessionStore)) return
      seen = true
      left = 0
      unsubscribe(fastifyMade, showFastifyStore)
      found()
    })
  }
}

/** Fastify, 4 and 5, tells here of each app as it is made. */
const fastifyMade = 'fastify.initialization'

interface FastifyApp {
  addHook(
    name: 'onRequest',
    hook: (
      request: { raw: object; sessionStore?: unknown },
      reply: unknown,
      done: () => void,
    ) => void,
  ): unknown
}

/** Later it may be too late: an app that is ready before anybody else sees it takes no hook. */
function showFastifyStore(message: unknown): void {
  let left = looks
  const { fastify } = message as { fastify: FastifyApp }
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (left > 0) {
      left--
      const { sessionStore } = request
      if (sessionStore !== undefined) Object.assign(request.raw, { sessionStore })
    }
    done()
  })
}

/**
 * express-session's default is a MemoryStore, and so is that of the package memorystore, which bounds its size and is no
 * less one process's own; @fastify/session's is a Store around a Map. What else is written by hand for want of a database
 * is a Map, or an object that has Maps and no other object: no client of a database.
 */
function isMemoryStore(store: unknown): boolean {
  if (typeof store !== 'object' || store === null) return false
  const { name } = store.constructor ?? {}
  if (
    name === 'MemoryStore' ||
    (name === 'Store' && (store as { store?: unknown }).store instanceof Map)
  )
    return true
  const parts = Object.values(store).filter((part) => typeof part === 'object' && part !== null)
  return store instanceof Map || (parts.length > 0 && parts.every((part) => part instanceof Map))
}
