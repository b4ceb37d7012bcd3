/** Koa middleware, unmodified: the same conversation on node:http, over FastCGI and by light-my-request. */
import { adapt, type Listener } from '@fastcgi/koa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { FastcgiSide } from '../differential/fastcgi-side.ts'
import { HttpSide } from '../differential/http-side.ts'
import { compare } from './compare.ts'
import { converse, injected } from './conversation.ts'
import { makeFiles, type Files } from './files.ts'
import { makeKoaApp } from './koa-app.ts'
import { koaSteps } from './koa-steps.ts'
import { mounted } from './mounted.ts'

let files: Files

beforeAll(() => {
  files = makeFiles()
})

afterAll(() => files.remove())

describe.each(['koa', 'koa2'] as const)('%s with its middleware', (name) => {
  it.each([
    ['', true],
    ['', false],
    ['/app', true],
  ])('answers as on node:http under "%s/", connection kept: %s', async (mount, kept) => {
    const httpLog: string[] = []
    const fastcgiLog: string[] = []
    const app = (log: string[]): ReturnType<typeof makeKoaApp> =>
      makeKoaApp(name, { folder: files.folder, upstream: '', log })
    const http = await HttpSide.start(mounted(adapt(app(httpLog)) as Listener, mount), { kept })
    const fastcgi = await FastcgiSide.start(adapt(app(fastcgiLog)) as never, {
      kept,
      mount,
      scriptName: mount,
    })
    try {
      const expected = await converse(http, koaSteps, mount)
      const actual = await converse(fastcgi, koaSteps, mount)
      compare(koaSteps, expected, actual)
      expect(fastcgiLog).toEqual(httpLog)
    } finally {
      await http.close()
      await fastcgi.close()
    }
  })

  it('answers light-my-request the same', async () => {
    const surroundings = { folder: files.folder, upstream: '', log: [] }
    const steps = koaSteps.filter(({ notInjected }) => notInjected === undefined)
    const fastcgi = await FastcgiSide.start(adapt(makeKoaApp(name, surroundings)) as never, {
      kept: true,
    })
    try {
      const actual = await converse(fastcgi, steps, '')
      const third = await injected(makeKoaApp(name, surroundings).callback(), steps)
      compare(steps, third, actual)
    } finally {
      await fastcgi.close()
    }
  })
})
