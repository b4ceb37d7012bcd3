// A request to the app: by its role, and for a Responder as the event that node:http would choose.
import { internals } from './node-private.ts'
import type { ExchangeContext } from './exchange-context.ts'
import type { Exchange } from './exchange.ts'

const responderRole = 1
/** Its requests have a second stream, FCGI_DATA. */
export const filterRole = 3
const continueExpectation = /(?:^|\W)100-continue(?:$|\W)/i

/** Hands a request to whoever takes it; to be called in the async context of the request. */
export function emitRequest(exchange: Exchange, context: ExchangeContext): void {
  const { request, response, role } = exchange
  const { server } = context
  try {
    if (role !== responderRole) {
      const handler = role === filterRole ? context.handlers.filter : context.handlers.authorizer
      const result = handler?.(request, response)
      const { handlerError } = context
      if (handlerError && result instanceof Promise) {
        result.catch((error: unknown) => handlerError(error, request, response))
      }
    } else if (context.intercept !== undefined && context.intercept(request, response)) {
      // Answered.
    } else if (request.headers.expect === undefined) {
      server.emit('request', request, response)
    } else if (continueExpectation.test(request.headers.expect)) {
      internals(response)._expect_continue = true
      if (server.listenerCount('checkContinue') > 0) server.emit('checkContinue', request, response)
      else server.emit('request', request, response)
    } else if (server.listenerCount('checkExpectation') > 0) {
      server.emit('checkExpectation', request, response)
    } else {
      response.writeHead(417)
      response.end()
    }
  } catch (error) {
    if (context.handlerError) {
      context.handlerError(error, request, response)
    } else {
      // As under node:http an uncaught exception; thrown from here it would cost the other requests of this read.
      process.nextTick(() => {
        throw error
      })
    }
  }
}
