/** Fastify and its plugins, unmodified: the same conversation on node:http, over FastCGI and by inject(). */
import { adapt, serverFactory } from '@fastcgi/fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { FastcgiSide } from '../differential/fastcgi-side.ts'
import { HttpSide } from '../differential/http-side.ts'
import { compare } from './compare.ts'
import { converse, injected } from './conversation.ts'
import { makeFastifyApp } from './fastify-app.ts'
import { fastifySteps as steps } from './fastify-steps.ts'
import { makeFiles, type Files } from './files.ts'
import { mounted } from './mounted.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let files: Files
let upstream: Upstream

beforeAll(async () => {
  files = makeFiles()
  upstream = await startUpstream()
})

afterAll(async () => {
  files.remove()
  await upstream.close()
})

describe.each(['fastify', 'fastify4'] as const)('%s with its plugins', (name) => {
  it.each([
    ['', true],
    ['', false],
    ['/app', true],
  ])('answers as on node:http under "%s/", connection kept: %s', async (mount, kept) => {
    const surroundings = { folder: files.folder, upstream: upstream.url }
    const httpLog: string[] = []
    const fastcgiLog: string[] = []
    const onHttp = await makeFastifyApp(name, { ...surroundings, log: httpLog })
    const overFastcgi = await makeFastifyApp(name, { ...surroundings, log: fastcgiLog })
    await onHttp.ready()
    const http = await HttpSide.start(mounted(onHttp.routing, mount), { kept })
    const emitter = await adapt(overFastcgi)
    const fastcgi = await FastcgiSide.start(() => {}, {
      kept,
      emitter,
      mount,
      scriptName: mount,
    })
    try {
      const expected = await converse(http, steps, mount)
      const actual = await converse(fastcgi, steps, mount)
      compare(steps, expected, actual)
      expect(fastcgiLog).toEqual(httpLog)
    } finally {
      await http.close()
      await fastcgi.close()
      await onHttp.close()
      await overFastcgi.close()
    }
  })

  it('answers the same when it listens by itself, through serverFactory', async () => {
    const surroundings = { folder: files.folder, upstream: upstream.url, log: [] }
    const onHttp = await makeFastifyApp(name, surroundings)
    const overFastcgi = await makeFastifyApp(name, { ...surroundings, serverFactory })
    await onHttp.listen({ port: 0, host: '127.0.0.1' })
    await overFastcgi.listen({ port: 0, host: '127.0.0.1' })
    const http = new HttpSide(onHttp.server, true)
    const fastcgi = new FastcgiSide(overFastcgi.server, { kept: true })
    try {
      const expected = await converse(http, steps, '')
      const actual = await converse(fastcgi, steps, '')
      compare(steps, expected, actual)
    } finally {
      await onHttp.close()
      await overFastcgi.close()
    }
    expect(overFastcgi.server.listening).toBe(false)
  })

  it('answers inject() the same', async () => {
    const surroundings = { folder: files.folder, upstream: upstream.url, log: [] }
    const app = await makeFastifyApp(name, surroundings)
    const emitter = await adapt(app)
    const fastcgi = await FastcgiSide.start(() => {}, { kept: true, emitter })
    const third = await makeFastifyApp(name, surroundings)
    await third.ready()
    try {
      compare(steps, await injected(third.routing, steps), await converse(fastcgi, steps, ''))
    } finally {
      await fastcgi.close()
      await app.close()
      await third.close()
    }
  })
})
