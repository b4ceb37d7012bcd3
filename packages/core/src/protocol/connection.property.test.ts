// Properties of both sides of a connection, over generated input: garbage, records that are nearly
// right, and two connections wired to each other.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  describeClientEvent,
  describeEvent,
  joinParts,
} from '../../../../test/support/protocol-events.ts'
import { propertyRuns } from '../../../../test/support/property.ts'
import { begin, deliver, record } from '../../../../test/support/raw.ts'
import { ClientConnection } from './client-connection.ts'
import { Connection, type ConnectionLimits } from './connection.ts'
import type { ClientRequest, ConnectionEvent, ConnectionRequest } from './events.ts'
import { decodePairs } from './pairs.ts'
import { endRecords, getValues, streamEnd, streamRecords } from './record-writer.ts'

const limits: ConnectionLimits = {
  maxParamsBytes: 60,
  maxRequestsPerConnection: 3,
  maxPendingPerConnection: 2,
  multiplex: true,
  roles: { responder: true, authorizer: true, filter: true },
  values: { FCGI_MAX_CONNS: '100', FCGI_MAX_REQS: '50', FCGI_MPXS_CONNS: '1' },
}

/**
 * Cuts bytes at places given as fractions of their length; equal places give empty chunks, which
 * are allowed.
 */
function cutAt(input: Buffer, places: readonly number[]): Buffer[] {
  const points = places.map((place) => Math.floor(place * input.length)).sort((a, b) => a - b)
  const edges = [0, ...points, input.length]
  return edges.slice(1).map((end, n) => Buffer.from(input.subarray(edges[n], end)))
}

const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })

/**
 * Records as a peer might send them: few ids, so that they meet; every type; bodies and padding of
 * all sorts.
 */
const someRecord = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat(3), fc.constantFrom(1, 1, 1, 2, 3, 9), fc.nat(1))
      .map(([id, role, flags]) => begin(id, role, flags)),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.constantFrom(4, 4, 5, 5, 8),
        fc.integer({ min: 1, max: 3 }),
        fc.uint8Array({ maxLength: 30 }),
        fc.nat(9),
      )
      .map(([type, id, content, padding]) => record(type, id, content, padding)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(2, 4, 4, 5, 5, 8), fc.integer({ min: 1, max: 3 }))
      .map(([type, id]) => record(type, id)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(255), fc.nat(3), fc.uint8Array({ maxLength: 30 }), fc.nat(255))
      .map(([type, id, content, padding]) => record(type, id, content, padding)),
  },
)

/** Mostly right records; sometimes with a byte changed, sometimes plain garbage. */
const input = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(someRecord, { maxLength: 30 }).map((all) => Buffer.concat(all)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.array(someRecord, { minLength: 1, maxLength: 30 }), fc.nat(), fc.nat(255))
      .map(([all, at, value]) => {
        const bytes = Buffer.concat(all)
        bytes[at % bytes.length] = value
        return bytes
      }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
)

/** What may come before an event of a request; `new` is the state before any. */
const PREDECESSORS: Record<string, readonly string[]> = {
  request: ['new'],
  refused: ['new'],
  stdin: ['request', 'stdin'],
  'stdin-end': ['request', 'stdin'],
  data: ['stdin-end', 'data'],
  'data-end': ['stdin-end', 'data'],
  abort: ['new', 'request', 'stdin', 'stdin-end', 'data', 'data-end'],
}

/** What `events.ts` forbids and the events do all the same. */
function faults(events: readonly ConnectionEvent<unknown>[]): string[] {
  const found: string[] = []
  const stage = new Map<ConnectionRequest<unknown>, string>()
  events.forEach((event, n) => {
    if (event.type === 'error') {
      if (n < events.length - 1) found.push('an event after an error')
      return
    }
    if (event.type === 'reply') {
      if (event.bytes.length % 8 !== 0) found.push('a reply that is not aligned')
      return
    }
    const before = stage.get(event.request) ?? 'new'
    stage.set(event.request, event.type)
    if (PREDECESSORS[event.type]?.includes(before) !== true) {
      found.push(`${event.type} after ${before}`)
    }
    if (event.type === 'abort' && event.begun === (before === 'new')) found.push('a wrong begun')
    if ('data' in event && event.data.length === 0) found.push(`an empty ${event.type}`)
  })
  return found
}

