// Hosts with workers: relays, a primary that never loads the app, and the processes that do.
import { existsSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import { get, Relays, type Relay } from '../../../../test/support/relays.ts'
import { hostsIn, isAlive, workersIn } from '../../../../test/support/shared-hosts.ts'
import { until } from '../../../../test/support/until.ts'
import { workerApp as app } from '../../../../test/support/worker-app.ts'
import { findSharedHosts, type SharedHost } from './find-hosts.ts'
import { requestsEnding } from './generations.ts'
import { greet } from './link.ts'

let core: CompiledCore
let site: Relays
let count = 0

beforeAll(async () => {
  core = await compileCore()
  site = new Relays(core)
})
afterAll(async () => {
  await site.close()
  core.remove()
})
afterEach(() => site.end())

interface Place {
  readonly script: string
  /** What a file beside the app holds; empty when it is not there. */
  read(name: string): string
  write(name: string, text: string): void
  start(): Promise<Relay>
}

/** A script and an app in a folder of their own. */
function place(
  options: string,
  { code = app('one'), entry = '@fastcgi/core/shared' }: { code?: string; entry?: string } = {},
): Place {
  const folder = `site-${(count += 1)}`
  const at = (name: string): string => join(core.folder, folder, name)
  const write = (name: string, text: string): void => void core.write(`${folder}/${name}`, text)
  write('app.mjs', code)
  write('app.cjs', scriptOf(options, entry))
  return {
    script: at('app.cjs'),
    read: (name) => (existsSync(at(name)) ? readFileSync(at(name), 'utf8') : ''),
    write,
    start: () => site.start(`${folder}/app.cjs`),
  }
}

/** Hosts leave by themselves, too, should a test be killed. */
function scriptOf(options: string, entry = '@fastcgi/core/shared'): string {
  return `const { serve } = require('${entry}')
serve(() => import('./app.mjs'), { sharedIdleTimeout: 30000, ${options} })
`
}

async function textOf(through: Relay, target = '/'): Promise<string> {
  const answer = await get(through, target)
  const text = await answer.text()
  expect(answer.status, text).toBe(200)
  return text
}

interface Held {
  /** The worker that has it. */
  readonly pid: number
  /** The rest of its response. */
  readonly end: Promise<string>
}

/** A request that runs until there is a file `gate`. */
async function heldIn(through: Relay): Promise<Held> {
  const { body } = await get(through, '/hold')
  const pieces = body.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>
  const first = (await pieces.next()).value as string
  const end = (async () => {
    let text = ''
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
      text += next.value
    }
    return text
  })()
  end.catch(() => {})
  return { pid: Number(first), end }
}

/** Waits until so many workers have loaded their app. */
async function allReady({ script }: Place, workers: number): Promise<SharedHost> {
  let host: SharedHost | undefined
  await until(
    async () => {
      host = (await findIn(script))[0]
      // Its end may not have been noticed yet.
      const ready = host?.workers?.filter(({ pid, state }) => state === 'ready' && isAlive(pid))
      return ready?.length === workers
    },
    () => `${workers} workers, not ${JSON.stringify(host?.workers)}`,
  )
  return host as SharedHost
}

async function findIn(script: string): Promise<readonly SharedHost[]> {
  const before = process.env['FASTCGI_SHARED_DIR']
  process.env['FASTCGI_SHARED_DIR'] = site.folder
  try {
    return (await findSharedHosts(script)).hosts
  } finally {
    if (before === undefined) delete process.env['FASTCGI_SHARED_DIR']
    else process.env['FASTCGI_SHARED_DIR'] = before
  }
}

/** Asks until told to end; what it was answered. */
function load(relays: readonly Relay[]): { end(): Promise<string[]> } {
  const answers: string[] = []
  let ended = false
  const visit = async (through: Relay): Promise<void> => {
    while (!ended) {
      try {
        const answer = await get(through)
        answers.push(`${answer.status} ${await answer.text()}`)
      } catch (error) {
        answers.push(String(error))
        return
      }
    }
  }
  const visitors = relays.flatMap((each) => [visit(each), visit(each)])
  return {
    end: async () => {
      ended = true
      await Promise.all(visitors)
      return answers
    },
  }
}

function touch(file: string): void {
  utimesSync(file, new Date(), new Date(statSync(file).mtimeMs + 60_000))
}

function allGone(pids: readonly number[]): Promise<void> {
  return until(
    () => !pids.some(isAlive),
    () => `${pids.filter(isAlive).join()} to end`,
  )
}

