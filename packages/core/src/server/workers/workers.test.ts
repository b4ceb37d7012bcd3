import fs from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startLoad } from '../../../../../test/support/counting-client.ts'
import { listeningServer, startNode } from '../../../../../test/support/node-process.ts'
import { isAlive } from '../../../../../test/support/shared-hosts.ts'
import { until } from '../../../../../test/support/until.ts'
import { workerApp } from '../../../../../test/support/worker-app.ts'
import {
  allReady,
  ask,
  numbersOf,
  Pools,
  stop,
  type Pool,
  type PoolSettings,
} from '../../../../../test/support/worker-pools.ts'
import { ClientError } from '../../client/errors.ts'
import { request } from '../../client/request.ts'
import { jittered, workerCount, workerLimits } from './options.ts'

let pools: Pools

beforeAll(async () => {
  pools = await Pools.create()
})
afterEach(() => pools.end())
afterAll(() => pools.close())

function start(options: string, settings?: PoolSettings): Promise<Pool> {
  return pools.start(options, settings)
}

function matches(text: string, pattern: RegExp): number {
  return text.match(new RegExp(pattern, 'g'))?.length ?? 0
}

describe('workers', () => {
  it('serve the socket evenly; the first process never loads the app', async () => {
    const pool = await start('workers: 4')
    await allReady(pool, 4)
    const held = await Promise.all(
      Array.from({ length: 64 }, () => request({ ...pool.address, path: '/hold' })),
    )
    fs.writeFileSync(path.join(pool.folder, 'gate'), '')
    const texts = await Promise.all(held.map((response) => response.text()))
    const counts = new Map<string, number>()
    for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
    expect([...counts.keys()].every((text) => text.endsWith(' finished'))).toBe(true)
    expect(counts.size).toBe(4)
    // 16 each, but for a worker that had no processor for a while: it is passed over after 50 ms. Without the sharing
    // the first to wake has nearly all.
    expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(4)
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(32)
    expect(pool.pids()).not.toContain(pool.pid)
    expect(pool.stderr()).toContain('4 workers to serve')
    await stop(pool)
    expect(fs.existsSync(path.join(pool.folder, 's'))).toBe(false)
  })

  it('reload under load: every request is answered, and once', async () => {
    const pool = await start('workers: 2')
    await allReady(pool, 2)
    const load = startLoad((number) => ask(pool, `/${number}`))
    for (let version = 2; version <= 6; version += 1) {
      fs.writeFileSync(pool.app, workerApp(`v${version}`))
      pool.child.kill('SIGHUP')
      await until(() => matches(pool.stderr(), /reloaded: 2 workers/) === version - 1, 'the reload')
      await load.more(20)
    }
    const count = await load.stop()
    expect(count.faults).toEqual([])
    expect(count.answered).toBe(count.sent)
    expect([...count.texts].sort()).toEqual(['one', 'v2', 'v3', 'v4', 'v5', 'v6'])
    const numbers = numbersOf(pool)
    expect(numbers.length).toBe(count.sent)
    expect(new Set(numbers).size).toBe(count.sent)
    await stop(pool)
  })

  it('go on with the old code where the new one does not load', async () => {
    const pool = await start('workers: 1')
    const [old] = await allReady(pool, 1)
    fs.writeFileSync(pool.app, 'export default (')
    pool.child.kill('SIGHUP')
    await pool.waitForStderr(/the new code does not load: the old workers go on/)
    expect(pool.stderr()).toContain('SyntaxError')
    expect(await ask(pool, '/pid')).toBe(String(old))
    fs.writeFileSync(pool.app, workerApp('mended'))
    pool.child.kill('SIGHUP')
    await pool.waitForStderr(/reloaded: 1 worker replaced/)
    expect(await ask(pool, '/1')).toMatch(/^1 mended /)
    await stop(pool)
  })

  it('are replaced by new code in a reload: one alone, then up to half of them at a time', async () => {
    const pool = await start('workers: 4')
    await allReady(pool, 4)
    fs.writeFileSync(
      pool.app,
      `import fs from 'node:fs'
       const log = new URL('./loads', import.meta.url)
       const begun = () => fs.readFileSync(log, 'utf8').match(/begin/g).length
       fs.appendFileSync(log, 'begin ')
       // Whoever is not the first waits for another one to begin beside it.
       const first = begun() === 1
       while (!first && begun() < 3) await new Promise((resolve) => setTimeout(resolve, 10))
       fs.appendFileSync(log, 'end ')
       export default (req, res) => res.end(String(process.pid))`,
    )
    pool.child.kill('SIGHUP')
    await pool.waitForStderr(/reloaded: 4 workers replaced/)
    const loads = fs.readFileSync(path.join(pool.folder, 'loads'), 'utf8').trim().split(' ')
    expect(loads.slice(0, 2)).toEqual(['begin', 'end'])
    let loading = 0
    const atOnce = loads.map((what) => (loading += what === 'begin' ? 1 : -1))
    expect(Math.max(...atOnce)).toBe(2)
    await stop(pool)
  })

  it.each([
    [
      'never ends to load',
      'await new Promise(() => setInterval(() => {}, 1e6))',
      /is not ready after 4000 ms/,
    ],
    ['ends the process', 'process.exit(9)', /reload given up/],
    ['kills the process', 'process.kill(process.pid, "SIGKILL")', /reload given up/],
  ])('go on with the old code where the new one %s', async (_name, broken, line) => {
    const pool = await start('workers: 2, loadTimeout: 4000')
    const old = await allReady(pool, 2)
    fs.writeFileSync(pool.app, broken)
    pool.child.kill('SIGHUP')
    await pool.waitForStderr(line)
    await pool.waitForStderr(/the new code does not load: the old workers go on/)
    for (let n = 0; n < 8; n += 1) expect(old).toContain(Number(await ask(pool, '/pid')))
    await stop(pool)
  })

  it('answer 503 while the app cannot be loaded, try again, and recover', async () => {
    const pool = await start('workers: 2', { app: 'throw new Error("no database yet")' })
    const response = await request({ ...pool.address })
    expect(response.status).toBe(503)
    await response.text()
    fs.writeFileSync(pool.app, workerApp('late'))
    await until(async () => (await ask(pool, '/1')).startsWith('1 late '), 'recovery')
    await stop(pool)
  })

  it('are started again when they end: at once, then after a pause', async () => {
    const pool = await start('workers: 2')
    await allReady(pool, 2)
    for (let crash = 1; crash <= 3; crash += 1) {
      await expect(ask(pool, '/crash')).rejects.toThrow(ClientError)
      await until(() => matches(pool.stderr(), /ended \(status 7\)/) === crash, 'the crash')
      expect(await ask(pool, '/1')).toMatch(/^1 one /)
    }
    expect(pool.stderr()).toMatch(/worker \d+ ended \(status 7\) after \d+ s; another starts now/)
    expect(pool.stderr()).toMatch(/another starts in 0\.5 s/)
    await until(() => new Set(pool.pids()).size >= 4, 'new workers')
    await allReady(pool, 2)
    await stop(pool)
  })

  it('are killed and replaced when they give no sign of life', async () => {
    const pool = await start('workers: 1, workerTimeout: 3000')
    const [old] = await allReady(pool, 1)
    await expect(ask(pool, '/hang')).rejects.toThrow(ClientError)
    expect(pool.stderr()).toMatch(/worker \d+ has given no sign of life for \d+ s: killed/)
    expect(await ask(pool, '/pid')).not.toBe(String(old))
    await stop(pool)
  })

  it('are killed and replaced when they hang while they load their app', async () => {
    const pool = await start('workers: 1, workerTimeout: 3000, loadTimeout: 3000', {
      app: `console.error('hangs')\nfor (;;);`,
    })
    await pool.waitForStderr(/hangs/)
    fs.writeFileSync(pool.app, workerApp('mended'))
    expect(await ask(pool, '/1')).toMatch(/^1 mended /)
    expect(pool.stderr()).toMatch(/worker \d+ has given no sign of life for \d+ s: killed/)
    await stop(pool)
  })

  it.each([
    ['requests', 'workerMaxRequests: 5', /has served \d+ requests: another takes its place/],
    ['memory', 'workerMaxMemory: 1', /uses \d+ MB: another takes its place/],
  ])('are replaced when they have had enough: %s', async (_name, option, line) => {
    const pool = await start(`workers: 1, ${option}`)
    const [old] = await allReady(pool, 1)
    await until(async () => (await ask(pool, '/pid')) !== String(old), 'another worker')
    expect(pool.stderr()).toMatch(line)
    await until(() => !isAlive(old as number), 'the end of the old worker')
    await stop(pool)
  })

  it('are as many as before when one of them has had enough, whichever', async () => {
    const pool = await start('workers: 2, workerMaxMemory: 300')
    const [older, younger] = (await allReady(pool, 2)).sort((a, b) => a - b) as [number, number]
    await until(
      async () => (await ask(pool, `/fat/${younger}`)).endsWith(` ${younger}`),
      'its request',
    )
    await pool.waitForStderr(new RegExp(`worker ${younger} uses \\d+ MB: another takes its place`))
    await until(() => !isAlive(younger), 'its end')
    expect(await allReady(pool, 2)).toContain(older)
    await stop(pool)
  })

  it('that leave by a signal of their own are replaced without a lost request', async () => {
    const pool = await start('workers: 2')
    const [first] = await allReady(pool, 2)
    const load = startLoad((number) => ask(pool, `/${number}`))
    process.kill(first as number, 'SIGTERM')
    await pool.waitForStderr(/is leaving, another takes its place/)
    await load.more(50)
    expect((await load.stop()).faults).toEqual([])
    await until(
      () => !isAlive(first as number),
      () => `its end:\n${pool.stderr()}`,
      20_000,
    )
    await stop(pool)
  })

  it('that are killed cost what they were serving, and nothing else', async () => {
    const pool = await start('workers: 2')
    const [first] = await allReady(pool, 2)
    const width = 8
    const load = startLoad((number) => ask(pool, `/${number}`), width)
    await load.more(width)
    process.kill(first as number, 'SIGKILL')
    await pool.waitForStderr(/ended \(SIGKILL\) after \d+ s; another starts now/)
    await load.more(50)
    const { faults, answered, sent } = await load.stop()
    expect(faults.length).toBeLessThanOrEqual(width)
    expect(answered + faults.length).toBe(sent)
    const numbers = numbersOf(pool)
    expect(new Set(numbers).size).toBe(numbers.length)
    await stop(pool)
  })

  it('that stand still keep no connection which they have not read', async () => {
    const pool = await start('workers: 2, workerTimeout: 3000')
    const [first] = await allReady(pool, 2)
    process.kill(first as number, 'SIGSTOP')
    const load = startLoad((number) => ask(pool, `/${number}`))
    await pool.waitForStderr(/has given no sign of life/)
    await load.more(50)
    expect((await load.stop()).faults).toEqual([])
    await stop(pool)
  })

  it('finish what runs when the first process is killed, then end', async () => {
    const pool = await start('workers: 1')
    const [worker] = await allReady(pool, 1)
    const response = await request({ ...pool.address, path: '/hold' })
    pool.child.kill('SIGKILL')
    await pool.waitForStderr(/the primary process has gone/)
    expect(isAlive(worker as number)).toBe(true)
    fs.writeFileSync(path.join(pool.folder, 'gate'), '')
    expect(await response.text()).toBe(`${worker} finished`)
    await until(() => !isAlive(worker as number), 'the end of the worker')
  })

  it('end at once with a second signal', async () => {
    const pool = await start('workers: 1')
    const [worker] = await allReady(pool, 1)
    const response = await request({ ...pool.address, path: '/hold' })
    pool.child.kill('SIGTERM')
    await pool.waitForStderr(/SIGTERM: finishing/)
    pool.child.kill('SIGTERM')
    expect(await pool.ended).toBe(143)
    await expect(response.text()).rejects.toThrow(ClientError)
    await until(() => !isAlive(worker as number), 'the end of the worker')
  })

  it('leave connections that wait for them closed when told to stop before they are ready', async () => {
    const pool = await start('workers: 1', {
      app: 'await new Promise(() => setInterval(() => {}, 1e6))',
    })
    const waiting = ask(pool, '/1').catch((error: Error) => error)
    // Connections are accepted in the order they came: this one behind the first.
    await expect(
      request({ ...pool.address, timeout: 300 }).then((response) => response.text()),
    ).rejects.toThrow(ClientError)
    pool.child.kill('SIGTERM')
    expect(await waiting).toBeInstanceOf(Error)
    expect(await pool.ended).toBe(0)
  })

  it('open their logs anew on SIGUSR2, all of them', async () => {
    const log = path.join(pools.core.folder, 'pool.log')
    const pool = await start('workers: 1', { log })
    await allReady(pool, 1)
    fs.renameSync(log, `${log}.1`)
    pool.child.kill('SIGUSR2')
    await until(() => fs.existsSync(log), 'a new log')
    await until(async () => {
      await ask(pool, '/throw')
      return fs.readFileSync(log, 'utf8').includes('thrown in a worker')
    }, 'the line of a worker')
    pool.child.kill('SIGHUP')
    await until(() => fs.readFileSync(log, 'utf8').includes('reloaded'), 'the line of the primary')
    await stop(pool)
  })
})

