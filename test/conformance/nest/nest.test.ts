/** Nest, on Express and on Fastify: through its server, and as a program that calls listen() itself. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { request } from '@fastcgi/core/client'
import { adapt } from '@fastcgi/fastify'
import { afterEach, describe, expect, it } from 'vitest'

import { killLeftovers, startNode } from '../../support/node-process.ts'
import { FastcgiSide } from '../differential/fastcgi-side.ts'
import { HttpSide } from '../differential/http-side.ts'
import { compare } from '../middleware/compare.ts'
import { converse, type Step } from '../middleware/conversation.ts'
import { multipart } from '../middleware/express-steps.ts'
import { makeNestApp } from './app.mjs'

afterEach(killLeftovers)

const json = [['Content-Type', 'application/json']] as const

const steps: readonly Step[] = [
  { path: '/cats/told?a=1', status: 200, has: '"ip":"127.0.0.1"' },
  { path: '/cats/told', method: 'HEAD', status: 200 },
  { path: '/cats/greet/Tom?shout=1', status: 200, has: 'Hello, TOM' },
  {
    path: '/cats/create',
    method: 'POST',
    headers: json,
    body: '{"a":"ü"}',
    status: 202,
    has: '"a"',
  },
  { path: '/cats/create', method: 'POST', headers: json, body: '{"a":', status: 400 },
  { path: '/cats/create', method: 'POST', status: 202 },
  {
    path: '/cats/create',
    method: 'POST',
    headers: json,
    body: `"${'x'.repeat(2_000_000)}"`,
    status: 413,
  },
  { path: '/cats/number/12', status: 200, has: '12' },
  { path: '/cats/number/twelve', status: 400 },
  { path: '/cats/secret', status: 403 },
  { path: '/cats/secret', headers: [['Authorization', 'Bearer right']], status: 200 },
  { path: '/cats/wrapped', status: 200, has: '"data"' },
  { path: '/cats/missing', status: 404, has: 'no such cat' },
  { path: '/cats/broken', status: 500 },
  { path: '/cats/later', status: 418, has: 'teapot' },
  { path: '/cats/moved', status: 301 },
  { path: '/cats/file', status: 200, has: 'one two three' },
  { path: '/cats/events', status: 200, has: 'data: {"at":2}' },
  { path: '/cats/raw', status: 200, has: 'own' },
  { path: '/cats/told', headers: [['Origin', 'https://other.test']], status: 200 },
  {
    path: '/cats/told',
    method: 'OPTIONS',
    headers: [
      ['Origin', 'https://other.test'],
      ['Access-Control-Request-Method', 'POST'],
    ],
    status: 204,
  },
  { path: '/none', status: 404 },
]

const upload = multipart([
  { name: 'file', file: 'a.bin', type: 'application/octet-stream', content: 'x'.repeat(100_000) },
])

describe.each(['express', 'fastify'] as const)('Nest on %s', (platform) => {
  it('answers as on node:http, through getHttpServer()', async () => {
    const asked: readonly Step[] =
      platform === 'fastify'
        ? steps
        : [
            ...steps,
            { path: '/cats/upload', method: 'POST', ...upload, status: 201, has: '100000' },
          ]
    const onHttp = await makeNestApp(platform)
    const overFastcgi = await makeNestApp(platform)
    await onHttp.listen(0, '127.0.0.1')
    await overFastcgi.init()
    const http = new HttpSide(onHttp.getHttpServer(), true)
    // Fastify is ready only when it is asked to be; Nest asks in listen() alone.
    const emitter =
      platform === 'fastify'
        ? await adapt(overFastcgi.getHttpAdapter().getInstance() as never)
        : overFastcgi.getHttpServer()
    const fastcgi = await FastcgiSide.start(() => {}, { kept: true, emitter })
    try {
      compare(asked, await converse(http, asked, ''), await converse(fastcgi, asked, ''))
    } finally {
      await fastcgi.close()
      await overFastcgi.close()
      await http.close()
    }
  })

  it('serves as a program that listens by itself, and ends by its own shutdown hooks', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-nest-'))
    const socketPath = path.join(folder, 'app.sock')
    try {
      const started = startNode({
        file: fileURLToPath(new URL('server.mjs', import.meta.url)),
        args: [platform],
        nodeArgs: ['--import', '@fastcgi/core/register'],
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        env: { FASTCGI_LISTEN: socketPath },
      })
      await started.waitForStderr(/listening ".*app\.sock"/)
      const answer = await request({ socketPath, path: '/cats/greet/Tom' })
      expect(await answer.text()).toBe('{"greeting":"Hello, Tom"}')
      const created = await request({
        socketPath,
        method: 'POST',
        path: '/cats/create',
        headers: { 'content-type': 'application/json' },
        body: '{"a":1}',
      })
      expect(created.status).toBe(202)
      expect(await created.json()).toEqual({ created: { a: 1 } })
      started.child.kill('SIGTERM')
      expect(await started.ended).toBe(0)
      expect(fs.existsSync(socketPath)).toBe(false)
    } finally {
      fs.rmSync(folder, { recursive: true, force: true })
    }
  })
})
