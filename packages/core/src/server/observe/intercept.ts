// Stands in front of a server's request listeners: by an own `emit`, as monitoring tools do it, so that a server that
// is not observed is left as it is.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** Takes a request; `next` hands it to the listeners. */
export type Interceptor = (
  request: IncomingMessage,
  response: ServerResponse,
  next: () => boolean,
) => boolean

const requestEvents: ReadonlySet<string | symbol> = new Set([
  'request',
  'checkContinue',
  'checkExpectation',
])

/** Every request that is emitted on the server from here on passes the interceptor. */
export function interceptRequests(server: Server, interceptor: Interceptor): void {
  const { emit } = server
  server.emit = function (this: Server, event: string | symbol, ...rest: unknown[]): boolean {
    const next = (): boolean => Reflect.apply(emit, this, [event, ...rest]) as boolean
    if (!requestEvents.has(event)) return next()
    return interceptor(rest[0] as IncomingMessage, rest[1] as ServerResponse, next)
  } as Server['emit']
}
