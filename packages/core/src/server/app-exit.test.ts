import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import {
  killLeftovers,
  startNode,
  type NodeProcess,
} from '../../../../test/support/node-process.ts'
import { request } from '../client/request.ts'

let core: CompiledCore
beforeAll(async () => {
  core = await compileCore()
})
afterAll(() => core.remove())
afterEach(() => killLeftovers())

/** A process that serves an app, on a socket. */
function serving(name: string, app: string): { started: NodeProcess; socketPath: string } {
  core.write(`${name}.mjs`, app)
  const script = `const { serve } = require('@fastcgi/core')\nserve(() => import('./${name}.mjs'))\n`
  core.write(`${name}.cjs`, script)
  const socketPath = path.join(core.folder, `${name}.sock`)
  const file = path.join(core.folder, `${name}.cjs`)
  return { started: startNode({ file, args: ['--listen', socketPath] }), socketPath }
}

describe('process.exit() of an app', () => {
  it('is told, with its place, while the app loads', async () => {
    const { started } = serving('early', 'const code = 1\nprocess.exit(code)\n')
    expect(await started.ended).toBe(1)
    expect(started.stderr()).toContain('while it was loading, by process.exit(1):\n')
    expect(started.stderr()).toMatch(/early\.mjs:2:9\)?\n(?:.*\n)*fastcgi: +FCGI_APP_EXIT\n$/)
    expect(started.stderr()).not.toContain('node:internal')
  })

  it('is told later where the code is not 0', async () => {
    const { started, socketPath } = serving(
      'later',
      'export default (req, res) => (req.url === "/end" ? process.exit(3) : res.end("x"))\n',
    )
    await started.waitForStderr(/listening on/)
    expect(await (await request({ socketPath, path: '/' })).text()).toBe('x')
    await expect(request({ socketPath, path: '/end' })).rejects.toThrow('closed')
    expect(await started.ended).toBe(3)
    expect(started.stderr()).toMatch(/by process\.exit\(3\):\n.*later\.mjs:1:/)
  })

  it('is nothing to tell where the app ends well, or is told to end while it loads', async () => {
    const well = serving('well', 'export default (req, res) => process.exit(0)\n')
    await well.started.waitForStderr(/listening on/)
    await expect(request({ socketPath: well.socketPath, path: '/' })).rejects.toThrow('closed')
    expect(await well.started.ended).toBe(0)
    const slow = serving('slow', 'await new Promise((resolve) => setTimeout(resolve, 1e6))\n')
    await slow.started.waitForStderr(/listening on/)
    slow.started.child.kill('SIGTERM')
    expect(await slow.started.ended).toBe(0)
    for (const { started } of [well, slow]) expect(started.stderr()).not.toContain('FCGI_APP_EXIT')
  })
})