describe('a host with workers', () => {
  it.each(['@fastcgi/core/shared', '@fastcgi/core'])(
    'has the app run in them alone, and as many connections in each (%s)',
    async (entry) => {
      const at = place('workers: 3', { entry })
      const relays = await Promise.all([at.start(), at.start(), at.start()])
      const host = await allReady(at, 3)
      const workers = host.workers?.map(({ pid }) => pid) as number[]
      expect(hostsIn(site.folder)).toEqual([host.pid])
      expect(workersIn(site.folder).sort()).toEqual(workers.sort())
      expect(at.read('pids').trim().split('\n').map(Number).sort()).toEqual(workers)
      const hold = (number: number): Promise<Held[]> =>
        Promise.all(relays.flatMap((each) => Array.from({ length: number }, () => heldIn(each))))
      // Opened at once, by relays that know nothing of each other.
      const held = await hold(8)
      const counts = workers.map((pid) => held.filter((each) => each.pid === pid).length)
      expect(counts.reduce((sum, each) => sum + each)).toBe(24)
      // 8 each, but for a worker that had no processor for a while.
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(4)
      // One that has none gets what comes next.
      process.kill(workers[0] as number, 'SIGKILL')
      await allGone(workers.slice(0, 1))
      const fresh = (await allReady(at, 3)).workers?.find(({ pid }) => !workers.includes(pid))?.pid
      const later = await hold(1)
      expect(later.map(({ pid }) => pid)).toEqual([fresh, fresh, fresh])
      at.write('gate', '')
      const ends = await Promise.allSettled([...held, ...later].map(({ end }) => end))
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(
        27 - (counts[0] as number),
      )
    },
  )

  it('passes large bodies both ways', async () => {
    const through = await place('workers: 1').start()
    const body = Buffer.alloc(8 << 20, 'x')
    const answer = await get(through, '/echo', { method: 'POST', body })
    expect(Buffer.compare(await answer.bytes(), body)).toBe(0)
  })

  it('writes what workers say to the error log as it is now, the warning of sessions in memory too', async () => {
    const at = place('workers: 2')
    const first = await at.start()
    await textOf(first)
    const through = await at.start()
    await textOf(through)
    // The host was started with its descriptors.
    first.child.kill('SIGTERM')
    await first.exited
    await textOf(through, '/log')
    await through.waitForStderr(/^said by the app$/m)
    await textOf(through, '/session')
    await through.waitForStderr(/leave workers out.* \[FCGI_MEMORY_SESSIONS\]/)
  })

  it('takes the number from --workers and FASTCGI_WORKERS, and the app sees neither', async () => {
    const at = place('', {
      code: `export default (req, res) => res.end(Object.keys(process.env).filter((name) => name.startsWith('FASTCGI_')).join())`,
    })
    const path = join(dirname(at.script), 'app.cjs').slice(core.folder.length + 1)
    const through = await site.start(path, { env: { FASTCGI_WORKERS: '2' } })
    expect(await textOf(through)).toBe('FASTCGI_SHARED_DIR')
    await allReady(at, 2)
    await site.end()
    await site.start(path, { args: ['--workers', '2'] })
    await allReady(at, 2)
  })

  it('shows its workers to whoever asks, and ends with them', async () => {
    const at = place('workers: 2')
    const through = await at.start()
    await allReady(at, 2)
    await textOf(through)
    let host: SharedHost | undefined
    await until(async () => {
      host = (await findIn(at.script))[0]
      return host?.requests === 1
    }, 'the request to be counted')
    expect(host).toMatchObject({ script: at.script, relays: 1, running: 0 })
    expect(host?.workers?.map(({ requests }) => requests).sort()).toEqual([0, 1])
    const all = [...hostsIn(site.folder), ...workersIn(site.folder)]
    expect(await host?.stop()).toBe(true)
    await allGone(all)
    await through.waitForStderr(/asked to stop/)
  })

  it('lets nobody in who does not know the key', async () => {
    const at = place('workers: 1')
    const through = await at.start()
    const before = await textOf(through)
    const socket = newest(at)
    const asked = greet(`${socket}${requestsEnding}`, 'request', 'f'.repeat(64))
    expect((await asked).type).toBe('closed')
    // Nor is the host's own socket a way around its workers.
    const { readKey } = await import('./folder.ts')
    const around = greet(socket, 'request', readKey(site.folder))
    expect((await around).type).toBe('closed')
    expect(await textOf(through)).toBe(before)
  })
})

