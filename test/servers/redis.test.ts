/** The app of docs/scale.md whose sessions lie in Redis: two processes of it, and a visitor that each of them knows. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { request } from '../../packages/core/src/client.ts'
import { makeProject, type Project } from '../support/cli.ts'
import { blocks } from '../support/documents.ts'
import { killLeftovers, startNode } from '../support/node-process.ts'
import { until } from '../support/until.ts'
import { findProgram, freePort, temporaryFolder } from '../support/web-server.ts'

let redis: ChildProcess
let folder = ''
let project: Project
let url = ''

beforeAll(async () => {
  folder = temporaryFolder('redis')
  const port = await freePort()
  url = `redis://127.0.0.1:${String(port)}`
  const program = findProgram('redis-server', 'apt-get install redis-server')
  // Nothing is kept on the disk.
  const words = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder]
  redis = spawn(program, words, { stdio: 'ignore' })
  await until(() => accepts(port), 'redis-server to listen')

  const app = blocks.find(({ text }) => text.includes("from 'connect-redis'"))!
  project = makeProject(
    {
      'app.mjs': app.text,
      // A page, which the documentation leaves out.
      'visits.mjs': `import app from './app.mjs'
        app.get('/', (req, res) => {
          req.session.visits = (req.session.visits ?? 0) + 1
          res.send(String(req.session.visits))
        })
        export default app`,
      'app.fcgi': `#!/usr/bin/env node
        const { serve } = require('@fastcgi/express')
        serve(() => import('./visits.mjs'))`,
    },
    ['@fastcgi/core', '@fastcgi/express'],
  )
  for (const name of ['connect-redis', 'redis', 'express', 'express-session']) {
    const real = fs.realpathSync(path.resolve(import.meta.dirname, '../node_modules', name))
    fs.symlinkSync(real, project.file(`node_modules/${name}`))
  }
})

afterAll(async () => {
  killLeftovers()
  if (redis?.exitCode === null) {
    redis.kill('SIGKILL')
    await once(redis, 'exit')
  }
  project?.remove()
  fs.rmSync(folder, { recursive: true, force: true })
})

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

it('a session that one process has begun goes on in the other', async () => {
  const sockets = ['one', 'two'].map((name) => path.join(folder, `${name}.sock`))
  const apps = sockets.map((socket) =>
    startNode({
      file: project.file('app.fcgi'),
      env: { FASTCGI_LISTEN: socket, REDIS_URL: url, SESSION_SECRET: 'known to both' },
    }),
  )
  for (const [i, socket] of sockets.entries()) {
    await until(() => fs.existsSync(socket), apps[i]!.stderr)
  }
  const visit = async (socket: string, cookie?: string) => {
    const headers = cookie === undefined ? {} : { cookie }
    const answer = await request({ socketPath: socket, path: '/', headers })
    const set = [answer.headers['set-cookie'] ?? []].flat()
    return { text: await answer.text(), cookie: set[0]?.split(';')[0] }
  }
  const first = await visit(sockets[0]!)
  expect(first.text, apps.map((app) => app.stderr()).join('')).toBe('1')
  expect((await visit(sockets[1]!, first.cookie)).text).toBe('2')
  expect((await visit(sockets[0]!, first.cookie)).text).toBe('3')
  // Somebody else is somebody else.
  expect((await visit(sockets[1]!)).text).toBe('1')
  for (const app of apps) {
    expect(app.stderr()).not.toContain('FCGI_MEMORY_SESSIONS')
    app.child.kill('SIGTERM')
    // The client of Redis keeps a connection open; the process ends all the same.
    expect(await app.ended).toBe(0)
  }
})
