/** Reloads under load behind HAProxy, which keeps connections and shares them among clients. */
import { describe, it } from 'vitest'

import { haproxy } from './programs/haproxy.ts'
import { expectNothingLost, replaceWorkers } from './replaced-workers.ts'
import type { Setup } from './setup.ts'

const reloads = 8

describe('workers behind HAProxy', () => {
  it('are replaced without a lost request', async () => {
    const setup: Setup = {
      server: 'haproxy',
      file: 'haproxy.cfg',
      // A kept connection may close in the moment in which a request is sent on it, and FastCGI has no
      // way to announce it: HAProxy sends a request that got no answer again.
      moves: () => ({
        '    server app unix@':
          '    retry-on conn-failure empty-response\n    retries 3\n    server app unix@',
      }),
    }
    expectNothingLost(await replaceWorkers(haproxy, setup, reloads, 16), reloads)
  })
})