describe('Connection', () => {
  it('gives events or one ProtocolError for any bytes, the same however they are cut', () => {
    fc.assert(
      fc.property(input, places, (bytes, cut) => {
        const events = new Connection<unknown>(limits).receive(bytes)
        expect(faults(events)).toEqual([])
        const whole = joinParts(events.map(describeEvent))
        const connection = new Connection<unknown>(limits)
        const parts = deliver(cutAt(bytes, cut), (chunk) =>
          connection.receive(chunk).map(describeEvent),
        )
        expect(joinParts(parts)).toEqual(whole)
      }),
      propertyRuns(3000),
    )
  })

  it('keeps its limits and its counts for any bytes, with requests ended at any time', () => {
    fc.assert(
      fc.property(
        input,
        places,
        fc.array(fc.nat(9), { minLength: 1, maxLength: 20 }),
        (bytes, cut, when) => {
          const connection = new Connection<unknown>(limits)
          let turn = 0
          for (const chunk of cutAt(bytes, cut)) {
            for (const event of connection.receive(chunk)) {
              if (!('request' in event)) continue
              const gone = event.type === 'abort' && !event.begun
              expect(event.request.ended || !gone).toBe(true)
              if (when[turn++ % when.length]! < 5) connection.end(event.request)
            }
            const open = [...connection.requests()]
            expect(connection.active).toBe(open.length)
            expect(connection.pending).toBe(open.filter((one) => !one.paramsComplete).length)
            expect(connection.pending).toBeLessThanOrEqual(limits.maxPendingPerConnection)
            expect(open.every((one) => !one.ended)).toBe(true)
          }
          for (const open of connection.requests()) connection.end(open)
          expect([connection.active, connection.pending]).toEqual([0, 0])
          const { closed } = connection
          const late = connection.receive(record(12, 0))
          expect(late).toHaveLength(closed ? 0 : late.length)
        },
      ),
      propertyRuns(2000),
    )
  })
})

describe('ClientConnection', () => {
  const answer = fc.array(
    fc.oneof(
      fc
        .tuple(
          fc.constantFrom(6, 6, 7, 10, 11),
          fc.nat(3),
          fc.uint8Array({ maxLength: 20 }),
          fc.nat(9),
        )
        .map(([type, id, content, padding]) => record(type, id, content, padding)),
      fc
        .tuple(fc.constantFrom(3, 11), fc.nat(3), fc.uint8Array({ minLength: 8, maxLength: 8 }))
        .map(([type, id, content]) => record(type, id, content)),
      fc.tuple(fc.constantFrom(6, 7), fc.nat(3)).map(([type, id]) => record(type, id)),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 20 },
  )

  it('gives events or one ProtocolError for any bytes, the same however they are cut', () => {
    const transcript = (chunks: Buffer[]): string[] => {
      const client = new ClientConnection<undefined>()
      for (let n = 0; n < 3; n++) {
        client.begin({ role: 1, keepConnection: true, params: [], context: undefined })
      }
      return joinParts(deliver(chunks, (chunk) => client.receive(chunk).map(describeClientEvent)))
    }
    fc.assert(
      fc.property(answer, places, (records, cut) => {
        const bytes = Buffer.concat(records)
        const whole = transcript([Buffer.from(bytes)])
        expect(whole.slice(0, -1).every((line) => !line.startsWith('error'))).toBe(true)
        expect(transcript(cutAt(bytes, cut))).toEqual(whole)
      }),
      propertyRuns(2000),
    )
  })
})

/** What one request of the model carried, as seen by who sent it and by who received it. */
interface Exchange {
  params: [string, string][]
  sentBody: string
  gotBody: string
  bodyComplete: boolean
  bodyEndSeen: boolean
  sentOut: string
  gotOut: string
  sentErr: string
  gotErr: string
  abortSent: boolean
  abortSeen: boolean
  refused: boolean
  sentStatus: number | undefined
  gotStatus: number | undefined
}

/**
 * A client and an application, joined by two pipes that carry bytes a few at a time, in any order.
 */
