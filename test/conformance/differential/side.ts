import type http from 'node:http'

import type { Answer, Request } from './answer.ts'

/** A server and its client: one of the two that are compared. */
export interface Side {
  readonly name: 'node:http' | 'FastCGI'
  readonly server: http.Server
  /** Sends the head of a request, with its body when it is there. */
  open(request: Request): Answer
  close(): Promise<void>
}
