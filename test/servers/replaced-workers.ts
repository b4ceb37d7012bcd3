/**
 * Workers behind a real web server while everything happens to them: reloads, a deploy that does not
 * load, and workers that are killed. Every request must be answered once, by old code or new.
 */
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { expect } from 'vitest'

import { compileCore } from '../support/compiled-core.ts'
import { startLoad, type Count } from '../support/counting-client.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import { until } from '../support/until.ts'
import { writableFolder } from '../support/web-server.ts'
import { startSite, type Server, type Setup } from './setup.ts'

/** Notes each request, and answers with its number and the version. */
const version = (name: string): string => `
  import fs from 'node:fs'
  const log = new URL('./run/numbers', import.meta.url)
  export default (req, res) => {
    const number = req.url.slice(1)
    fs.appendFileSync(log, number + '\\n')
    res.end(number + ' ${name}')
  }`

export interface Replaced {
  readonly count: Count
  /** The numbers of the requests that the app was given. */
  readonly numbers: readonly string[]
  readonly app: FastcgiApp
}

/** Reloads and failed deploys in turn, under load. */
export async function replaceWorkers(
  server: Server,
  setup: Setup,
  reloads: number,
  width: number,
): Promise<Replaced> {
  const core = await compileCore()
  fs.chmodSync(core.folder, 0o755)
  const run = writableFolder(core.folder, 'run')
  const module = core.write('app.mjs', version('v0'))
  const file = core.write(
    'serve.mjs',
    `import { serve } from '@fastcgi/core'\nserve(() => import('./app.mjs'), { workers: 2 })`,
  )
  const app = await startFastcgiApp({ file, listen: path.join(run, 'app.sock') })
  const site = await startSite(server, setup, { app: core.folder, run })
  const agent = new http.Agent({ keepAlive: true, maxSockets: width })
  try {
    const load = startLoad((number) => get(site.port, `/${number}`, agent), width)
    await load.more(width)
    for (let n = 1; n <= reloads; n += 1) {
      const before = app.log().length
      const after = (pattern: RegExp): Promise<void> =>
        until(
          () => pattern.test(app.log().slice(before)),
          () => `${String(pattern)} in ${app.log().slice(before)}`,
        )
      const broken = n === Math.ceil(reloads / 2)
      fs.writeFileSync(module, broken ? 'export default (' : version(`v${n}`))
      process.kill(app.pid, 'SIGHUP')
      await after(broken ? /the old workers go on/ : /reloaded: 2 workers replaced/)
      await load.more(2 * width)
    }
    const count = await load.stop()
    const numbers = fs.readFileSync(path.join(run, 'numbers'), 'utf8').trim().split('\n')
    return { count, numbers, app }
  } finally {
    agent.destroy()
    await site.web.stop()
    await app.stop()
    core.remove()
  }
}

/** Each request answered, each by one run of the app, and every version but the broken one seen. */
export function expectNothingLost({ count, numbers }: Replaced, reloads: number): void {
  expect(count.faults).toEqual([])
  expect(count.answered).toBe(count.sent)
  expect(numbers.length).toBe(count.sent)
  expect(new Set(numbers).size).toBe(count.sent)
  const broken = Math.ceil(reloads / 2)
  for (let n = 0; n <= reloads; n += 1) expect(count.texts.has(`v${n}`)).toBe(n !== broken)
}

function get(port: number, url: string, agent: http.Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, path: url, agent, host: '127.0.0.1' }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.once('error', reject)
      response.once('end', () =>
        resolve(response.statusCode === 200 ? text : `${response.statusCode} ${text}`),
      )
    })
    request.once('error', reject)
  })
}