describe('restartFile with workers', () => {
  it('reloads once when it changes, also to a time in the future; beside the script and beside its link', async () => {
    const real = pools.core.write(
      'restart/serve.mjs',
      `import { serve } from '@fastcgi/core'
       await serve(() => (req, res) => res.end(String(process.pid)), { env: false, workers: 1 })`,
    )
    const folder = path.join(pools.core.folder, 'link')
    const socketPath = path.join(folder, 's')
    fs.mkdirSync(path.join(folder, 'tmp'), { recursive: true })
    fs.symlinkSync(real, path.join(folder, 'serve.mjs'))
    const ours = path.join(path.dirname(real), 'tmp/restart.txt')
    fs.mkdirSync(path.dirname(ours))
    const started = startNode({
      file: path.join(folder, 'serve.mjs'),
      env: { FASTCGI_LISTEN: socketPath },
    })
    await started.waitForStderr(/listening on/)
    const first = await (await request({ socketPath })).text()
    // Made elsewhere: a look between the writing and the setting of its time would see two changes.
    const tomorrow = Date.now() / 1000 + 86_400
    fs.writeFileSync(`${ours}.new`, '')
    fs.utimesSync(`${ours}.new`, tomorrow, tomorrow)
    fs.renameSync(`${ours}.new`, ours)
    await started.waitForStderr(/reloaded: 1 worker replaced/)
    const second = await (await request({ socketPath })).text()
    expect(second).not.toBe(first)
    // Both files are looked at together: when this one is noticed, the other one has been looked at again.
    fs.writeFileSync(path.join(folder, 'tmp/restart.txt'), '')
    await started.waitForStderr(/\/link\/tmp\/restart\.txt has changed/)
    expect(matches(started.stderr(), /\/restart\/tmp\/restart\.txt has changed/)).toBe(1)
    await until(() => matches(started.stderr(), /reloaded: 1/) === 2, 'the last reload')
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
  })
})

