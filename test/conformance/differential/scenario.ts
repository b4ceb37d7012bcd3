import type { IncomingMessage, Server, ServerResponse } from 'node:http'

import type { Answer, Request } from './answer.ts'
import type { DifferenceName } from './differences.ts'
import type { Side } from './side.ts'
import type { Trace } from './trace.ts'

/** A handler and what a client does to it: run on node:http and over FastCGI, and compared. */
export interface Scenario {
  readonly name: string
  readonly request?: Request
  readonly handler: (request: IncomingMessage, response: ServerResponse, trace: Trace) => unknown
  /** What the client does; default: sends `request` and waits for the response. */
  readonly client?: (open: Side['open'], trace: Trace) => Promise<Answer>
  /** Prepares the server; what it returns undoes that. */
  readonly server?: (server: Server, trace: Trace) => () => void
  /** Nothing listens to request and response but the handler. */
  readonly quiet?: boolean
  /** The response never closes, or its close is not to be waited for. */
  readonly open?: boolean
  /** What has to be seen before the two are compared, beside the response's 'close'. */
  readonly settled?: (trace: Trace) => boolean
  /** Only where the connection is kept: node:http closes it with the response. */
  readonly kept?: boolean
  /** Differences that stay; each must show. */
  readonly differs?: readonly DifferenceName[]
  /** Least version of Node, major and minor: with an older one node:http does not do it, or wrongly. */
  readonly since?: readonly [major: number, minor: number]
}

/** What is compared. */
export interface Observation {
  status: number
  reason: string
  headers: string[]
  body: string
  end: string | undefined
  interim: number[]
  trailers: string[]
  log: string[]
  values: Record<string, unknown>
}
