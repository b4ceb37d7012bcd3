/**
 * New code behind mod_fcgid, which starts the processes itself: a restart file that is touched has each leave when it is
 * idle, and mod_fcgid starts the new code. No visitor notices.
 */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startApache } from '../support/apache.ts'
import { compileCore, type CompiledCore } from '../support/compiled-core.ts'
import { http } from '../support/http-client.ts'
import { isAlive } from '../support/shared-hosts.ts'
import { until } from '../support/until.ts'
import type { WebServer } from '../support/web-server.ts'

const width = 3
const version = (name: string): string =>
  `export default (req, res) => setTimeout(() => res.end('${name} ' + process.pid), 5)`

let core: CompiledCore
let server: WebServer
let app: string

beforeAll(async () => {
  core = await compileCore()
  server = await startApache({
    modules: ['fcgid'],
    config: 'apache-mod_fcgid/root.conf',
    extra: 'FcgidSpawnScoreUpLimit 1000',
    prepare(place) {
      app = path.join(place.folder, 'app')
      fs.cpSync(path.join(core.folder, 'node_modules'), path.join(app, 'node_modules'), {
        recursive: true,
      })
      fs.mkdirSync(path.join(app, 'public'))
      place.write('app/package.json', '{ "type": "commonjs" }')
      place.write('app/app.mjs', version('old'))
      place.write(
        'app/app.fcgi',
        `#!${process.execPath}\nrequire('@fastcgi/core').serve(() => import('./app.mjs'))\n`,
        0o755,
      )
      return { APP: app }
    },
  })
})
afterAll(async () => {
  await server?.stop()
  core.remove()
})

/** Upload, then touch: as a deployment does it. */
function deploy(name: string, mtime: number): void {
  fs.writeFileSync(path.join(app, 'app.mjs'), version(name))
  fs.mkdirSync(path.join(app, 'tmp'), { recursive: true })
  const file = path.join(app, 'tmp/restart.txt')
  // Made elsewhere: a look between the writing and the setting of its time would see two changes.
  fs.writeFileSync(`${file}.new`, '')
  fs.utimesSync(`${file}.new`, mtime, mtime)
  fs.renameSync(`${file}.new`, file)
}

describe('new code behind mod_fcgid, under load', () => {
  it('comes with a touched restart file, once, also where its time is one day ahead; no request is lost', async () => {
    const wrong: string[] = []
    const seen = new Map<string, Set<string>>([
      ['old', new Set()],
      ['new', new Set()],
    ])
    let answers = 0
    let stopped = false
    const visitor = async (): Promise<void> => {
      while (!stopped) {
        const { status, text } = await http({ port: server.port })
        const [name = '', pid = ''] = text.split(' ')
        if (status === 200 && seen.has(name)) seen.get(name)?.add(pid)
        else wrong.push(`${status} ${text}`)
        answers += 1
      }
    }
    const visitors = Promise.all(Array.from({ length: width }, visitor))
    const pidsOf = (name: string): number[] => [...(seen.get(name) ?? [])].map(Number)
    await until(() => answers > 50, 'answers')
    deploy('new', Date.now() / 1000 + 86_400)
    await until(
      () => pidsOf('new').length > 0 && !pidsOf('old').some(isAlive),
      () => `the end of ${pidsOf('old').filter(isAlive).join()}:\n${server.log()}`,
    )
    // Each looks once a second: a new one that did not like the file would have left by then.
    const since = performance.now()
    await until(() => performance.now() - since > 3000, 'three looks')
    stopped = true
    await visitors
    expect(wrong).toEqual([])
    expect(pidsOf('new').filter((pid) => !isAlive(pid))).toEqual([])
  })
})
