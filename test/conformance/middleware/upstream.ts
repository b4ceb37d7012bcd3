/** A server behind a proxying middleware: says what reached it. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Upstream {
  readonly url: string
  close(): Promise<void>
}

export async function startUpstream(): Promise<Upstream> {
  const server = http.createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts)
      response.setHeader('Content-Type', 'application/json')
      response.setHeader('X-Upstream', 'yes')
      response.setHeader('Set-Cookie', ['up=1; Path=/', 'stream=2'])
      if (request.url?.includes('large')) response.end(JSON.stringify('x'.repeat(300_000)))
      else {
        response.end(
          JSON.stringify({
            method: request.method,
            url: request.url,
            type: request.headers['content-type'],
            own: request.headers['x-own'],
            length: body.length,
            start: body.toString('latin1', 0, 20),
          }),
        )
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
