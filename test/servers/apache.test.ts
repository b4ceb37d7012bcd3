/** The conformance cases through Apache, with the files of examples/servers/apache-mod_*. */
import fs from 'node:fs'
import http2 from 'node:http2'
import path from 'node:path'
import { text } from 'node:stream/consumers'

import { describe, expect, it } from 'vitest'

import { cases } from '../conformance/cases.ts'
import { exampleCases } from '../conformance/example.ts'
import { ask } from '../conformance/site.ts'
import { apacheSetups, runApacheCases, type ApacheSite } from './programs/apache.ts'

describe.each(apacheSetups)('$server/$file', (setup) => {
  const site = runApacheCases(setup, cases, 'test/conformance/site')
  if (setup.tls === true) tlsChecks(site)
})

// The Express example has tests of its own in apache-mod_*.test.ts.
describe.each(['koa', 'fastify', 'node-http'])('examples/%s', (name) => {
  const files = ['apache-mod_fcgid root.conf', 'apache-mod_proxy_fcgi sub-path.conf']
  for (const setup of apacheSetups) {
    if (!files.includes(`${setup.server} ${setup.file}`)) continue
    describe(`through ${setup.server} ${setup.file}`, () => {
      runApacheCases(setup, exampleCases, `examples/${name}`)
    })
  }
})

function tlsChecks(site: () => ApacheSite): void {
  const read = (name: string): Buffer => fs.readFileSync(path.join(site().folder, 'tls', name))

  it('a client certificate: the app knows whose, and that the server verified it', async () => {
    const tls = { cert: read('client.pem'), key: read('client-key.pem') }
    const seen = (await ask({ ...site(), tls }, '/who')).json()
    expect(seen).toMatchObject({ encrypted: true, authorized: true })
    expect(seen.peer).toMatchObject({ CN: 'alice', O: 'Example' })
  })

  it('no client certificate: encrypted, not authorized', async () => {
    const seen = (await ask(site(), '/who')).json()
    expect(seen).toMatchObject({ encrypted: true, authorized: false })
  })

  it('HTTP/2', async () => {
    const session = http2.connect(`https://localhost:${String(site().port)}`, {
      ca: read('ca.pem'),
      lookup: (_name, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
    })
    try {
      // mod_fcgid 2.3.9 loses a body that comes over HTTP/2 without its length.
      const stream = session.request({
        ':path': '/a%2Fb?c',
        ':method': 'POST',
        cookie: 'a=1; b=2',
        'content-length': '5',
      })
      stream.end('hello')
      const seen = JSON.parse(await text(stream)) as Record<string, unknown>
      expect(seen).toMatchObject({ httpVersion: '2.0', url: '/a%2Fb?c', body: 'hello' })
      expect(seen['headers']).toMatchObject({
        host: `localhost:${String(site().port)}`,
        cookie: 'a=1; b=2',
      })
    } finally {
      session.close()
    }
  })
}