describe('where workers are not ours to have', () => {
  it('a process with a socket on descriptor 0 says so and serves alone', async () => {
    const socketPath = path.join(pools.core.folder, 'spawned.sock')
    const file = pools.core.write(
      'spawned.mjs',
      `import { serve } from '@fastcgi/core'
       await serve(() => (req, res) => res.end(process.pid + ' ' + process.env.FASTCGI_WORKERS))`,
    )
    const started = startNode({
      file,
      stdin: await listeningServer(socketPath),
      env: { FASTCGI_WORKERS: '2' },
    })
    await started.waitForStderr(/workers are ignored: whoever started this process/)
    const response = await request({ socketPath })
    expect(await response.text()).toBe(`${started.pid} undefined`)
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
  })

  it('a number that is none ends the process with usage', async () => {
    const file = pools.core.write(
      'bad.mjs',
      `import { serve } from '@fastcgi/core'\nserve(() => 1)`,
    )
    const started = startNode({ file, args: ['--listen', ':0', '--workers', 'many'] })
    expect(await started.ended).toBe(64)
    expect(started.stderr()).toContain('--workers is a whole number')
  })
})

describe('workerCount', () => {
  const none = { arguments: [] }

  it('takes the option, then --workers, then the variable, which goes', () => {
    const env = { FASTCGI_WORKERS: '4' }
    expect(workerCount(none, env)).toBe(4)
    expect(env).toEqual({})
    expect(workerCount({ arguments: ['--workers', '3'] }, { FASTCGI_WORKERS: '4' })).toBe(3)
    expect(workerCount({ arguments: ['--workers=3'], workers: 2 }, {})).toBe(2)
    expect(workerCount({ arguments: ['--', '--workers=3'] }, { FASTCGI_WORKERS: '' })).toBe(0)
    expect(workerCount({ ...none, workers: 'auto' }, {})).toBeGreaterThanOrEqual(1)
    expect(workerCount({ ...none, workers: 0 }, { FASTCGI_WORKERS: '4' })).toBe(0)
  })

  it.each(['-1', '1.5', 'x', '9999'])('refuses %s', (text) => {
    expect(() => workerCount({ arguments: ['--workers', text] }, {})).toThrow(
      /--workers is a whole/,
    )
  })
})

