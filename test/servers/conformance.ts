/** Brings up a web server in front of an app, and runs a list of cases through it. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { HttpCase } from '../conformance/case.ts'
import { cases as allCases } from '../conformance/cases.ts'
import { temporaryFolder } from '../support/web-server.ts'
import { startApp, type AppProcess } from './app.ts'
import { makeCertificates } from './certificates.ts'
import { conformanceSite, startSite, type RunningSite, type Server, type Setup } from './setup.ts'

/** A site, the app behind it unless the server starts it, and the folder both live in. */
export interface Running {
  readonly site: RunningSite
  readonly app: AppProcess | undefined
  /** Has `tls/` with the certificates where the setup speaks TLS. */
  readonly folder: string
  stop(): Promise<void>
}

/**
 * Starts app and server.
 *
 * @param app folder with `app.fcgi`; default: the app of the conformance tests
 */
export async function bringUp(
  server: Server,
  setup: Setup,
  app: string = conformanceSite,
): Promise<Running> {
  const folder = temporaryFolder('app')
  const run = path.join(folder, 'run')
  const certificates = path.join(folder, 'tls')
  fs.mkdirSync(run)
  if (setup.tls === true) makeCertificates(certificates)
  let started: AppProcess | undefined
  try {
    if (setup.spawns !== true) {
      const env = { APP_OPTIONS: JSON.stringify(setup.options ?? {}) }
      started = await startApp(path.join(app, 'app.fcgi'), path.join(run, 'app.sock'), env)
    }
    const site = await startSite(server, setup, { app, run, certificates })
    return {
      site,
      app: started,
      folder,
      async stop() {
        await site.web.stop()
        await started?.stop()
        fs.rmSync(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await started?.stop()
    fs.rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** Brings up before the tests of a `describe` and stops after them. */
export function running(server: Server, setup: Setup, app?: string): () => Running {
  let up: Running | undefined
  beforeAll(async () => {
    up = await bringUp(server, setup, app)
  })
  afterAll(() => up?.stop())
  return () => up as Running
}

/** Registers the cases that this setup can do; what it cannot is said in the case. */
export function runCases(
  server: Server,
  setup: Setup,
  cases: readonly HttpCase[],
  app?: string,
): () => Running {
  const up = running(server, setup, app)
  for (const { name, run } of casesFor(server, setup, cases)) it(name, () => run(up().site))
  return up
}

function casesFor(server: Server, setup: Setup, cases: readonly HttpCase[]): readonly HttpCase[] {
  const known = {
    name: `${setup.server} ${setup.file}`,
    server: setup.server,
    mount: setup.mount ?? '',
    port: 0,
    can: { ...server.can, ...setup.can },
    ...(setup.tls === true ? { tls: {} } : {}),
  }
  return cases.filter(({ not }) => not?.(known) === undefined)
}

/** One `describe` a file of `examples/servers/`: every conformance case through it. */
export function describeConformance(server: Server, setups: readonly Setup[]): void {
  for (const setup of setups) {
    describe(`${setup.server} ${setup.file}`, () => {
      const up = runCases(server, setup, allCases)
      it('leaves the app nothing to say about the configuration', () => {
        const log = up().app?.log() ?? up().site.web.log()
        const expected = casesFor(server, setup, allCases).flatMap(({ notice }) => notice ?? [])
        const said = log.split('\n').filter((line) => line.includes('[CGI_'))
        const unexpected = said.filter((line) => !expected.some((notice) => notice.test(line)))
        expect(unexpected).toEqual([])
      })
    })
  }
}
