/** Reloads under load behind HAProxy. */
import { describe, it } from 'vitest'

import { haproxy } from './programs/haproxy.ts'
import { expectNothingLost, replaceWorkers } from './replaced-workers.ts'
import type { Setup } from './setup.ts'

const reloads = 6

describe('workers behind HAProxy', () => {
  it('are replaced without a lost request', async () => {
    const setup: Setup = {
      server: 'haproxy',
      file: 'haproxy.cfg',
      // A kept connection may close in the moment in which a request is sent on it, and FastCGI has no
      // way to announce it: HAProxy then hangs up on its client, who is to ask again. So none is kept.
      moves: () => ({ '    option keep-conn': '    no option keep-conn' }),
    }
    expectNothingLost(await replaceWorkers(haproxy, setup, reloads, 16), reloads)
  })
})
