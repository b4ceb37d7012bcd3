/** The example as plain CGI under a real Apache with mod_cgid: examples/servers/apache-mod_cgid. */
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startApache } from '../support/apache.ts'
import { deploy } from '../support/deploy.ts'
import { http } from '../support/http-client.ts'
import { accepts, freePort, type WebServer } from '../support/web-server.ts'
import { bytes, expressExample } from './express-example.ts'

describe('plain CGI (apache-mod_cgid/root.conf)', () => {
  let server: WebServer
  let port: number
  beforeAll(async () => {
    port = await freePort()
    server = await startApache({
      modules: ['cgid'],
      config: 'apache-mod_cgid/root.conf',
      prepare(place) {
        const APP = path.join(place.folder, 'express')
        deploy('examples/express', APP)
        return { APP }
      },
    })
  })
  afterAll(() => server?.stop())

  expressExample(() => ({
    port: server.port,
    mount: '',
    // mod_cgid collects an answer until its buffer is full or the script ends.
    streams: false,
    encodedSlashes: true,
    waitForLog: (pattern) => server.waitForLog(pattern),
  }))

  it('does not read the query as arguments: a client cannot make it listen or print its usage', async () => {
    const queries = [
      `--listen+0.0.0.0:${String(port)}`,
      `--listen=127.0.0.1:${String(port)}`,
      '--help',
      '--gateway',
      '-h',
      '--version',
      '-e+process.exit(3)',
    ]
    for (const query of queries) {
      const page = await http({ port: server.port, target: `/?${query}` })
      expect.soft(page.status, query).toBe(200)
      expect.soft(page.headers['content-type'], query).toBe('text/html; charset=utf-8')
      expect.soft(page.text, query).toContain('<h1>Express over FastCGI</h1>')
      expect.soft(await accepts(port), query).toBe(false)
    }
  })

  it('uses a process for one request', async () => {
    const ask = async (): Promise<number> => {
      const who = await http({
        port: server.port,
        target: '/whoami',
        headers: { Accept: 'application/json' },
      })
      return (who.json() as { process: number }).process
    }
    expect(await ask()).not.toBe(await ask())
  })

  it('takes a body', async () => {
    const data = bytes(300_000)
    const put = await http({ port: server.port, method: 'PUT', target: '/api/bytes', body: data })
    expect(put.json()).toMatchObject({ bytes: data.length })
  })
})