describe('workerLimits', () => {
  it('has defaults, and names the option that cannot be', () => {
    expect(workerLimits({})).toEqual({ requests: 0, memory: 0, timeout: 60_000 })
    expect(() => workerLimits({ workerTimeout: 10 })).toThrow(/workerTimeout is 0 or at least 3000/)
    expect(() => workerLimits({ workerMaxMemory: -1 })).toThrow(/workerMaxMemory/)
    expect(() => workerLimits({ workerMaxRequests: 0.5 })).toThrow(/workerMaxRequests/)
  })
})

describe('jittered', () => {
  it('gives each worker limits of its own, up to a fifth below, and leaves 0 alone', () => {
    const all = Array.from({ length: 200 }, () => jittered({ requests: 1000, memory: 500 }))
    for (const limits of all) {
      expect(limits.requests).toBeGreaterThanOrEqual(800)
      expect(limits.requests).toBeLessThanOrEqual(1000)
      expect(limits.memory).toBeGreaterThanOrEqual(400)
      expect(limits.memory).toBeLessThanOrEqual(500)
    }
    expect(new Set(all.map(({ requests }) => requests)).size).toBeGreaterThan(50)
    expect(jittered({ requests: 0, memory: 0 })).toEqual({ requests: 0, memory: 0 })
  })
})
