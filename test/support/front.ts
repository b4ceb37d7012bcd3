/** A web server in front of a site with faults of a configuration: it collects answers, or refuses uploads. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Front {
  readonly url: string
  close(): Promise<void>
}

export interface FrontFaults {
  /** An answer is handed on when it is complete. */
  readonly buffers?: boolean
  /** Uploads above so many bytes are answered 413. */
  readonly maxUpload?: number
  /** Headers that do not get through. */
  readonly drops?: readonly string[]
}

/** @param target `http://127.0.0.1:PORT` of the site behind it */
export async function startFront(target: string, faults: FrontFaults): Promise<Front> {
  const server = http.createServer((request, response) => {
    const length = Number(request.headers['content-length'] ?? 0)
    if (faults.maxUpload !== undefined && length > faults.maxUpload) {
      request.resume()
      request.once('end', () => response.writeHead(413).end('Request Entity Too Large'))
      return
    }
    const headers = { ...request.headers }
    for (const name of faults.drops ?? []) delete headers[name]
    const onward = http.request(new URL(request.url ?? '/', target), {
      method: request.method,
      headers,
      agent: false,
    })
    onward.once('response', (answer) => {
      if (faults.buffers !== true) {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        return
      }
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.once('end', () => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        response.end(Buffer.concat(chunks))
      })
    })
    onward.once('error', () => response.destroy())
    request.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
