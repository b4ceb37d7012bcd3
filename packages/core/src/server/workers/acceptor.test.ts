// Workers accept by themselves: what that makes possible, and what holds where they cannot.
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startLoad } from '../../../../../test/support/counting-client.ts'
import { startNode } from '../../../../../test/support/node-process.ts'
import * as raw from '../../../../../test/support/raw.ts'
import {
  allReady,
  ask,
  Pools,
  stop,
  type Pool,
  type PoolSettings,
} from '../../../../../test/support/worker-pools.ts'
import { request } from '../../client/request.ts'

let pools: Pools

beforeAll(async () => {
  pools = await Pools.create()
})
afterEach(() => pools.end())
afterAll(() => pools.close())

/** All have answered. */
async function start(
  count: number,
  listen: 'unix' | 'tcp',
  more: PoolSettings = {},
): Promise<{ pool: Pool; workers: number[] }> {
  const pool = await pools.start(`workers: ${count}, workerTimeout: 0`, { ...more, listen })
  return { pool, workers: await allReady(pool, count) }
}

describe('workers that accept by themselves', () => {
  it.each(['unix', 'tcp'] as const)(
    'serve while the first process stands still, over %s',
    async (listen) => {
      const { pool } = await start(2, listen)
      // It stops to accept when the first worker does.
      pool.child.kill('SIGSTOP')
      // Few enough that no worker has a surplus, which the first process would have to pass on.
      const load = startLoad((id) => ask(pool, `/${id}`), 3)
      await load.more(100)
      const { faults, answered, sent } = await load.stop()
      pool.child.kill('SIGCONT')
      expect(faults).toEqual([])
      expect(answered).toBe(sent)
      await stop(pool)
    },
  )

  it('leave the first process nothing to accept', async () => {
    const preload = pools.core.write(
      'watch-primary.mjs',
      `import cluster from 'node:cluster'
       import net from 'node:net'
       const { emit } = net.Server.prototype
       net.Server.prototype.emit = function (event, ...rest) {
         if (event === 'connection' && cluster.isPrimary) process.stderr.write('accepted\\n')
         return emit.call(this, event, ...rest)
       }`,
    )
    const { pool } = await start(2, 'unix', { nodeArgs: ['--import', preload] })
    const accepted = (): number => pool.stderr().match(/accepted/g)?.length ?? 0
    // It had those who came before a worker was there.
    expect(accepted()).toBeGreaterThan(0)
    const before = accepted()
    for (let n = 0; n < 50; n += 1) await ask(pool, `/${n}`)
    await stop(pool)
    expect(accepted()).toBe(before)
  })

  it.each(['unix', 'tcp'] as const)(
    'answer those who had connected when they were told to end, over %s',
    async (listen) => {
      const { pool, workers } = await start(1, listen)
      const [worker] = workers as [number]
      process.kill(worker, 'SIGSTOP')
      const waiting = Array.from({ length: 20 }, (_, n) => ask(pool, `/${n}`))
      const params = { REQUEST_METHOD: 'GET', REQUEST_URI: '/last', SERVER_PROTOCOL: 'HTTP/1.1' }
      const last = net.connect(
        'socketPath' in pool.address ? { path: pool.address.socketPath } : pool.address,
      )
      await once(last, 'connect')
      const bytes = once(last, 'data')
      last.write(raw.request(1, { params }))
      pool.child.kill('SIGTERM')
      await pool.waitForStderr(/SIGTERM: finishing what runs/)
      process.kill(worker, 'SIGCONT')
      expect(await Promise.all(waiting)).toEqual(waiting.map((_, n) => `${n} one ${worker}`))
      const [answer] = (await bytes) as [Buffer]
      expect(answer.toString('latin1')).toContain(`last one ${worker}`)
      expect(await pool.ended).toBe(0)
    },
  )

  it('let in by TCP who may connect, and nobody else', async () => {
    const file = pools.core.write(
      'allowed.mjs',
      `import { serve } from '@fastcgi/core'
       const load = () => {
         console.error('loaded')
         return (req, res) => res.end()
       }
       await serve(load, {
         env: false, workers: 1, allow: process.env.ALLOWED.split(','), listen: '127.0.0.1:0',
       })`,
    )
    for (const [allowed, answers] of [
      ['192.0.2.1,127.0.0.1', true],
      ['192.0.2.1', false],
    ] as const) {
      const started = startNode({ file, env: { ALLOWED: allowed } })
      await started.waitForStderr(/listening on/)
      await started.waitForStderr(/loaded/)
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(started.stderr())?.[1])
      const asked = (): Promise<number> =>
        request({ port, host: '127.0.0.1' }).then(({ status }) => status)
      const expectAnswer = async (): Promise<void> => {
        if (answers) expect(await asked()).toBe(200)
        else await expect(asked()).rejects.toThrow(/closed|ECONNRESET/)
      }
      for (let n = 0; n < 20; n += 1) await expectAnswer()
      // From here on only the worker can judge.
      started.child.kill('SIGSTOP')
      await expectAnswer()
      started.child.kill('SIGCONT')
      started.child.kill('SIGTERM')
      expect(await started.ended).toBe(0)
    }
  })

  it('leave those who connect while no worker is there to the next one', async () => {
    const { pool, workers } = await start(1, 'unix')
    const [worker] = workers as [number]
    process.kill(worker, 'SIGKILL')
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(pool, `/${n}`)))
    expect(answers.map((text) => text.split(' ')[0])).toEqual(answers.map((_, n) => String(n)))
    expect(new Set(answers.map((text) => text.split(' ')[2])).has(String(worker))).toBe(false)
    await stop(pool)
  })
})

describe('workers that cannot accept by themselves', () => {
  it('are handed connections, and reload without losing one: where Node calls `listen` otherwise', async () => {
    const preload = pools.core.write(
      'no-listen.mjs',
      `process.on('message', (message, handle) => {
         if (message?.fastcgi !== 'listen') return
         Object.getPrototypeOf(handle).listen = undefined
         process.stderr.write('taken away\\n')
       })`,
    )
    const { pool } = await start(2, 'unix', { nodeArgs: ['--import', preload] })
    expect(pool.stderr()).toContain('taken away')
    const load = startLoad((id) => ask(pool, `/${id}`))
    await load.more(20)
    pool.child.kill('SIGHUP')
    await pool.waitForStderr(/reloaded: 2 workers replaced/)
    await load.more(20)
    const { faults, answered, sent } = await load.stop()
    expect(faults).toEqual([])
    expect(answered).toBe(sent)
    await stop(pool)
    expect(fs.existsSync(`${pool.folder}/s`)).toBe(false)
  })
})
