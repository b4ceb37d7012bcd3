/** `npm run audit` against a registry of our own: what it makes of each answer. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'

import { root, run } from '../scripts/run.mjs'

interface Advisory {
  readonly id: number
  readonly url: string
  readonly title: string
  readonly severity: string
  readonly vulnerable_versions: string
}

let registry: http.Server
afterEach(() => registry.close())

/** Runs the audit; `answer` gets what it asks about, a list of versions by name. */
async function audit(answer: (asked: Record<string, string[]>, res: http.ServerResponse) => void) {
  registry = http.createServer((req, res) => {
    expect(req.url).toBe('/-/npm/v1/security/advisories/bulk')
    const chunks: Buffer[] = []
    req
      .on('data', (chunk: Buffer) => chunks.push(chunk))
      .on('end', () => answer(JSON.parse(Buffer.concat(chunks).toString()), res))
  })
  registry.listen(0, '127.0.0.1')
  await once(registry, 'listening')
  const { port } = registry.address() as AddressInfo
  const script = path.join(root, 'scripts', 'audit.mjs')
  return run(process.execPath, [script, '--registry', `http://127.0.0.1:${port}`], {
    show: 'never',
  })
}

function tell(res: http.ServerResponse, advisories: Record<string, Advisory[]>): void {
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify(advisories))
}

const advisory = (vulnerable: string): Advisory => ({
  id: 1,
  url: 'https://example.org/GHSA-aaaa-bbbb-cccc',
  title: 'made up',
  severity: 'high',
  vulnerable_versions: vulnerable,
})

describe('npm run audit', () => {
  it('asks about every package, what users get and what tests need; nothing known: status 0', async () => {
    let names: string[] = []
    const { code, output } = await audit((asked, res) => {
      names = Object.keys(asked)
      tell(res, {})
    })
    expect(code, output).toBe(0)
    expect(names).toContain('commander')
    expect(names).toContain('vitest')
    expect(output).toMatch(/^[1-9]\d+ packages: 0 weaknesses, and 0 in old versions/m)
  })

  it('a weakness: status 1, with the package, its version and who needs it', async () => {
    const { code, output } = await audit((_, res) => tell(res, { commander: [advisory('<999')] }))
    expect(code, output).toBe(1)
    expect(output).toMatch(/^high: commander [\d.]+: made up, https:\/\/example\.org\/GHSA/m)
    expect(output).toContain('packages__cli>commander')
  })

  it('one in an old version that only tests need is told, and no failure', async () => {
    const { code, output } = await audit((_, res) => tell(res, { fastify: [advisory('<5')] }))
    expect(code, output).toBe(0)
    expect(output).toMatch(/^known: fastify 4\.[\d.]+: made up/m)
    expect(output).toMatch(/ packages: 0 weaknesses, and 1 in old versions/)
  })

  it('the same in the version that users are to take: status 1', async () => {
    const { code, output } = await audit((_, res) => tell(res, { fastify: [advisory('<999')] }))
    expect(code, output).toBe(1)
    expect(output).toMatch(/^high: fastify 5\./m)
  })

  it('a registry that does not answer audits: status 2, and says so', async () => {
    const { code, output } = await audit((_, res) => {
      res.statusCode = 405
      res.end()
    })
    expect(code, output).toBe(2)
    expect(output).toMatch(/^NOT ASKED: .*405/m)
  })
})
