// Hosts are asked how they are, and to end.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
} from '../../../../test/support/node-process.ts'
import { endHosts, hostsIn, killHosts } from '../../../../test/support/shared-hosts.ts'
import { until } from '../../../../test/support/until.ts'
import { request, type ClientResponse } from '../client.ts'
import { findSharedHosts, type SharedHost } from './find-hosts.ts'

let core: CompiledCore
let privateFolder = ''
let count = 0

const app = `
import { existsSync } from 'node:fs'
export default (req, res) => {
  if (req.url !== '/wait') return void res.end(String(process.pid))
  console.error('waiting')
  const timer = setInterval(() => {
    if (!existsSync(new URL('go', import.meta.url))) return
    clearInterval(timer)
    res.end('waited ' + process.pid)
  }, 10)
}
`
const script = `const { serve } = require('@fastcgi/core/shared')
serve(() => import('./app.mjs'), { sharedIdleTimeout: 30000 })
`

beforeAll(async () => {
  core = await compileCore()
  process.once('exit', leave)
  core.write('app.mjs', app)
  core.write('one.cjs', script)
  core.write('other.cjs', script)
})

afterAll(() => {
  process.removeListener('exit', leave)
  core.remove()
})

beforeEach(() => {
  privateFolder = join(core.folder, `private${(count += 1)}`)
  vi.stubEnv('FASTCGI_SHARED_DIR', privateFolder)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  killLeftovers()
  await endHosts(privateFolder)
})

function leave(): void {
  killHosts(privateFolder)
}

async function relay(name: string): Promise<NodeProcess & { readonly socketPath: string }> {
  const socketPath = join(core.folder, `h${(count += 1)}.sock`)
  const started = startNode({
    file: join(core.folder, name),
    stdin: await listeningServer(socketPath),
    env: { FASTCGI_SHARED_DIR: privateFolder },
  })
  return { ...started, socketPath }
}

async function get(socketPath: string, path = '/'): Promise<string> {
  const response: ClientResponse = await request({ socketPath, path })
  return response.text()
}

async function hostsOf(name: string): Promise<readonly SharedHost[]> {
  const { hosts, silent } = await findSharedHosts(join(core.folder, name))
  expect(silent).toEqual([])
  return hosts
}

/** A process that has closed its sockets may take a moment to go. */
function onlyHost(pid: number): Promise<void> {
  return until(
    () => String(hostsIn(privateFolder)) === String(pid),
    () => `only ${pid} of ${String(hostsIn(privateFolder))}`,
  )
}

describe('findSharedHosts', () => {
  it('finds nothing where there is nothing, and makes nothing', async () => {
    vi.stubEnv('FASTCGI_SHARED_DIR', join(core.folder, 'none'))
    expect(await findSharedHosts(join(core.folder, 'one.cjs'))).toEqual({ hosts: [], silent: [] })
    expect(existsSync(join(core.folder, 'none'))).toBe(false)
    mkdirSync(join(core.folder, 'empty'), { mode: 0o700 })
    vi.stubEnv('FASTCGI_SHARED_DIR', join(core.folder, 'empty'))
    expect(await findSharedHosts(join(core.folder, 'one.cjs'))).toEqual({ hosts: [], silent: [] })
    expect(readdirSync(join(core.folder, 'empty'))).toEqual([])
  })

  it('looks where a relay looks when no folder is named, and passes over what is not ours alone', async () => {
    vi.stubEnv('FASTCGI_SHARED_DIR', '')
    const open = join(core.folder, 'open')
    vi.stubEnv('XDG_RUNTIME_DIR', open)
    mkdirSync(join(open, 'fastcgi'), { recursive: true, mode: 0o755 })
    vi.stubEnv('TMPDIR', core.folder)
    const folder = join(core.folder, `fastcgi-${process.getuid?.()}`)
    const { existingFolders } = await import('./folder.ts')
    expect(existingFolders(process.env)).not.toContain(folder)
    mkdirSync(folder, { mode: 0o700 })
    expect(existingFolders(process.env)).toContain(folder)
    expect(existingFolders(process.env)).not.toContain(join(open, 'fastcgi'))
  })

  it('tells the host of a script from another, and how it is', async () => {
    const [one, second, other] = await Promise.all(['one.cjs', 'one.cjs', 'other.cjs'].map(relay))
    const pid = Number(await get(one!.socketPath))
    await get(second!.socketPath)
    const otherPid = Number(await get(other!.socketPath))
    const [host, ...more] = await hostsOf('one.cjs')
    expect(more).toEqual([])
    expect(host).toMatchObject({ pid, relays: 2, running: 0, requests: 2 })
    expect(host?.script).toBe(join(core.folder, 'one.cjs'))
    expect(host?.uptime).toBeGreaterThanOrEqual(0)
    expect(await host?.stop()).toBe(true)
    expect(await hostsOf('one.cjs')).toEqual([])
    expect((await hostsOf('other.cjs')).map((each) => each.pid)).toEqual([otherPid])
    await onlyHost(otherPid)
  })

  it('names who does not answer', async () => {
    const one = await relay('one.cjs')
    const pid = Number(await get(one.socketPath))
    process.kill(pid, 'SIGSTOP')
    const { hosts, silent } = await findSharedHosts(join(core.folder, 'one.cjs'), 100)
    process.kill(pid, 'SIGCONT')
    expect(hosts).toEqual([])
    expect(silent).toEqual([expect.stringMatching(/\/private\d+\/[0-9a-f]{16}\.\d+$/)])
  })
})

describe('stop', () => {
  it('ends the process with status 0, and says why in its log', async () => {
    mkdirSync(privateFolder, { mode: 0o700 })
    const host = startNode({
      file: join(core.folder, 'one.cjs'),
      env: {
        FASTCGI_SHARED_DIR: privateFolder,
        FASTCGI_SHARED_HOST: join(privateFolder, `${'a'.repeat(16)}.1`),
      },
    })
    await until(async () => (await hostsOf('one.cjs')).length === 1, 'the host to listen')
    const [found] = await hostsOf('one.cjs')
    expect(found?.pid).toBe(host.pid)
    expect(await found?.stop()).toBe(true)
    expect(await host.ended).toBe(0)
    expect(host.stderr()).toMatch(/asked to stop: finishing what runs, then ending/)
  })

  it('lets what runs be answered, and the next request start another', async () => {
    const one = await relay('one.cjs')
    const pid = Number(await get(one.socketPath))
    const answer = get(one.socketPath, '/wait')
    await one.waitForStderr(/waiting/)
    const [host] = await hostsOf('one.cjs')
    expect(host?.running).toBe(1)
    const stopped = host?.stop()
    await one.waitForStderr(/asked to stop/)
    const next = Number(await get(one.socketPath))
    expect(next).not.toBe(pid)
    // Whoever asks again finds that one, and the first is ending already.
    expect((await hostsOf('one.cjs')).map((each) => each.pid)).toEqual([next])
    expect(await host?.stop()).toBe(false)
    expect(new Set(hostsIn(privateFolder))).toEqual(new Set([pid, next]))
    core.write('go', '')
    expect(await answer).toBe(`waited ${pid}`)
    expect(await stopped).toBe(true)
    await onlyHost(next)
  })
})
