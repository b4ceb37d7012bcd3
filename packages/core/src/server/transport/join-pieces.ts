// Records of a few bytes each are a way to make a server work: thousands of them fit one read. Their content is joined
// before it becomes chunks of a stream and writes on a socket, so that cost and memory follow bytes, not records.
import type { ConnectionEvent, ConnectionRequest } from '../../protocol/connection.ts'

/**
 * The events of one read, fewer of them: pieces of one request's body become one piece where the first of them stood,
 * answers to management records one answer. What happens to a request keeps its order; what happens to different ones
 * may not.
 */
export function joinPieces<C>(events: readonly ConnectionEvent<C>[]): ConnectionEvent<C>[] {
  const result: ConnectionEvent<C>[] = []
  /** Where in `result` a piece stands that can still take more, and what it is made of. */
  const open = new Map<ConnectionRequest<C>, number>()
  const parts = new Map<number, Buffer[]>()
  let replyAt = -1
  for (const event of events) {
    let at = -1
    let bytes: Buffer | undefined
    if (event.type === 'stdin' || event.type === 'data') {
      const earlier = open.get(event.request) ?? -1
      if (result[earlier]?.type === event.type) at = earlier
      else open.set(event.request, result.length)
      bytes = event.data
    } else if (event.type === 'reply' && !event.close) {
      if (replyAt === -1) replyAt = result.length
      else at = replyAt
      bytes = event.bytes
    } else {
      if ('request' in event) open.delete(event.request)
      replyAt = -1
    }
    if (at === -1) result.push(event)
    else if (bytes !== undefined) {
      const known = parts.get(at)
      if (known === undefined) parts.set(at, [bytesOf(result[at]), bytes])
      else known.push(bytes)
    }
  }
  for (const [at, pieces] of parts) {
    const event = result[at] as ConnectionEvent<C>
    const joined = Buffer.concat(pieces)
    if (event.type === 'reply') result[at] = { ...event, bytes: joined }
    else if (event.type === 'stdin' || event.type === 'data')
      result[at] = { ...event, data: joined }
  }
  return result
}

function bytesOf<C>(event: ConnectionEvent<C> | undefined): Buffer {
  if (event?.type === 'reply') return event.bytes
  return (event as { data: Buffer }).data
}
