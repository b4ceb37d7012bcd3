/** What only HAProxy does: several machines with health checks, and many requests on one connection. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import path from 'node:path'

import { ask, open, seenOf } from '../conformance/site.ts'
import { freePort } from '../support/web-server.ts'
import { until } from '../support/until.ts'
import { startApp, type AppProcess } from './app.ts'
import { running } from './conformance.ts'
import { haproxy } from './programs/haproxy.ts'
import { conformanceSite, startSite, type RunningSite, type Setup } from './setup.ts'

const script = path.join(conformanceSite, 'app.fcgi')

describe('haproxy cluster.cfg', () => {
  const apps: (AppProcess | undefined)[] = []
  const ports: number[] = []
  let site: RunningSite

  beforeAll(async () => {
    for (const n of [0, 1]) {
      ports[n] = await freePort()
      apps[n] = await startApp(script, ports[n])
    }
    const setup: Setup = {
      server: 'haproxy',
      file: 'cluster.cfg',
      moves: () => ({
        '10.0.0.1:9000': `127.0.0.1:${String(ports[0])}`,
        '10.0.0.2:9000': `127.0.0.1:${String(ports[1])}`,
        'inter 2s': 'inter 200ms',
      }),
    }
    site = await startSite(haproxy, setup, { app: conformanceSite, run: '' })
  })

  afterAll(async () => {
    await site?.web.stop()
    for (const app of apps) await app?.stop()
  })

  const pid = async (): Promise<number> => (await ask(site, '/')).json().pid as number

  it('balances requests over the machines', async () => {
    const seen = new Set<number>()
    await until(async () => seen.add(await pid()).size === 2, 'both machines to answer')
    expect([...seen].toSorted()).toEqual(apps.map((app) => app?.pid).toSorted())
  })

  it('a machine that stops costs no request; one that comes back gets requests again', async () => {
    const from = site.web.log().length
    const failed: string[] = []
    let stopped = false
    const load = (async () => {
      while (!stopped) {
        const response = await ask(site, '/').catch((error: unknown) => error as Error)
        if (response instanceof Error || response.status !== 200) {
          failed.push(response instanceof Error ? String(response) : String(response.status))
        }
      }
    })()
    await apps[1]?.stop()
    apps[1] = undefined
    await site.web.waitForLog(/app2 is DOWN/, from)
    apps[1] = await startApp(script, ports[1] as number)
    await site.web.waitForLog(/app2 is UP/, from)
    const back = apps[1]?.pid
    await until(async () => (await pid()) === back, 'the machine that came back to answer')
    stopped = true
    await load
    expect(failed).toEqual([])
  })
})

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