/** Path of the one host's socket. */
function newest({ script }: Place): string {
  const mark = 'FASTCGI_SHARED_HOST='
  const [pid] = hostsIn(site.folder)
  const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
  expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).toContain(script)
  return (environment.find((each) => each.startsWith(mark)) as string).slice(mark.length)
}

describe('new code', () => {
  it('by a touched restart file, in mid-load: the workers are replaced, and no request is lost', async () => {
    const at = place('workers: 2')
    at.write('tmp/restart.txt', '')
    const relays = await Promise.all([at.start(), at.start()])
    const host = await allReady(at, 2)
    const loading = load(relays)
    at.write('app.mjs', app('two'))
    touch(join(dirname(at.script), 'tmp/restart.txt'))
    const said = (): string => relays.map(({ stderr }) => stderr()).join('')
    await until(() => /reloaded: 2 workers replaced/.test(said()), said)
    expect(await textOf(relays[0] as Relay)).toMatch(/^two /)
    const answers = await loading.end()
    expect(answers.filter((each) => !each.startsWith('200 '))).toEqual([])
    expect(answers.some((each) => each.startsWith('200 one'))).toBe(true)
    expect(hostsIn(site.folder)).toEqual([host.pid])
    for (const { child } of relays) expect(child.exitCode).toBeNull()
  })

  it('by another script: host and relays end, since its options may be others', async () => {
    const at = place('workers: 1')
    const through = await at.start()
    const host = await allReady(at, 1)
    at.write('app.cjs', scriptOf('workers: 2'))
    await allGone([host.pid])
    expect(await through.exited).toBe(0)
    await at.start()
    expect((await allReady(at, 2)).pid).not.toBe(host.pid)
  })

  it('that does not load: the old workers go on, and the log has the reason', async () => {
    const at = place('workers: 1')
    at.write('tmp/restart.txt', '')
    const through = await at.start()
    const before = await textOf(through)
    at.write('app.mjs', `throw new Error('cannot load')`)
    touch(join(dirname(at.script), 'tmp/restart.txt'))
    await through.waitForStderr(/Error: cannot load/)
    await through.waitForStderr(/reload given up/)
    expect(await textOf(through)).toBe(before)
  })
})

