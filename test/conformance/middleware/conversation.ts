/** A client that asks an app one thing after another, over HTTP or FastCGI, and what it gets. */
import type http from 'node:http'
import { gunzipSync, inflateSync, brotliDecompressSync } from 'node:zlib'

import { inject, type InjectOptions } from 'light-my-request'

import type { Headers, Request } from '../differential/answer.ts'
import type { Side } from '../differential/side.ts'

/** One request of a conversation. */
export interface Step {
  /** Path below the mount. */
  readonly path: string
  readonly method?: string
  readonly headers?: Headers
  readonly body?: string | Buffer
  /** What both must answer: that they fail alike is not enough. */
  readonly status: number
  /** Must stand in the body. */
  readonly has?: string
  /** The body is compared by its decoded text: compressed bytes may be cut differently. */
  readonly decoded?: boolean
  /** light-my-request cannot do this; the reason. */
  readonly notInjected?: string
}

export interface Said {
  readonly step: string
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  readonly body: string
  readonly end: string | undefined
}

/** Lines of a response that differ from one run to the next, or belong to the connection. */
const varying: readonly [pattern: RegExp, replacement: string][] = [
  [/^date: .*/, 'date: (now)'],
  [/^x-response-time: .*/, 'x-response-time: (short)'],
  [/^(ratelimit: .*reset=)\d+/, '$1(soon)'],
  [/^((?:x-)?ratelimit-reset|retry-after): .*/, '$1: (soon)'],
  [/^expires: .*/, 'expires: (some time)'],
]
const connection = /^(?:connection|keep-alive|transfer-encoding):/

/** The cookies a client holds. */
class Jar {
  readonly #cookies = new Map<string, string>()

  keep(headers: readonly string[]): void {
    for (const line of headers) {
      const match = /^set-cookie: ([^=]+)=([^;]*)/.exec(line)
      if (match) this.#cookies.set(match[1] as string, match[2] as string)
    }
  }

  get header(): [string, string][] {
    if (this.#cookies.size === 0) return []
    const pairs = [...this.#cookies].map(([name, value]) => `${name}=${value}`)
    return [['Cookie', pairs.join('; ')]]
  }
}

function requestOf(step: Step, mount: string, jar: Jar): Request {
  return {
    method: step.method ?? 'GET',
    target: mount + step.path,
    headers: [...(step.headers ?? []), ...jar.header],
    ...(step.body === undefined ? {} : { body: step.body }),
  }
}

function said(
  step: Step,
  answer: {
    status: number
    reason: string
    headers: readonly string[]
    body: Buffer
    end?: string | undefined
  },
): Said {
  const headers = answer.headers
    .filter((line) => !connection.test(line))
    // RFC 9110 §8.6: a 204 has no Content-Length, and web servers take it away from one that has.
    .filter((line) => answer.status !== 204 || !line.startsWith('content-length:'))
    .map((line) =>
      varying.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), line),
    )
  const encoding = /^content-encoding: (.*)$/m.exec(answer.headers.join('\n'))?.[1]
  let body = answer.body
  if (encoding === 'gzip') body = gunzipSync(body)
  if (encoding === 'deflate') body = inflateSync(body)
  if (encoding === 'br') body = brotliDecompressSync(body)
  return {
    step: `${step.method ?? 'GET'} ${step.path}`,
    status: answer.status,
    reason: answer.reason,
    headers,
    body: body.latin1Slice(),
    end: answer.end,
  }
}

/** Asks step by step, cookies kept. */
export async function converse(side: Side, steps: readonly Step[], mount: string): Promise<Said[]> {
  const jar = new Jar()
  const all: Said[] = []
  for (const step of steps) {
    const answer = side.open(requestOf(step, mount, jar))
    await answer.ended()
    jar.keep(answer.headers)
    all.push(said(step, answer))
  }
  return all
}

/** The same by light-my-request, which has no connection at all. */
export async function injected(
  listener: http.RequestListener,
  steps: readonly Step[],
): Promise<Said[]> {
  const jar = new Jar()
  const all: Said[] = []
  for (const step of steps) {
    const request = requestOf(step, '', jar)
    const headers: Record<string, string> = { host: 'example.test' }
    for (const [name, value] of request.headers ?? []) headers[name.toLowerCase()] = value
    const response = await inject(listener, {
      method: request.method as InjectOptions['method'],
      url: request.target as string,
      headers,
      remoteAddress: '127.0.0.1',
      ...(step.body === undefined ? {} : { payload: step.body }),
    } as InjectOptions)
    const lines: string[] = []
    for (const [name, value] of Object.entries(response.headers)) {
      for (const each of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${each}`)
    }
    jar.keep(lines)
    const answer = {
      status: response.statusCode,
      reason: response.statusMessage,
      headers: lines,
      body: response.rawPayload,
      end: 'complete',
    }
    all.push(said(step, answer))
  }
  return all
}