class Wired {
  readonly exchanges: Exchange[] = []
  readonly client = new ClientConnection<Exchange>()
  readonly application = new Connection<Exchange>({
    ...limits,
    maxParamsBytes: 1000,
    maxPendingPerConnection: 50,
  })
  readonly clientOpen: ClientRequest<Exchange>[] = []
  readonly applicationOpen: ConnectionRequest<Exchange>[] = []
  readonly problems: string[] = []
  queries = 0
  answers = 0
  #toApplication = Buffer.alloc(0)
  #toClient = Buffer.alloc(0)

  get quiet(): boolean {
    return this.#toApplication.length === 0 && this.#toClient.length === 0
  }

  /** One step of the client: something that it may do now, chosen by `n`. */
  clientStep(n: number, text: string): void {
    const open = this.clientOpen.filter((one) => !one.ended)
    const request = open[n % Math.max(1, open.length)]
    switch (n % 6) {
      case 0:
        if (open.length < 6) this.#begin(text, n)
        break
      case 1:
        this.queries++
        this.#send(getValues(['FCGI_MAX_CONNS']))
        break
      case 2:
        if (request === undefined || request.context.abortSent) break
        request.context.abortSent = true
        this.#send(this.client.abort(request))
        break
      case 3:
        if (request === undefined || request.context.bodyComplete) break
        request.context.bodyComplete = true
        this.#send(this.client.stdinEnd(request))
        break
      default:
        if (request === undefined || request.context.bodyComplete) break
        request.context.sentBody += text
        this.#send(...this.client.stdin(request, Buffer.from(text, 'latin1')))
    }
  }

  #begin(text: string, n: number): void {
    const exchange: Exchange = {
      params: Array.from({ length: n % 4 }, (_, at) => [`NAME_${at}`, text.repeat(at)]),
      sentBody: '',
      gotBody: '',
      bodyComplete: false,
      bodyEndSeen: false,
      sentOut: '',
      gotOut: '',
      sentErr: '',
      gotErr: '',
      abortSent: false,
      abortSeen: false,
      refused: false,
      sentStatus: undefined,
      gotStatus: undefined,
    }
    const { params } = exchange
    const { request, bytes } = this.client.begin({
      role: 1,
      keepConnection: true,
      params,
      context: exchange,
    })
    this.exchanges.push(exchange)
    this.clientOpen.push(request)
    this.#send(bytes)
  }

  /** One step of the application. */
  applicationStep(n: number, text: string): void {
    const request = this.applicationOpen[n % Math.max(1, this.applicationOpen.length)]
    const exchange = request?.context
    if (request === undefined || exchange === undefined) return
    if (n % 5 === 0) return this.finish(request, n)
    const type = n % 5 === 1 ? 7 : 6
    if (type === 7) exchange.sentErr += text
    else exchange.sentOut += text
    this.#answer(...streamRecords(type, request.id, Buffer.from(text, 'latin1')))
  }

  finish(request: ConnectionRequest<Exchange>, status: number): void {
    const exchange = request.context!
    exchange.sentStatus = status
    this.#answer(endRecords(request.id, status, 0, exchange.sentErr !== ''))
    if (this.application.end(request))
      this.problems.push('close of a connection that was to be kept')
    this.applicationOpen.splice(this.applicationOpen.indexOf(request), 1)
  }

  /** Moves up to `count` bytes to the application. */
  forward(count: number): void {
    const chunk = Buffer.from(this.#toApplication.subarray(0, count))
    this.#toApplication = this.#toApplication.subarray(count)
    for (const event of this.application.receive(chunk)) {
      if (event.type === 'reply') {
        this.#answer(event.bytes)
      } else if (event.type === 'error') {
        this.problems.push(event.error.message)
      } else if (event.type === 'request' || event.type === 'refused') {
        // The client's exchange of the same id: ids are not used again before END_REQUEST has come
        // back.
        const own = this.clientOpen.find((one) => one.id === event.request.id && !one.ended)
        const exchange = own!.context
        event.request.context = exchange
        exchange.refused = event.type === 'refused'
        expect(decodePairs(event.params)).toEqual(exchange.params)
        this.applicationOpen.push(event.request)
      } else if (event.type === 'stdin') {
        event.request.context!.gotBody += event.data.toString('latin1')
      } else if (event.type === 'stdin-end') {
        event.request.context!.bodyEndSeen = true
      } else if (event.type === 'abort') {
        if (!event.begun)
          this.problems.push('an abort before the end of PARAMS, which came at once')
        else event.request.context!.abortSeen = true
      }
    }
    chunk.fill(0xdd)
  }

  /** Moves up to `count` bytes to the client. */
  back(count: number): void {
    const chunk = Buffer.from(this.#toClient.subarray(0, count))
    this.#toClient = this.#toClient.subarray(count)
    for (const event of this.client.receive(chunk)) {
      if (event.type === 'stdout') event.request.context.gotOut += event.data.toString('latin1')
      else if (event.type === 'stderr')
        event.request.context.gotErr += event.data.toString('latin1')
      else if (event.type === 'end') event.request.context.gotStatus = event.appStatus
      else if (event.type === 'values') this.answers++
      else if (event.type !== 'stdout-end') this.problems.push(describeClientEvent(event))
    }
    chunk.fill(0xdd)
  }

  #send(...parts: Uint8Array[]): void {
    this.#toApplication = Buffer.concat([this.#toApplication, ...parts])
  }

  #answer(...parts: Uint8Array[]): void {
    this.#toClient = Buffer.concat([this.#toClient, ...parts])
  }
}