describe('what goes wrong', () => {
  it('a worker dies: 503 for what it had not answered, the others go on, another takes its place', async () => {
    const at = place('workers: 2')
    const through = await at.start()
    const host = await allReady(at, 2)
    const silent = get(through, '/silent')
    let busy: number | undefined
    await until(async () => {
      const [{ workers = [] } = {}] = await findIn(at.script)
      busy = workers.find(({ running }) => running === 1)?.pid
      return busy !== undefined
    }, 'the request to run')
    process.kill(busy as number, 'SIGKILL')
    const answer = await silent
    expect(answer.status).toBe(503)
    expect(await answer.text()).toContain('ended before it answered')
    await through.waitForStderr(
      new RegExp(`503: a worker of process ${host.pid} has ended .*FCGI_HOST_GONE`),
    )
    await through.waitForStderr(new RegExp(`worker ${busy} ended \\(SIGKILL\\)`))
    expect((await allReady(at, 2)).pid).toBe(host.pid)
  })

  it('a worker is deaf: the others go on, and it is killed and replaced', async () => {
    const at = place('workers: 2, workerTimeout: 3000')
    const through = await at.start()
    await allReady(at, 2)
    const deaf = get(through, '/hang')
    await through.waitForStderr(/hanging/)
    await Promise.all(Array.from({ length: 20 }, () => textOf(through)))
    expect((await deaf).status).toBe(503)
    await through.waitForStderr(/has given no sign of life for \d+ s: killed/)
    await allReady(at, 2)
  })

  it('workers have served enough: they are replaced, and no request is lost', async () => {
    const at = place('workers: 2, workerMaxRequests: 40')
    const through = await at.start()
    const host = await allReady(at, 2)
    const loading = load([through])
    await until(
      () => (through.stderr().match(/has served \d+ requests/g)?.length ?? 0) >= 3,
      'three',
    )
    const answers = await loading.end()
    expect(answers.filter((each) => !/^200 one \d+$/.test(each))).toEqual([])
    expect(new Set(answers).size).toBeGreaterThan(2)
    expect(hostsIn(site.folder)).toEqual([host.pid])
  })

  it('workers die in mid-load: nobody is answered anything but by the app, or 503', async () => {
    const at = place('workers: 3')
    const relays = await Promise.all([at.start(), at.start()])
    await allReady(at, 3)
    const loading = load(relays)
    for (let kills = 0; kills < 3; kills += 1) {
      await allReady(at, 3)
      const [pid] = workersIn(site.folder) as [number]
      process.kill(pid, 'SIGKILL')
      await allGone([pid])
    }
    const answers = await loading.end()
    const bad = answers.filter((each) => !/^200 one \d+$/.test(each))
    for (const each of bad) expect(each).toMatch(/^503 .*ended before it answered/s)
    // What each had begun: as many as visitors at the most.
    expect(bad.length).toBeLessThanOrEqual(3 * 4)
    expect(hostsIn(site.folder)).toHaveLength(1)
  })

  it('the host dies: its workers finish what they have, and the next request starts another', async () => {
    const at = place('workers: 2')
    const through = await at.start()
    const host = await allReady(at, 2)
    const held = await get(through, '/hold')
    const workers = workersIn(site.folder)
    process.kill(host.pid, 'SIGKILL')
    await allGone([host.pid])
    await textOf(through)
    expect(hostsIn(site.folder)).not.toContain(host.pid)
    at.write('gate', '')
    expect(await held.text()).toMatch(/finished$/)
    await allGone(workers)
  })

  it('the app does not load: 503, with the reason in the log, until it does', async () => {
    const at = place('workers: 2', { code: `throw new Error('cannot load')` })
    const through = await at.start()
    const answer = await get(through)
    expect(answer.status).toBe(503)
    expect(await answer.text()).toMatch(/look for [0-9a-f]{8}/)
    await through.waitForStderr(/Error: cannot load/)
    at.write('app.mjs', app('two'))
    await until(async () => (await get(through)).status === 200, 'it to be tried again')
  })

  it('the app ends the process while it is loaded: 503 at once, and each request tries again', async () => {
    const at = place('workers: 2', { code: 'console.log("no database"); process.exit(3)' })
    const through = await at.start()
    // The pause before a worker is started again grows to more than this test may take: nobody waits for it.
    for (let tries = 0; tries < 7; tries += 1) {
      const answer = await get(through)
      expect(answer.status).toBe(503)
      await answer.discard()
    }
    await through.waitForStderr(/no worker of process \d+ has loaded it \[FCGI_HOST_GONE\]/)
    await through.waitForStderr(/no database/)
    at.write('app.mjs', app('two'))
    await until(async () => (await get(through)).status === 200, 'it to be tried again')
  })
})

describe('the end of a host with workers', () => {
  it('by SIGTERM, in mid-load: they finish, the next requests get another, and none is lost', async () => {
    const at = place('workers: 2')
    const relays = (await Promise.all([at.start(), at.start()])) as [Relay, Relay]
    const host = await allReady(at, 2)
    const all = [host.pid, ...workersIn(site.folder)]
    const held = await Promise.all(relays.map((each) => get(each, '/hold')))
    const loading = load(relays)
    process.kill(host.pid, 'SIGTERM')
    const said = (): string => relays.map(({ stderr }) => stderr()).join('')
    await until(() => /SIGTERM: finishing what runs/.test(said()), said)
    await textOf(relays[0])
    expect(all.filter(isAlive)).toContain(host.pid)
    at.write('gate', '')
    for (const answer of held) expect(await answer.text()).toMatch(/finished$/)
    await allGone(all)
    const answers = await loading.end()
    expect(answers.filter((each) => !each.startsWith('200 '))).toEqual([])
    expect(hostsIn(site.folder)).toHaveLength(1)
  })

  it('when no relay has been there for a while', async () => {
    const at = place('workers: 1')
    at.write('app.cjs', scriptOf('workers: 1, sharedIdleTimeout: 100'))
    const through = await at.start()
    const host = await allReady(at, 1)
    const all = [host.pid, ...workersIn(site.folder)]
    through.child.kill('SIGTERM')
    await allGone(all)
  })

  it('when the socket for requests is deleted: all go to a new one', async () => {
    const at = place('workers: 1')
    const through = await at.start()
    const host = await allReady(at, 1)
    rmSync(`${newest(at)}${requestsEnding}`)
    await through.waitForStderr(/private socket has been deleted/)
    await allGone([host.pid])
    await textOf(through)
    expect(hostsIn(site.folder)).not.toContain(host.pid)
  })
})
