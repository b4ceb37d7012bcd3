import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/** What a proxy with a prefix and an app that knows of it do on node:http: the listener sees the path below the mount. */
export function mounted(
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
  mount: string,
): RequestListener {
  return (request: IncomingMessage & { originalUrl?: string }, response) => {
    const url = request.url ?? ''
    request.originalUrl = url
    if (url.startsWith(mount)) request.url = url.slice(mount.length)
    listener(request, response)
  }
}