describe('two connections, wired', () => {
  const text = fc
    .uint8Array({ maxLength: 40 })
    .map((bytes) => Buffer.from(bytes).toString('latin1'))
  const step = fc.tuple(fc.nat(3), fc.nat(999), text)

  it('carry every request whole, whatever the order of sending, receiving and ending', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 150 }), (steps) => {
        const wired = new Wired()
        for (const [who, n, words] of steps) {
          if (who === 0) wired.clientStep(n, words)
          else if (who === 1) wired.applicationStep(n, words)
          else if (who === 2) wired.forward(n % 200)
          else wired.back(n % 200)
        }
        while (!wired.quiet || wired.applicationOpen.length > 0) {
          wired.forward(1 << 20)
          for (const request of [...wired.applicationOpen]) wired.finish(request, 3)
          wired.back(1 << 20)
        }
        expect(wired.problems).toEqual([])
        expect([wired.client.active, wired.application.active]).toEqual([0, 0])
        expect(wired.answers).toBe(wired.queries)
        for (const one of wired.exchanges) {
          expect(one.gotOut).toBe(one.sentOut)
          expect(one.gotErr).toBe(one.sentErr)
          expect(one.gotStatus).toBe(one.sentStatus)
          expect(one.sentBody.startsWith(one.gotBody)).toBe(true)
          expect(one.gotBody === one.sentBody || !one.bodyEndSeen).toBe(true)
          expect(one.abortSent || !one.abortSeen).toBe(true)
          expect(one.gotBody === '' || !one.refused).toBe(true)
        }
      }),
      propertyRuns(400),
    )
  })

  it('carry a stream of any size and bytes, cut at random, unchanged', () => {
    fc.assert(
      fc.property(fc.nat(140_000), fc.nat(255), places, (length, first, cut) => {
        const body = Buffer.from(Uint8Array.from({ length }, (_, n) => n * 7 + first))
        const client = new ClientConnection<undefined>()
        const options = { role: 1, keepConnection: true, params: [], context: undefined }
        const { request, bytes } = client.begin(options)
        const sent = Buffer.concat([
          bytes,
          ...client.stdin(request, body),
          client.stdinEnd(request),
        ])
        const application = new Connection<undefined>(limits)
        const got = deliver(cutAt(sent, cut), (chunk) =>
          application
            .receive(chunk)
            .map((event) => (event.type === 'stdin' ? Buffer.from(event.data) : event.type)),
        )
        expect(got.filter((part) => typeof part === 'string')).toEqual(['request', 'stdin-end'])
        expect(Buffer.concat(got.filter((part) => typeof part !== 'string')).equals(body)).toBe(
          true,
        )

        const answer = Buffer.concat([
          ...streamRecords(6, 1, body),
          streamEnd(6, 1),
          endRecords(1, 0, 0, false),
        ])
        const back = deliver(cutAt(answer, cut), (chunk) =>
          client
            .receive(chunk)
            .map((event) => (event.type === 'stdout' ? Buffer.from(event.data) : event.type)),
        )
        expect(back.filter((part) => typeof part === 'string')).toEqual(['stdout-end', 'end'])
        expect(Buffer.concat(back.filter((part) => typeof part !== 'string')).equals(body)).toBe(
          true,
        )
      }),
      propertyRuns(40),
    )
  })
})
