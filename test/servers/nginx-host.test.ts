/** What nginx's page says of Host: Debian's fastcgi_params sends it without the port, and the first HTTP_HOST counts. */
import { describe, expect, it } from 'vitest'

import { ask } from '../conformance/site.ts'
import { running } from './conformance.ts'
import { nginx } from './programs/nginx.ts'

const line = 'fastcgi_param HTTP_HOST $host:$server_port;'
const include = 'include fastcgi_params;'
// The last line of Debian's file, for an nginx whose file lacks it.
const debian = `${include}\nfastcgi_param HTTP_HOST $host;`

describe.each([
  ['as it is', debian, () => 'localhost'],
  ['with the line above the include', `${line}\n${debian}`, (port: number) => `localhost:${port}`],
  ['with the line below it, which is too late', `${debian}\n${line}`, () => 'localhost'],
])('nginx minimal.conf, %s', (_name, text, expected) => {
  const moves = (): Record<string, string> => ({ [include]: text })
  const up = running(nginx, { server: 'nginx', file: 'minimal.conf', moves })

  it('Host', async () => {
    const { port } = up().site
    const headers = { Host: `LOCALHOST:${String(port)}` }
    const seen = (await ask(up().site, '/', { headers })).json()
    expect(seen.headers.host).toBe(expected(port))
  })
})
