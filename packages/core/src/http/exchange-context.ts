// What an exchange is given: the way out for its bytes, and what is the same for all requests of a server.
import type http from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Exchange } from './exchange.ts'

/** Where the bytes of an exchange go; `server/transport` implements it. */
export interface Outlet {
  /** High-water marks of the real connection, in bytes: what node:http would report. */
  readonly writableHighWaterMark: number
  readonly readableHighWaterMark: number
  /** The exchange has content to send, or is complete. */
  schedule(exchange: Exchange): void
  /** What the exchange has scheduled goes now. */
  release(exchange: Exchange): void
  /** Whether the exchange can take more of its body has changed. */
  bodyFlow(exchange: Exchange): void
  /** The app has given the response up: it cannot be completed. */
  failed(exchange: Exchange, error: Error | undefined): void
  /** Text for the web server's error log; `done` is called when it is out, or could not go. */
  stderr(exchange: Exchange, text: Uint8Array, done: () => void): void
}

/** What does not change from request to request. */
export interface ExchangeContext {
  /** Requests are emitted on it. */
  readonly server: Server
  readonly IncomingMessage: typeof http.IncomingMessage
  readonly ServerResponse: typeof http.ServerResponse
  /** Takes a request when its role is not Responder. */
  readonly handlers: {
    readonly authorizer:
      | ((request: IncomingMessage, response: ServerResponse) => unknown)
      | undefined
    readonly filter: ((request: IncomingMessage, response: ServerResponse) => unknown) | undefined
  }
  readonly trustRemoteUser: boolean
  /** Sees a request of the Responder role before it is emitted; true: it answers. */
  readonly intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  /** What a handler threw; without it the error is an uncaught exception, as under node:http. */
  readonly handlerError:
    | ((error: unknown, request: IncomingMessage, response: ServerResponse) => void)
    | undefined
}
