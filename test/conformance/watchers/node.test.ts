/** What Node itself tells those who watch its http: diagnostics channels and performance entries, on both sides. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import http from 'node:http'
import { PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { FastcgiSide } from '../differential/fastcgi-side.ts'
import { HttpSide } from '../differential/http-side.ts'
import { Stage } from '../differential/run.ts'
import type { Scenario } from '../differential/scenario.ts'
import type { Side } from '../differential/side.ts'

const scenarios: readonly Scenario[] = [
  { name: 'GET', handler: (_request, response) => response.end('x') },
  {
    name: 'POST',
    request: { method: 'POST', target: '/p?q', body: 'body', headers: [['X-A', '1']] },
    handler: (request, response) => {
      request.resume()
      request.on('end', () => {
        response.writeHead(201, { 'X-B': '2' })
        response.end('made')
      })
    },
  },
  {
    name: 'writes in several turns',
    handler: (_request, response) => {
      response.write('a')
      setImmediate(() => response.end('b'))
    },
  },
  { name: 'HEAD', request: { method: 'HEAD' }, handler: (_request, response) => response.end() },
  {
    name: 'the client goes',
    client: async (open) => {
      const answer = open({})
      await answer.received(1)
      answer.abort()
      return answer
    },
    handler: (_request, response) => {
      response.write('x')
    },
  },
  {
    name: 'Expect of something else',
    request: { headers: [['Expect', 'magic']] },
    open: true,
    handler: () => {},
  },
]

const stage = new Stage()
let sides: Side[] = []

beforeEach(async () => {
  sides = [
    await HttpSide.start(stage.listener, { kept: true }),
    await FastcgiSide.start(stage.listener, { kept: true }),
  ]
})

afterEach(async () => {
  for (const side of sides) await side.close()
})

interface Message {
  request?: http.IncomingMessage
  response?: http.ServerResponse
  socket?: unknown
  server?: unknown
}

describe('diagnostics_channel', () => {
  it.each(scenarios)('http.server.*: $name', async (scenario) => {
    const seen: string[][] = []
    for (const side of sides) {
      const log: string[] = []
      const listeners = ['request.start', 'response.created', 'response.finish'].map((event) => {
        const name = `http.server.${event}`
        const listener = (message: unknown): void => {
          const { request, response, socket, server } = message as Message
          const facts = [
            Object.keys(message as object)
              .sort()
              .join(),
            `${request?.method} ${request?.url}`,
            `${response?.statusCode} ${response?.headersSent} ${response?.writableFinished}`,
            request instanceof http.IncomingMessage && response instanceof http.ServerResponse,
            socket === undefined || socket === request?.socket,
            server === undefined || server === side.server,
          ]
          log.push(`${event}: ${facts.join(' | ')}`)
        }
        subscribe(name, listener)
        return () => unsubscribe(name, listener)
      })
      await stage.run(scenario, side)
      for (const remove of listeners) remove()
      seen.push(log)
    }
    expect(seen[0]).not.toEqual([])
    expect(seen[1]).toEqual(seen[0])
  })
})

describe('perf_hooks', () => {
  it('http entries', async () => {
    const seen: unknown[][] = []
    for (const side of sides) {
      const entries: unknown[] = []
      const ended = scenarios.filter(({ name }) => !/goes|Expect/.test(name))
      const whole = new Promise<void>((resolve) => {
        const observer = new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) {
            entries.push(facts(entry))
            if (entries.length === ended.length) {
              observer.disconnect()
              resolve()
            }
          }
        })
        observer.observe({ entryTypes: ['http'] })
      })
      for (const scenario of ended) await stage.run(scenario, side)
      await whole
      seen.push(entries)
    }
    expect(seen[1]).toEqual(seen[0])
  })
})

function facts(entry: PerformanceEntry): unknown {
  const { req, res } = (
    entry as unknown as { detail: Record<'req' | 'res', Record<string, unknown>> }
  ).detail
  return {
    name: entry.name,
    type: entry.entryType,
    took: entry.duration >= 0,
    method: req['method'],
    url: req['url'],
    own: (req['headers'] as Record<string, unknown>)['x-a'],
    status: res['statusCode'],
    reason: res['statusMessage'],
    made: (res['headers'] as Record<string, unknown>)['x-b'],
  }
}
