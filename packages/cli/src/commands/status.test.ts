import { once } from 'node:events'
import { createServer, type Server } from '@fastcgi/core'
import { request } from '@fastcgi/core/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeProject, type Project, runCli } from '../../../../test/support/cli.ts'
import { killLeftovers, listeningServer, startNode } from '../../../../test/support/node-process.ts'
import { endHosts, hostsIn, killHosts, workersIn } from '../../../../test/support/shared-hosts.ts'
import { until } from '../../../../test/support/until.ts'

let site: Project
let server: Server

beforeAll(async () => {
  site = makeProject({})
  server = createServer((request, response) => {
    if (request.url === '/metrics') response.end('fastcgi_up 1\n')
    else {
      const workers = [
        { pid: 1, state: 'ready' },
        { pid: 22, state: 'draining' },
      ]
      response.end(JSON.stringify({ uptime: 7, requests: { active: 2 }, workers, recentSlow: [] }))
    }
  })
  server.listen(site.file('status.sock'))
  await once(server, 'listening')
})

afterAll(async () => {
  await server.drain(100)
  site.remove()
})

const status = (...args: string[]): ReturnType<typeof runCli> =>
  runCli(['status', ...args], { cwd: site.folder })

describe('fastcgi status', () => {
  it('shows what the socket says, processes as a table', async () => {
    expect(await status('./status.sock')).toEqual({
      code: 0,
      stderr: '',
      stdout: `uptime                  7
requests
  active                2
workers
  pid  state
  1    ready
  22   draining
`,
    })
  })

  it('gives JSON and text for Prometheus as they come', async () => {
    expect(JSON.parse((await status('./status.sock', '--json')).stdout)).toMatchObject({
      uptime: 7,
    })
    expect((await status('./status.sock', '--prometheus')).stdout).toBe('fastcgi_up 1\n')
  })

  it('ends with 69 where nobody answers', async () => {
    expect(await status('./no.sock')).toMatchObject({ code: 69, stdout: '' })
  })
})

describe('fastcgi status of a shared process', () => {
  let own: Project
  let privateFolder = ''
  let count = 0
  const leave = (): void => killHosts(privateFolder)

  beforeAll(() => {
    own = makeProject({
      'app.mjs': 'export default (req, res) => res.end(String(process.pid))\n',
      'app.fcgi': `#!/usr/bin/env node
const { serve } = require('@fastcgi/core/shared')

serve(() => import('./app.mjs'), { sharedIdleTimeout: 30000 })
`,
    })
    privateFolder = own.file('private')
    process.once('exit', leave)
  })

  afterAll(async () => {
    killLeftovers()
    await endHosts(privateFolder)
    process.removeListener('exit', leave)
    own.remove()
  })

  const ask = (...args: string[]): ReturnType<typeof runCli> =>
    runCli(['status', ...args], { cwd: own.folder, env: { FASTCGI_SHARED_DIR: privateFolder } })

  /** The number of the process behind a relay that the web server has started. */
  const start = async (...args: string[]): Promise<number> => {
    const socketPath = own.file(`${(count += 1)}.sock`)
    startNode({
      file: own.file('app.fcgi'),
      args,
      stdin: await listeningServer(socketPath),
      env: { FASTCGI_SHARED_DIR: privateFolder, SITE: 'of the web server alone' },
    })
    return Number(await (await request({ socketPath })).text())
  }

  it('shows it, and ends it', async () => {
    const pid = await start()
    const shown = await ask('app.fcgi')
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toMatch(/^hosts\n  pid +script +uptime +relays +running +requests\n/)
    expect(shown.stdout).toContain(`  ${pid}`)
    expect(JSON.parse((await ask('--json')).stdout)).toEqual({
      hosts: [
        {
          pid,
          script: own.file('app.fcgi'),
          uptime: expect.any(Number) as number,
          relays: 1,
          running: 0,
          requests: 1,
        },
      ],
    })
    const name = `process ${pid} of ${own.file('app.fcgi')}`
    expect(await ask('--stop')).toEqual({
      code: 0,
      stderr: '',
      stdout: `${name} is asked to end; it finishes what runs (0) first
${name} has ended
The next request starts it anew.
`,
    })
    await until(() => hostsIn(privateFolder).length === 0, 'the process to go')
    expect(await ask('app.fcgi', '--stop')).toMatchObject({
      code: 69,
      stdout: '',
      stderr: expect.stringContaining(`No process runs ${own.file('app.fcgi')} for all`) as string,
    })
  })

  it('shows the workers of one, and ends it with them', async () => {
    const worker = await start('--workers', '1')
    const [host] = hostsIn(privateFolder)
    const shown = await ask('app.fcgi')
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toMatch(/^hosts\n  pid +script +uptime +relays +running +requests\n/)
    expect(shown.stdout).toMatch(
      /\nworkers\n  host +pid +state +uptime +running +requests\n  \d+ +\d+ +ready +/,
    )
    const [{ pid, workers }] = (
      JSON.parse((await ask('--json')).stdout) as { hosts: [{ pid: number; workers: unknown }] }
    ).hosts
    expect(pid).toBe(host)
    expect(workers).toMatchObject([{ pid: worker, state: 'ready' }])
    expect(await ask('--stop')).toMatchObject({ code: 0, stderr: '' })
    expect([...hostsIn(privateFolder), ...workersIn(privateFolder)]).toEqual([])
  })

  it('ends with 66 where there is no such script, and 64 for what it cannot show', async () => {
    expect(await ask('none.fcgi', '--stop')).toMatchObject({ code: 66, stdout: '' })
    expect(await ask('none.fcgi')).toMatchObject({ code: 66, stdout: '' })
    expect(await ask('app.fcgi', '--prometheus')).toMatchObject({ code: 64, stdout: '' })
  })

  it('says with 1 that a process does not answer', async () => {
    const pid = await start()
    process.kill(pid, 'SIGSTOP')
    const asked = await ask('app.fcgi', '--stop', '--timeout', '500ms')
    process.kill(pid, 'SIGCONT')
    expect(asked).toMatchObject({ code: 1, stdout: '' })
    expect(asked.stderr).toContain('does not answer')
  })
})
