/** FastCGI's Authorizer role, by examples/servers/lighttpd/authorizer.conf and examples/authorizer. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { ask } from '../conformance/site.ts'
import { temporaryFolder } from '../support/web-server.ts'
import { lighttpd } from './programs/lighttpd.ts'
import { conformanceSite, exampleFolder, startSite, type RunningSite, type Setup } from './setup.ts'

const folder = temporaryFolder('authorizer')
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

function started(script: string): () => RunningSite {
  const setup: Setup = {
    server: 'lighttpd',
    file: 'authorizer.conf',
    moves: () => ({ '/srv/authorizer/authorizer.fcgi': script }),
  }
  let site: RunningSite | undefined
  beforeAll(async () => {
    site = await startSite(lighttpd, setup, { app: conformanceSite, run: folder })
  })
  afterAll(() => site?.web.stop())
  return () => site as RunningSite
}

describe('lighttpd authorizer.conf', () => {
  const site = started(path.join(exampleFolder('authorizer'), 'authorizer.fcgi'))

  it('gives the file to those the app lets in', async () => {
    const response = await ask(site(), '/private/hello.txt', {
      headers: { Cookie: 'token=let-me-in' },
    })
    expect(response.status).toBe(200)
    expect(response.text).toBe('Handed over by the web server.\n')
  })

  it('gives others the answer of the app', async () => {
    for (const Cookie of ['other=1', 'token=guess']) {
      const response = await ask(site(), '/private/hello.txt', { headers: { Cookie } })
      expect(response.status).toBe(403)
      expect(response.text).toBe('Not for you.\n')
    }
  })
})

describe('an authorizer that fails', () => {
  const script = path.join(conformanceSite, 'failing-authorizer.fcgi')
  const site = started(script)

  it('lets nobody in', async () => {
    for (const how of ['throw', 'reject', 'end', 'destroy', 'exit']) {
      const response = await ask(site(), `/private/hello.txt?${how}`).catch(() => undefined)
      expect.soft(response?.status ?? 500, how).toBeGreaterThanOrEqual(400)
      expect.soft(response?.text ?? '', how).not.toContain('Handed over')
    }
  })
})
