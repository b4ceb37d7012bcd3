import fs from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
} from '../../../../test/support/node-process.ts'
import { until } from '../../../../test/support/until.ts'
import { notifySettings } from './notify-settings.ts'

// The real systemd-notify is tried in test/servers; here a program of that name writes down what it is told.
let core: CompiledCore
let tools: string
let number = 0

beforeAll(async () => {
  core = await compileCore()
  tools = path.join(core.folder, 'tools')
  const tool = core.write(
    'tools/systemd-notify',
    `#!${process.execPath}
     require('node:fs').appendFileSync(process.env.NOTIFY_SOCKET, process.argv.slice(2).join(' ') + '\\n')`,
  )
  core.write('tools/package.json', '{"type":"commonjs"}')
  fs.chmodSync(tool, 0o755)
})
afterEach(killLeftovers)
afterAll(() => core.remove())

interface Started extends NodeProcess {
  told(): string[]
  app: string
}

async function start(
  env: Record<string, string>,
  app = 'export default (req, res) => res.end()',
): Promise<Started> {
  number += 1
  const record = path.join(core.folder, `told-${number}`)
  const module = core.write(`n-${number}/app.mjs`, app)
  const file = core.write(
    `n-${number}/serve.mjs`,
    `import { serve } from '@fastcgi/core'\nserve(() => import('./app.mjs'), { env: false })`,
  )
  const started = startNode({
    file,
    env: {
      PATH: tools,
      FASTCGI_LISTEN: path.join(core.folder, `s-${number}`),
      NOTIFY_SOCKET: record,
      ...env,
    },
  })
  // Whole lines: the file is there before its first line is.
  const told = (): string[] =>
    fs.existsSync(record) ? fs.readFileSync(record, 'utf8').split('\n').slice(0, -1) : []
  return { ...started, told, app: module }
}

async function hears(started: Started, count: number): Promise<void> {
  await until(
    () => started.told().length >= count,
    () => `${count} messages: ${started.told().join('; ')}\n${started.stderr()}`,
  )
}

describe('systemd', () => {
  it('hears when the app is loaded, not before, and when the end begins', async () => {
    const gate = path.join(core.folder, 'gate')
    const started = await start(
      {},
      `import fs from 'node:fs'
       while (!fs.existsSync(${JSON.stringify(gate)})) await new Promise((r) => setTimeout(r, 20))
       export default (req, res) => res.end()`,
    )
    await started.waitForStderr(/listening on/)
    expect(started.told()).toEqual([])
    fs.writeFileSync(gate, '')
    await hears(started, 1)
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
    // The last message may outlive the process that sent it.
    await hears(started, 2)
    expect(started.told()).toEqual([
      'READY=1 STATUS=serving',
      'STOPPING=1 STATUS=finishing what runs',
    ])
  })

  it('hears of a reload, and of its end also where the new code does not load', async () => {
    const started = await start({ FASTCGI_WORKERS: '2' })
    await hears(started, 1)
    expect(started.told()).toEqual(['READY=1 STATUS=serving'])
    started.child.kill('SIGHUP')
    await hears(started, 3)
    fs.writeFileSync(started.app, 'throw new Error("broken")')
    started.child.kill('SIGHUP')
    await hears(started, 5)
    expect(started.told().slice(1)).toEqual([
      expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/),
      'READY=1 STATUS=serving',
      expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/),
      'READY=1 STATUS=serving',
    ])
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
  })

  it('hears that the process is alive, and that the app could not be loaded', async () => {
    const started = await start({ WATCHDOG_USEC: '100000' }, 'throw new Error("broken")')
    await hears(started, 4)
    expect(started.told()).toContain(
      'STATUS=the app could not be loaded: every request is answered 503',
    )
    expect(started.told().filter((line) => line === 'WATCHDOG=1').length).toBeGreaterThanOrEqual(3)
    expect(started.told().join()).not.toContain('READY')
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
  })

  it('costs a line in the log where systemd-notify is missing', async () => {
    const started = await start({ PATH: '/nowhere' })
    await started.waitForStderr(/systemd cannot be told how this process is: .*ENOENT/)
    started.child.kill('SIGTERM')
    expect(await started.ended).toBe(0)
    expect(started.stderr().match(/systemd cannot/g)).toHaveLength(1)
  })

  it('hears nothing from a process that a web server has started', async () => {
    const started = await start({ FASTCGI_LISTEN: '' })
    expect(await started.ended).toBe(64)
    number += 1
    const socket = await listeningServer(path.join(core.folder, `s-${number}`))
    const spawned = startNode({
      file: path.join(path.dirname(started.app), 'serve.mjs'),
      stdin: socket,
      env: { PATH: tools, NOTIFY_SOCKET: path.join(core.folder, 'other') },
    })
    await spawned.waitForStderr(/listening on/)
    spawned.child.kill('SIGTERM')
    expect(await spawned.ended).toBe(0)
    expect(fs.existsSync(path.join(core.folder, 'other'))).toBe(false)
  })
})

describe('notifySettings', () => {
  it('takes the socket, and the watchdog where it is ours', () => {
    expect(notifySettings({})).toBeUndefined()
    expect(notifySettings({ NOTIFY_SOCKET: 'relative' })).toBeUndefined()
    expect(notifySettings({ NOTIFY_SOCKET: '@abstract' })).toEqual({
      socket: '@abstract',
      watchdog: undefined,
    })
    const env = { NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000' }
    expect(notifySettings(env)).toEqual({ socket: '/run/n', watchdog: 30_000 })
    expect(notifySettings({ ...env, WATCHDOG_PID: '12' }, 12)?.watchdog).toBe(30_000)
    expect(notifySettings({ ...env, WATCHDOG_PID: '12' }, 13)?.watchdog).toBeUndefined()
    expect(notifySettings({ ...env, WATCHDOG_USEC: 'soon' })?.watchdog).toBeUndefined()
  })
})
