import { describe, expect, it } from 'vitest'
import type { ConnectionEvent, ConnectionRequest } from '../../protocol/connection.ts'
import { joinPieces } from './join-pieces.ts'

type Event = ConnectionEvent<never>

const named = (id: number): ConnectionRequest<never> => ({ id }) as ConnectionRequest<never>
const [one, two] = [named(1), named(2)]
const stdin = (request: ConnectionRequest<never>, text: string): Event => ({
  type: 'stdin',
  request,
  data: Buffer.from(text),
})
const data = (request: ConnectionRequest<never>, text: string): Event => ({
  type: 'data',
  request,
  data: Buffer.from(text),
})
const end = (request: ConnectionRequest<never>): Event => ({ type: 'stdin-end', request })
const reply = (text: string, close = false): Event => ({
  type: 'reply',
  bytes: Buffer.from(text),
  close,
})

function told(events: Event[]): string {
  return events
    .map((event) => {
      if (event.type === 'reply') return `reply ${event.bytes.toString()}${event.close ? '!' : ''}`
      if (event.type === 'stdin' || event.type === 'data')
        return `${event.type}${event.request.id} ${event.data.toString()}`
      return `${event.type}${'request' in event ? event.request.id : ''}`
    })
    .join(', ')
}

describe('joinPieces', () => {
  it('joins the pieces of each request, however they alternate', () => {
    const events = [stdin(one, 'a'), stdin(two, 'x'), stdin(one, 'b'), stdin(two, 'y'), end(one)]
    expect(told(joinPieces(events))).toBe('stdin1 ab, stdin2 xy, stdin-end1')
  })

  it('keeps the order of what happens to a request', () => {
    const events = [stdin(one, 'a'), end(one), data(one, 'd'), data(one, 'e'), stdin(one, 'late')]
    expect(told(joinPieces(events))).toBe('stdin1 a, stdin-end1, data1 de, stdin1 late')
  })

  it('joins answers to management records, but not over the end of anything', () => {
    const events = [reply('1'), stdin(one, 'a'), reply('2'), end(one), reply('3'), reply('4', true)]
    expect(told(joinPieces(events))).toBe('reply 12, stdin1 a, stdin-end1, reply 3, reply 4!')
  })

  it('leaves what it is given as it was', () => {
    const first = stdin(one, 'a')
    joinPieces([first, stdin(one, 'b')])
    expect(told([first])).toBe('stdin1 a')
  })
})
