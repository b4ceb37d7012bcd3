import { once } from 'node:events'
import { createServer, type Server } from '@fastcgi/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeProject, type Project, runCli } from '../../../../test/support/cli.ts'

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
