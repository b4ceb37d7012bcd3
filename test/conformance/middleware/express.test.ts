/** Express middleware, unmodified: the same conversation on node:http, over FastCGI and by light-my-request. */
import { adapt } from '@fastcgi/express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { FastcgiSide } from '../differential/fastcgi-side.ts'
import { HttpSide } from '../differential/http-side.ts'
import { compare } from './compare.ts'
import { converse, injected } from './conversation.ts'
import { makeExpressApp } from './express-app.ts'
import { expressSteps } from './express-steps.ts'
import { makeFiles, type Files } from './files.ts'
import { load } from './load.ts'
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

describe.each(['express', 'express4'] as const)('%s with its middleware', (name) => {
  describe.each(['', '/app'])('under "%s/"', (mount) => {
    it.each([
      ['on a kept connection', true],
      ['each on a connection of its own', false],
    ])('answers as on node:http, %s', async (_what, kept) => {
      const surroundings = { folder: files.folder, upstream: upstream.url }
      const httpLog: string[] = []
      const fastcgiLog: string[] = []
      let onHttp = makeExpressApp(name, { ...surroundings, log: httpLog })
      if (mount !== '') onHttp = load(name)().use(mount, onHttp)
      const overFastcgi = makeExpressApp(name, { ...surroundings, log: fastcgiLog })
      const http = await HttpSide.start(onHttp, { kept })
      const fastcgi = await FastcgiSide.start(adapt(overFastcgi) as never, {
        kept,
        mount,
        scriptName: mount,
      })
      try {
        const expected = await converse(http, expressSteps, mount)
        const actual = await converse(fastcgi, expressSteps, mount)
        compare(expressSteps, expected, actual)
        expect(fastcgiLog).toEqual(httpLog)
      } finally {
        await http.close()
        await fastcgi.close()
      }
    })
  })

  it('answers light-my-request the same', async () => {
    const surroundings = { folder: files.folder, upstream: upstream.url, log: [] }
    const steps = expressSteps.filter(({ notInjected }) => notInjected === undefined)
    const fastcgi = await FastcgiSide.start(adapt(makeExpressApp(name, surroundings)) as never, {
      kept: true,
    })
    try {
      const actual = await converse(fastcgi, steps, '')
      const third = await injected(makeExpressApp(name, surroundings), steps)
      compare(steps, third, actual)
    } finally {
      await fastcgi.close()
    }
  })
})
