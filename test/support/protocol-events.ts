/** Events of the protocol room as short lines of text, so that a test reads like a transcript. */

import type { ClientEvent, ConnectionEvent } from '@fastcgi/core/protocol'
import { toHex } from './raw.ts'

const text = (content: Uint8Array): string => Buffer.from(content).toString('latin1')

/** `stdin 1 hello`; bytes that are not text appear as they are in latin1, replies as hex. */
export function describeEvent(event: ConnectionEvent<unknown>): string {
  switch (event.type) {
    case 'request': {
      const { id, role, keepConnection } = event.request
      return `request ${id} role ${role}${keepConnection ? ' keep' : ''} ${text(event.params)}`
    }
    case 'refused':
      return `refused ${event.request.id} ${event.reason} ${text(event.params)}`
    case 'stdin':
    case 'data':
      return `${event.type} ${event.request.id} ${text(event.data)}`
    case 'stdin-end':
    case 'data-end':
      return `${event.type} ${event.request.id}`
    case 'abort':
      return `abort ${event.request.id}${event.begun ? ' begun' : ''}`
    case 'reply':
      return `reply ${toHex(event.bytes)}${event.close ? ' close' : ''}`
    default:
      return `error ${event.error.code} ${String(event.error.requestId)}`
  }
}

/** The same for the events of a client. */
export function describeClientEvent(event: ClientEvent<unknown>): string {
  switch (event.type) {
    case 'stdout':
    case 'stderr':
      return `${event.type} ${event.request.id} ${text(event.data)}`
    case 'stdout-end':
      return `stdout-end ${event.request.id}`
    case 'end':
      return `end ${event.request.id} ${event.appStatus} ${event.protocolStatus}`
    case 'values':
      return `values ${JSON.stringify([...event.values])}`
    case 'unknown-type':
      return `unknown-type ${event.unknownType}`
    default:
      return `error ${event.error.code} ${String(event.error.requestId)}`
  }
}

/** Joins what only the cut of the chunks had parted: neighbouring parts of the same stream. */
export function joinParts(lines: readonly string[]): string[] {
  const joined: string[] = []
  let stream: string | undefined
  for (const line of lines) {
    const start = /^(stdin|data|stdout|stderr) \d+ /.exec(line)?.[0]
    if (start !== undefined && start === stream)
      joined.push(joined.pop() + line.slice(start.length))
    else joined.push(line)
    stream = start
  }
  return joined
}
