/** What only HAProxy does: many requests on one connection. Several machines: machines.test.ts. */
import { describe, expect, it } from 'vitest'

import { ask, open, seenOf } from '../conformance/site.ts'
import { until } from '../support/until.ts'
import { running } from './conformance.ts'
import { haproxy } from './programs/haproxy.ts'

describe('haproxy multiplex.cfg', () => {
  const up = running(haproxy, {
    server: 'haproxy',
    file: 'multiplex.cfg',
    options: { stalledReaderTimeout: 300 },
  })

  const statistics = async (): Promise<{ openConnections: number; running: number }> =>
    (await ask(up().site, '/statistics')).json()

  it('twenty requests share a few connections, and each gets its own answer', async () => {
    const ids = Array.from({ length: 20 }, (_, n) => `held-${String(n)}`)
    const held = ids.map((id) => ask(up().site, `/silent?id=${id}`))
    for (const id of ids) {
      await until(async () => (await seenOf(up().site, id)) !== null, `${id} to reach the app`)
    }
    const { openConnections, running: active } = await statistics()
    expect(active).toBeGreaterThan(20)
    // One a thread of HAProxy is what it needs; without multiplexing it would be one a request.
    expect(openConnections).toBeLessThan(16)
    for (const id of ids) await ask(up().site, `/events/end?id=${id}`)
    for (const response of await Promise.all(held)) expect(response.text).toBe('spoke\n')
  })

  it('an upload that nobody reads is ended, and the others on its connection are answered', async () => {
    const id = 'stalled'
    const stalled = open(up().site, `/stalled?id=${id}`, {
      method: 'POST',
      headers: { 'Content-Length': '5000000' },
      body: Buffer.alloc(5_000_000, 'x'),
    })
    const outcome = stalled.then(
      ({ status }) => status,
      () => 0,
    )
    await until(async () => (await seenOf(up().site, id)) !== null, 'the upload to reach the app')
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, n) => ask(up().site, `/other/${String(n)}`)),
    )
    expect(others.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
    expect(await outcome).toBe(408)
    expect((await seenOf(up().site, id))?.events).toContain('req aborted')
  })
})
