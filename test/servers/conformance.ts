/** Runs the list of cases through a server's files. */
import path from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'

import { cases } from '../conformance/cases.ts'
import { temporaryFolder } from '../support/web-server.ts'
import { startApp, type AppProcess } from './app.ts'
import { makeCertificates } from './certificates.ts'
import { conformanceSite, startSite, type RunningSite, type Server, type Setup } from './setup.ts'
import fs from 'node:fs'

/** One `describe` a file: starts the server in front of the conformance app and runs every case. */
export function describeConformance(server: Server, setups: readonly Setup[]): void {
  for (const setup of setups)
    describe(`${setup.server} ${setup.file}`, () => runCases(server, setup))
}

function runCases(server: Server, setup: Setup): void {
  let site: RunningSite | undefined
  let app: AppProcess | undefined
  let folder: string | undefined

  beforeAll(async () => {
    folder = temporaryFolder('app')
    const run = path.join(folder, 'run')
    fs.mkdirSync(run)
    const certificates = path.join(folder, 'tls')
    if (setup.tls === true) makeCertificates(certificates)
    if (setup.spawns !== true) {
      const script = path.join(conformanceSite, 'app.fcgi')
      app = await startApp(script, path.join(run, 'app.sock'), setup.env)
    }
    site = await startSite(server, setup, { app: conformanceSite, run, certificates })
  })

  afterAll(async () => {
    await site?.web.stop()
    await app?.stop()
    if (folder !== undefined) fs.rmSync(folder, { recursive: true, force: true })
  })

  // The abilities are known before anything runs: a case that cannot be is not a test here.
  const known = {
    name: `${setup.server} ${setup.file}`,
    server: setup.server,
    mount: setup.mount ?? '',
    port: 0,
    can: { ...server.can, ...setup.can },
  }
  for (const { name, not, run } of cases) {
    if (not?.(known) === undefined) it(name, () => run(site as RunningSite))
  }
}
