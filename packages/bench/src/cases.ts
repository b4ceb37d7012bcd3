/**
 * What is asked of every implementation. One list, so that the table, the chart, the bars and the continuous check
 * speak of the same things.
 */

/** What one request looks like to the client; the load generator and wrk build their bytes from it. */
export interface RequestShape {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The fewest params that FastCGI gets by with, in place of nginx's own. */
  readonly fewParams?: boolean
  /** A small body sent in one piece. */
  readonly body?: string
  /** A large body of this many bytes, sent in pieces of 64 KiB. */
  readonly streamedBytes?: number
}

/** How the application is reached: by a load generator directly, or through a real nginx. */
export type Mode = 'nginx' | 'direct'

/** One thing to measure. */
export interface BenchCase {
  readonly id: string
  readonly title: string
  readonly kind: 'load' | 'idle' | 'start'
  readonly modes: readonly Mode[]
  readonly request: RequestShape
  readonly connections: number
  /** Requests outstanding on one connection. Above 1 the FastCGI side multiplexes and HTTP opens that many connections. */
  readonly inFlight: number
  /** The figure that CPU is divided by: one request, one MB of body, or one chunk of a stream. */
  readonly unit: 'request' | 'MB' | 'chunk' | 'connection' | 'start'
  readonly unitsPerRequest: number
  /** Frameworks that take part; undefined: all. */
  readonly frameworks: readonly string[] | undefined
  /** Bytes of body a right answer has; the runner asks once before it measures. */
  readonly responseBytes: number
  /** Frameworks that take part in a quick run; undefined: none, the case is left out. */
  readonly quick: readonly string[] | undefined
}

export const HELLO = 'Hello, world\n'
export const TRANSFER_BYTES: number = 100 * 1024 * 1024
export const CHUNK_BYTES: number = 64 * 1024
export const EVENT_COUNT = 1000
export const EVENT = `data: {"tick":"0123456789","value":42}\n\n`

const items = Array.from({ length: 8 }, (_, i) => ({
  id: 1000 + i,
  name: `Item number ${i}`,
  price: 9.95 + i,
  tags: ['alpha', 'beta', 'gamma'],
  inStock: i % 2 === 0,
  note: 'A short text here',
}))

/** About one kilobyte as JSON. Serialised anew for every request, as applications do. */
export const DOCUMENT: object = { page: 1, total: 8, items }

const small = [['Host', 'localhost']] as const

/** What a desktop browser sends today; with the server's own variables that makes 29 params. */
const browser = [
  ['Host', 'www.example.org'],
  [
    'User-Agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  ],
  [
    'Accept',
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  ],
  ['Accept-Language', 'en-GB,en;q=0.9,de;q=0.8'],
  ['Accept-Encoding', 'gzip, deflate, br, zstd'],
  ['Referer', 'https://www.example.org/catalogue?page=1'],
  ['Cookie', 'session=3f8a1c0e5b7d4926a1f0; theme=dark; consent=1'],
  ['Sec-Fetch-Dest', 'document'],
  ['Sec-Fetch-Mode', 'navigate'],
  ['Sec-Fetch-Site', 'same-origin'],
  ['Cache-Control', 'max-age=0'],
] as const

const base = {
  kind: 'load',
  modes: ['nginx', 'direct'],
  connections: 16,
  inFlight: 1,
  unit: 'request',
  unitsPerRequest: 1,
  frameworks: undefined,
  quick: undefined,
} as const

const hello: RequestShape = { method: 'GET', path: '/hello', headers: small }
const upload: RequestShape = {
  method: 'POST',
  path: '/upload',
  headers: [...small, ['Content-Type', 'application/octet-stream']],
  streamedBytes: TRANSFER_BYTES,
}

export const CASES: readonly BenchCase[] = [
  {
    ...base,
    id: 'hello',
    title: 'hello',
    request: hello,
    responseBytes: HELLO.length,
    quick: ['raw', 'express', 'koa', 'fastify'],
  },
  {
    ...base,
    id: 'json',
    title: '1 KB JSON, browser headers',
    request: { method: 'GET', path: '/json?page=1', headers: browser },
    responseBytes: JSON.stringify(DOCUMENT).length,
    quick: ['raw', 'express'],
  },
  {
    ...base,
    id: 'post',
    title: 'POST 1 KB',
    request: {
      method: 'POST',
      path: '/post',
      headers: [...browser, ['Content-Type', 'application/json']],
      body: JSON.stringify(DOCUMENT),
    },
    responseBytes: 11,
  },
  {
    ...base,
    id: 'upload',
    title: 'upload 100 MB',
    request: upload,
    connections: 1,
    unit: 'MB',
    unitsPerRequest: TRANSFER_BYTES / 1e6,
    frameworks: ['raw', 'express'],
    responseBytes: String(TRANSFER_BYTES).length,
    quick: ['raw'],
  },
  {
    ...base,
    id: 'download',
    title: 'download 100 MB',
    request: { method: 'GET', path: '/download', headers: small },
    connections: 1,
    unit: 'MB',
    unitsPerRequest: TRANSFER_BYTES / 1e6,
    frameworks: ['raw', 'express'],
    responseBytes: TRANSFER_BYTES,
    quick: ['raw'],
  },
  {
    ...base,
    id: 'events',
    title: 'event stream, 1000 chunks',
    request: { method: 'GET', path: '/events', headers: small },
    connections: 4,
    unit: 'chunk',
    unitsPerRequest: EVENT_COUNT,
    frameworks: ['raw', 'express'],
    responseBytes: EVENT.length * EVENT_COUNT,
    quick: ['raw'],
  },
  {
    ...base,
    id: 'connections64',
    title: 'hello, 64 connections',
    request: hello,
    connections: 64,
    responseBytes: HELLO.length,
  },
  {
    ...base,
    id: 'multiplex',
    title: 'hello, 64 in flight on 2 connections',
    modes: ['direct'],
    request: hello,
    connections: 2,
    inFlight: 32,
    frameworks: ['raw'],
    responseBytes: HELLO.length,
  },
  {
    ...base,
    id: 'idle',
    title: 'idle keep-alive connection',
    kind: 'idle',
    modes: ['direct'],
    request: hello,
    connections: 4000,
    unit: 'connection',
    frameworks: ['raw'],
    responseBytes: HELLO.length,
    quick: ['raw'],
  },
  {
    ...base,
    id: 'start',
    title: 'spawn to first byte',
    kind: 'start',
    modes: ['direct'],
    request: hello,
    connections: 1,
    unit: 'start',
    frameworks: ['raw', 'express'],
    responseBytes: HELLO.length,
    quick: ['raw', 'express'],
  },
]
