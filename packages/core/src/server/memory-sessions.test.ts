import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
} from '../../../../test/support/node-process.ts'
import { request } from '../client/request.ts'

let core: CompiledCore
let socket = ''

beforeAll(async () => {
  core = await compileCore()
  socket = path.join(core.folder, 'app.sock')
  const session = createRequire(
    path.resolve(import.meta.dirname, '../../../../test/package.json'),
  ).resolve('express-session')
  core.write(
    'app.mjs',
    `import { createRequire } from 'node:module'
const session = createRequire(import.meta.url)(${JSON.stringify(session)})
const use = session({ secret: 'a secret', resave: false, saveUninitialized: true })
export default (req, res) => {
  if (req.url === '/throw') throw new Error('no luck')
  use(req, res, () => res.end('ok'))
}
`,
  )
  core.write(
    'app.cjs',
    "const { serve } = require('@fastcgi/core')\nserve(() => import('./app.mjs'))\n",
  )
})
afterAll(() => core.remove())
afterEach(() => {
  killLeftovers()
  rmSync(socket, { force: true })
})

async function ask(target = '/'): Promise<string> {
  const response = await request({ socketPath: socket, path: target })
  return response.text()
}

const file = (): string => path.join(core.folder, 'app.cjs')

async function end(app: NodeProcess): Promise<string> {
  app.child.kill('SIGTERM')
  expect(await app.ended).toBe(0)
  return app.stderr()
}

describe('sessions in memory', () => {
  it('are named once where a web server starts several processes', async () => {
    const app = startNode({ file: file(), stdin: await listeningServer(socket) })
    for (let i = 0; i < 3; i++) expect(await ask()).toBe('ok')
    const log = await end(app)
    expect(log.match(/FCGI_MEMORY_SESSIONS/g)).toHaveLength(1)
    expect(log).toContain('cookie-session')
  })

  it('are nobody’s business where one process serves all', async () => {
    const app = startNode({ file: file(), args: ['--listen', socket] })
    await app.waitForStderr(/listening on/)
    expect(await ask()).toBe('ok')
    expect(await end(app)).not.toContain('FCGI_MEMORY_SESSIONS')
  })
})

describe('the reference on a page', () => {
  it('is found in the log, on the line behind the stack', async () => {
    const app = startNode({ file: file(), args: ['--listen', socket] })
    await app.waitForStderr(/listening on/)
    const reference = /look for ([0-9a-f]{8})\./.exec(await ask('/throw'))?.[1]
    expect(reference).toBeDefined()
    const log = await end(app)
    expect(log).toMatch(new RegExp(`Error: no luck\n[^]*FCGI_HANDLER_FAILED ${reference}\n`))
  })
})
