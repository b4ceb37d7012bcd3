/** Reloads under load behind nginx, which opens a connection for each request. */
import { describe, it } from 'vitest'

import { nginx } from './programs/nginx.ts'
import { expectNothingLost, replaceWorkers } from './replaced-workers.ts'

const reloads = 6

describe('workers behind nginx', () => {
  it('are replaced without a lost request', async () => {
    const setup = { server: 'nginx', file: 'minimal.conf' }
    expectNothingLost(await replaceWorkers(nginx, setup, reloads, 16), reloads)
  })
})
