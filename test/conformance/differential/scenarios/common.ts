import type { IncomingMessage, ServerResponse } from 'node:http'

import { checksum } from '../run.ts'
import type { Trace } from '../trace.ts'

/** The whole body. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/** Reads the body by events and says what the request was. */
export function echo(request: IncomingMessage, response: ServerResponse, trace: Trace): void {
  describeRequest(request, trace)
  const parts: Buffer[] = []
  request.on('data', (chunk: Buffer) => parts.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(parts)
    trace.value('body', body.length < 200 ? body.latin1Slice() : checksum(body))
    response.end(`${body.length} bytes`)
  })
}

/** Everything a request says in words. Names lose their case in CGI, so it is not compared. */
export function describeRequest(request: IncomingMessage, trace: Trace): void {
  trace.value('method', request.method)
  trace.value('url', request.url)
  trace.value('version', [request.httpVersion, request.httpVersionMajor, request.httpVersionMinor])
  trace.value('headers', withoutConnection(Object.entries(request.headers)))
  trace.value('distinct', withoutConnection(Object.entries(request.headersDistinct)))
  const raw: [string, unknown][] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    raw.push([request.rawHeaders[at]!.toLowerCase(), request.rawHeaders[at + 1]])
  }
  trace.value('raw', withoutConnection(raw))
  trace.value('trailers', request.trailers)
}

/** The client's connection is with the web server. */
function withoutConnection(entries: [string, unknown][]): [string, unknown][] {
  return entries
    .filter(([name]) => name !== 'connection')
    .sort(([a], [b]) => (a === b ? 0 : a < b ? -1 : 1))
}

/** Text that is recognised by its parts. */
export function filler(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = 97 + ((at * 7 + (at >> 10)) % 26)
  return bytes
}

/** Calls, and notes what is thrown. */
export function attempt(trace: Trace, name: string, action: () => unknown): void {
  try {
    const result = action()
    trace.note(`${name}: ${typeof result === 'object' ? 'ok' : String(result)}`)
  } catch (error) {
    const { code, name: kind, message } = error as Error & { code?: string }
    trace.note(`${name}: ${kind} ${code ?? message}`)
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
