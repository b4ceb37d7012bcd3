/**
 * Each name of Node's that is not documented, and that http/node-private.ts leans on, taken away from us while Node
 * goes on using it, as if a new version had called it otherwise: requests are still served, with the same answers.
 */
import http from 'node:http'

import { afterEach, describe, expect, it } from 'vitest'

import { overrideProbe, probe } from '../../../packages/core/src/http/node-private.ts'
import { FastcgiSide } from './fastcgi-side.ts'
import { Stage } from './run.ts'
import type { Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'

const requestNames = ['_addHeaderLines', '_consuming', '_dumped', '_dump', '_readableState']
const responseNames = [
  '_storeHeader',
  '_header',
  '_removedConnection',
  '_removedTE',
  '_contentLength',
  '_hasBody',
  '_expect_continue',
  '_sent100',
  '_closed',
  'chunkedEncoding',
  'useChunkedEncodingByDefault',
  'shouldKeepAlive',
  'outputData',
  '_flush',
]

/** Requests of every kind, each of which ends by itself. */
const chosen: readonly Scenario[] = [
  'GET',
  'HEAD',
  'POST',
  'HTTP/1.0',
  'a body of unknown length',
  'Expect: 100-continue',
  'Expect of something else',
  'an echo of each part while more is to come',
  'iterated',
  'large',
  'unread',
  'unread, answered later, nobody listens',
  'not there, never looked at, nobody listens',
  'answered before it has come',
  'the client goes within the response',
  'the client goes within the upload',
  'end with text',
  'write and end',
  'writes in several turns',
  'writes and bytes mixed',
  'writeHead with headers',
  'status 204',
  'status 304',
  'HEAD with writes',
  'interim responses',
  'flushHeaders',
  'cork',
  'encodings',
  'UTF-8',
  'UTF-8 in writes',
  'a length set by the app',
  'Transfer-Encoding set by the app',
  'Connection set by the app',
  'trailers',
  'latin1 in a header, a part of UTF-8',
  '1 MB at once',
  '4 MB by drain',
  'a stream piped',
  'res.destroy() before the head',
  'res.destroy() within the response',
  'prototypes replaced, as Express does',
  'methods replaced, as compression does',
].map((name) => {
  const scenario = scenarios.find((each) => each.name === name)
  if (scenario === undefined) throw new Error(`no scenario "${name}"`)
  return scenario
})

/** What the client sees of each. */
async function served(): Promise<unknown[]> {
  const stage = new Stage()
  const side = await FastcgiSide.start(stage.listener, { kept: true })
  const all: unknown[] = []
  try {
    for (const scenario of chosen) {
      const { status, reason, headers, body, end } = await stage.run(scenario, side)
      all.push({ scenario: scenario.name, status, reason, headers, body, end })
    }
  } finally {
    await side.close()
  }
  return all
}

/** True when the accessor that asks was used by Node itself. */
function askedByNode(): boolean {
  return /^\s+at .*node:/.test(new Error().stack?.split('\n')[3] ?? '')
}

/** Hides a property from everybody but Node. */
function hide(prototype: object, name: string): () => void {
  const before = Object.getOwnPropertyDescriptor(prototype, name)
  const values = new WeakMap<object, unknown>()
  let inherited: unknown = (prototype as Record<string, unknown>)[name]
  Object.defineProperty(prototype, name, {
    configurable: true,
    get(this: object) {
      if (!askedByNode()) return undefined
      return values.has(this) ? values.get(this) : inherited
    },
    set(this: object, value: unknown) {
      if (!askedByNode()) return
      if (this === prototype) inherited = value
      else values.set(this, value)
    },
  })
  return () => {
    if (before === undefined) delete (prototype as Record<string, unknown>)[name]
    else Object.defineProperty(prototype, name, before)
  }
}

describe('a name of Node that is gone', () => {
  let restore = (): void => {}
  let expected: unknown[] | undefined

  afterEach(() => {
    restore()
    overrideProbe(undefined)
  })

  it.each([
    ...responseNames.map((name) => [name, http.ServerResponse.prototype] as const),
    ...requestNames.map((name) => [name, http.IncomingMessage.prototype] as const),
  ])('%s: the same answers', async (name, prototype) => {
    expected ??= await served()
    restore = hide(prototype, name)
    overrideProbe(undefined)
    expect(await served()).toEqual(expected)
  })

  it.each(['_storeHeader', '_header', 'chunkedEncoding'])(
    '%s: the probe chooses the text fallback',
    (name) => {
      expect(probe().hook).toBe(true)
      restore = hide(http.ServerResponse.prototype, name)
      expect(probe().hook).toBe(false)
    },
  )

  it('kNeedDrain: drain comes by way of an empty write', async () => {
    expected ??= await served()
    overrideProbe({ hook: true, needDrain: undefined })
    expect(await served()).toEqual(expected)
  })
})
