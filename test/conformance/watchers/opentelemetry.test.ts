/** OpenTelemetry's http instrumentation, the real package: one span a request, with the attributes it has on node:http. */
import http from 'node:http'
import { createRequire } from 'node:module'

import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { FastcgiSide } from '../differential/fastcgi-side.ts'
import { HttpSide } from '../differential/http-side.ts'
import { Stage } from '../differential/run.ts'
import type { Scenario } from '../differential/scenario.ts'
import type { Side } from '../differential/side.ts'

const scenarios: readonly Scenario[] = [
  {
    name: 'GET',
    request: {
      target: '/a/b?c=d',
      headers: [
        ['User-Agent', 'test/1'],
        ['X-Forwarded-Proto', 'https'],
      ],
    },
    handler: (_request, response) => response.end('x'),
  },
  {
    name: 'POST',
    request: { method: 'POST', target: '/p', body: 'body' },
    handler: (request, response) => {
      request.resume()
      request.on('end', () => response.writeHead(201).end())
    },
  },
  {
    name: 'a failure',
    handler: (_request, response) => response.writeHead(503).end('busy'),
  },
  {
    name: 'a span that the request continues',
    request: {
      headers: [['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']],
    },
    handler: (_request, response) => response.end(),
  },
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
]

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
const instrumentation = new HttpInstrumentation()
const stage = new Stage()
let sides: Side[] = []

beforeAll(async () => {
  trace.setGlobalTracerProvider(provider)
  instrumentation.setTracerProvider(provider)
  instrumentation.enable()
  // What an app does by itself: the instrumentation patches at the first require.
  createRequire(import.meta.url)('http')
  sides = [
    await HttpSide.start(stage.listener, { kept: true }),
    await FastcgiSide.start(stage.listener, { kept: true }),
  ]
})

afterAll(async () => {
  for (const side of sides) await side.close()
  instrumentation.disable()
  trace.disable()
})

describe('@opentelemetry/instrumentation-http', () => {
  it.each(scenarios)('$name', async (scenario) => {
    const seen: unknown[] = []
    for (const side of sides) {
      exporter.reset()
      await stage.run(scenario, side)
      // A real socket has forgotten its own address by then; the stand-in has not.
      const forgotten = scenario.name === 'the client goes' ? /^net\.host\.(?:ip|port)$/ : /^$/
      seen.push(exporter.getFinishedSpans().map((span) => facts(span, forgotten)))
    }
    expect(seen[0]).toHaveLength(1)
    expect(seen[1]).toEqual(seen[0])
    expect(seen[1]).toMatchObject([{ kind: SpanKind.SERVER }])
  })

  it('names status, method, target and peer', async () => {
    exporter.reset()
    await stage.run(scenarios[2] as Scenario, sides[1] as Side)
    const [span] = exporter.getFinishedSpans()
    expect(span?.status.code).toBe(SpanStatusCode.ERROR)
    expect(Object.values(span?.attributes ?? {})).toEqual(
      expect.arrayContaining(['GET', 503, '127.0.0.1', '1.1']),
    )
  })

  it('is active where http.Server emits', () => {
    expect(http.Server.prototype.emit.name).not.toBe('')
    expect(Object.hasOwn(http.Server.prototype, 'emit')).toBe(true)
  })
})

/** A span without what is a number of this connection, or a time. */
function facts(span: ReadableSpan, without: RegExp): unknown {
  const all = Object.entries(span.attributes).filter(([name]) => !without.test(name))
  const attributes = all
    .filter(([name]) => !/port$/.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    name: span.name,
    kind: span.kind,
    status: span.status,
    ended: span.ended,
    parent: span.parentSpanContext?.spanId ?? null,
    attributes,
    ports: all
      .filter(([name]) => /port$/.test(name))
      .map(([name, value]) => [name, typeof value])
      .sort(),
  }
}
