/**
 * One process for all that mod_fcgid starts (option `shared`), beside what it is held against: the same app in each process,
 * and the same app of another user.
 */
import fs from 'node:fs'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { hostsIn, isAlive } from '../support/shared-hosts.ts'
import { until } from '../support/until.ts'
import { serverUser, temporaryFolder } from '../support/web-server.ts'
import { HOST_CONFIG, hostOf, logIn, siteFor, type Site } from './shared-site.ts'

/** Processes that run a site's script, with their megabytes (a shared page counts by its part: PSS). */
function processesOf({ server }: Site): { readonly pid: number; readonly pss: number }[] {
  const script = path.join(server.folder, 'htdocs/app.fcgi')
  return fs.readdirSync('/proc').flatMap((name) => {
    try {
      const words = fs.readFileSync(`/proc/${Number(name)}/cmdline`, 'latin1').split('\0')
      if (!words.includes(script) || !isAlive(Number(name))) return []
      const rollup = fs.readFileSync(`/proc/${name}/smaps_rollup`, 'latin1')
      const pss = Number(/^Pss: +(\d+)/m.exec(rollup)?.[1]) / 1024
      return [{ pid: Number(name), pss }]
    } catch {
      return [] // no process, or gone
    }
  })
}

describe('20 slow requests at once', () => {
  const shared = siteFor(undefined, HOST_CONFIG)
  const alone = siteFor(undefined, `${HOST_CONFIG}\nFcgidInitialEnv FASTCGI_SHARED 0`)

  async function megabytes(site: Site): Promise<{ processes: number; sum: number }> {
    const from = site.server.log().length
    for (let i = 0; i < 20; i += 1) site.get('/hold').catch(() => {})
    const held = (): number =>
      site.server
        .log()
        .slice(from)
        .match(/held by/g)?.length ?? 0
    await until(
      () => held() === 20,
      () => `20 requests to run, not ${held()}`,
    )
    const all = processesOf(site)
    // Nobody waits for these answers, and Apache would.
    for (const { pid } of all) process.kill(pid, 'SIGKILL')
    return { processes: all.length, sum: all.reduce((sum, { pss }) => sum + pss, 0) }
  }

  it('take a good third less memory through one process than in twenty', async () => {
    const [through, apart] = [await megabytes(shared()), await megabytes(alone())]
    expect(through.processes).toBe(21)
    expect(apart.processes).toBe(20)
    expect(through.sum, `of ${apart.sum} MB`).toBeLessThan(apart.sum * 0.65)
  })
})

// Only root can have a web server run as a user of choice.
describe.runIf(serverUser() !== undefined)('two users side by side', () => {
  const common = temporaryFolder('users')
  const own = serverUser()?.uid
  const other = 65_534
  /** Both look for their folders in the same place, where everybody may write, as in /tmp. */
  const place = `FcgidInitialEnv TMPDIR ${common}/tmp\nFcgidInitialEnv FASTCGI_SHARED_DIR ""`
  const ofUser = (uid: number | undefined) => () => path.join(common, `tmp/fastcgi-${uid}`)
  beforeAll(() => {
    for (const name of ['tmp', 'sockets', 'run']) {
      fs.mkdirSync(path.join(common, name))
      fs.chmodSync(path.join(common, name), 0o1777)
    }
  })
  const one = siteFor(undefined, `${HOST_CONFIG}\n${place}`, ofUser(own))
  const two = siteFor(
    undefined,
    `${HOST_CONFIG}\n${place}\nUser #${other}\nGroup #${other}\nFcgidIPCDir ${common}/sockets\nFcgidProcessTableFile ${common}/run/shm`,
    ofUser(other),
  )
  afterAll(() => fs.rmSync(common, { recursive: true, force: true }))

  it('have a process, a folder and sessions each', async () => {
    const cookie = await logIn(one(), 'ann')
    const hosts = [await hostOf(one()), await hostOf(two())]
    expect(hosts[0]).not.toBe(hosts[1])
    expect([hostsIn(one().folder), hostsIn(two().folder)]).toEqual(hosts.map((pid) => [pid]))
    const owners = hosts.map((pid) => fs.statSync(`/proc/${pid}`).uid)
    expect(owners).toEqual([own, other])
    for (const { folder } of [one(), two()]) expect(fs.statSync(folder).mode & 0o7777).toBe(0o700)
    expect((await one().get('/me', cookie)).json()).toMatchObject({ name: 'ann' })
    expect((await two().get('/me', cookie)).json()).not.toHaveProperty('name')
  })
})
