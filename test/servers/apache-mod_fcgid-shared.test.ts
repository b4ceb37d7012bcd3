/**
 * One process for all that mod_fcgid starts (option `shared`), behind a real Apache with the files of
 * examples/servers/apache-mod_fcgid: what several processes break holds.
 */
import fs from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { openHttp, type HttpResponse } from '../support/http-client.ts'
import { hostsIn, isAlive, workersIn } from '../support/shared-hosts.ts'
import { until } from '../support/until.ts'
import { HOST_CONFIG, hostOf, logIn, QUICK, siteFor, type Site } from './shared-site.ts'

/** Runs `count` requests, `width` at once. */
async function load(
  count: number,
  width: number,
  ask: () => Promise<HttpResponse>,
): Promise<HttpResponse[]> {
  const answers: HttpResponse[] = []
  let started = 0
  const visitor = async (): Promise<void> => {
    while (started < count) {
      started += 1
      answers.push(await ask())
    }
  }
  await Promise.all(Array.from({ length: width }, visitor))
  return answers
}

function sharesSessions(site: () => Site): void {
  it('knows a session of the one process in 200 requests, 20 at once', async () => {
    const cookie = await logIn(site(), 'ann')
    // As many processes as that are needed to answer this.
    const together = Array.from({ length: 20 }, () => site().get('/together?of=20'))
    for (const answer of await Promise.all(together)) expect(answer.status).toBe(200)
    const answers = await load(200, 20, () => site().get('/me', cookie))
    const [host] = hostsIn(site().folder)
    expect(new Set(answers.map(({ text }) => text))).toEqual(
      new Set([JSON.stringify({ name: 'ann', process: host, baseUrl: '' })]),
    )
    expect(hostsIn(site().folder)).toEqual([host])
  })
}

describe('ScriptAlias at / (root.conf)', () => {
  const site = siteFor('root.conf', QUICK)
  sharesSessions(site)

  it('reaches 20 event streams with a message that one visitor posts', async () => {
    const { port } = site().server
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => openHttp({ port, target: '/events' })),
    )
    try {
      const heard = streams.map(async (stream) => {
        let text = ''
        for await (const chunk of stream.chunks()) {
          text += chunk.toString()
          if (text.includes('data: hello\n\n')) return
        }
        throw new Error(`a stream ended after ${JSON.stringify(text)}`)
      })
      expect((await site().post('/say?text=hello')).json()).toEqual({ streams: 20 })
      await Promise.all(heard)
    } finally {
      for (const stream of streams) stream.destroy()
    }
  })

  it('answers 503 when the process is killed, says so in the log, and goes on with another', async () => {
    const before = await hostOf(site())
    const from = site().server.log().length
    const held = [site().get('/hold'), site().get('/hold'), site().get('/hold')]
    const waiting = async (): Promise<number> =>
      ((await site().get('/waiting')).json() as { waiting: number }).waiting
    await until(async () => (await waiting()) === 3, 'three requests to wait')
    const others = load(60, 3, () => site().get('/me'))
    process.kill(before, 'SIGKILL')
    for (const answer of await Promise.all(held)) {
      expect(answer.status).toBe(503)
      expect(answer.text).toContain('ended before it answered')
    }
    for (const { status } of await others) expect([200, 503]).toContain(status)
    await site().server.waitForLog(new RegExp(`503: process ${before} .*FCGI_HOST_GONE`), from)
    expect(await hostOf(site())).not.toBe(before)
  })

  it('keeps sessions and loses no request in a graceful restart of Apache under load', async () => {
    const cookie = await logIn(site(), 'eve')
    const host = await hostOf(site())
    const { server } = site()
    // More processes than visitors: a request that finds no idle one while Apache restarts is mod_fcgid's to lose; see
    // examples/servers/apache-mod_fcgid/README.md.
    const together = Array.from({ length: 6 }, () => site().get('/together?of=6'))
    for (const { status } of await Promise.all(together)) expect(status).toBe(200)
    const from = server.log().length
    let answered = 0
    let last = Infinity
    const failures: string[] = []
    const visitor = async (): Promise<void> => {
      while (answered < last) {
        const answer = await site().get('/me', cookie)
        if (!answer.text.includes('"eve"')) failures.push(`${answer.status} ${answer.text}`)
        answered += 1
      }
    }
    const visitors = [visitor(), visitor(), visitor()]
    await until(() => answered >= 30, 'thirty answers')
    server.signal('SIGUSR1')
    await server.waitForLog(/resuming normal operations/, from)
    last = answered + 120
    await Promise.all(visitors)
    expect(failures).toEqual([])
    expect(hostsIn(site().folder)).toEqual([host])
  })
})

describe('.htaccess alone', () => {
  const site = siteFor(undefined, HOST_CONFIG)
  sharesSessions(site)

  it('loses no request when a touched restart file brings the new process', async () => {
    const before = await hostOf(site())
    let after = 0
    const bad: string[] = []
    const visitor = async (): Promise<void> => {
      while (after < 20) {
        const answer = await site().get('/me')
        if (answer.status !== 200) bad.push(`${answer.status} ${answer.text}`)
        else if (!answer.text.includes(`"process":${before},`)) after += 1
      }
    }
    const visitors = [visitor(), visitor(), visitor()]
    // Beside the script that was started.
    fs.mkdirSync(path.join(site().server.folder, 'htdocs/tmp'), { recursive: true })
    fs.writeFileSync(path.join(site().server.folder, 'htdocs/tmp/restart.txt'), '')
    await Promise.all(visitors)
    expect(bad).toEqual([])
    await until(() => !isAlive(before), 'the old process to end')
    expect(hostsIn(site().folder)).toHaveLength(1)
  })

  it('gives each of two scripts a process of its own', async () => {
    const [one, other] = [await hostOf(site()), await hostOf(site(), '/blog')]
    expect(one).not.toBe(other)
    expect(hostsIn(site().folder).sort()).toEqual([one, other].sort())
    const cookie = await logIn(site(), 'bob', '/blog')
    const seen = (await site().get('/blog/me', cookie)).json() as object
    expect(seen).toEqual({ name: 'bob', process: other, baseUrl: '/blog' })
    expect((await site().get('/me', cookie)).json()).not.toHaveProperty('name')
  })
})

describe('.htaccess alone, with workers', () => {
  const site = siteFor(undefined, `${HOST_CONFIG}\nFcgidInitialEnv FASTCGI_WORKERS 2`)

  it('spreads 20 event streams over the workers, and says what becomes of sessions', async () => {
    const { port } = site().server
    const from = site().server.log().length
    const ready = new Set<number>()
    await until(async () => ready.add(await hostOf(site())).size === 2, 'both workers to answer')
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => openHttp({ port, target: '/events' })),
    )
    try {
      const counts = new Map<number, number>()
      for (const stream of streams) {
        const { value = '' } = await stream.chunks()[Symbol.asyncIterator]().next()
        const pid = Number(/connected to (\d+)/.exec(String(value))?.[1])
        counts.set(pid, (counts.get(pid) ?? 0) + 1)
      }
      const workers = workersIn(site().folder)
      expect([...counts.keys()].sort()).toEqual(workers.sort())
      expect(workers).toHaveLength(2)
      expect(hostsIn(site().folder)).toHaveLength(1)
      // Ten each, but for a worker that had no processor for a while.
      expect(Math.min(...counts.values())).toBeGreaterThanOrEqual(5)
    } finally {
      for (const stream of streams) stream.destroy()
    }
    await logIn(site(), 'ann')
    await site().server.waitForLog(/leave workers out.*FCGI_MEMORY_SESSIONS/, from)
  })

  it('answers 503 what a killed worker had, says so in the log, and goes on in the others', async () => {
    const [host] = hostsIn(site().folder)
    const from = site().server.log().length
    const held = [site().get('/hold'), site().get('/hold')]
    const holding = (): number[] =>
      [
        ...site()
          .server.log()
          .slice(from)
          .matchAll(/held by (\d+)/g),
      ].map(([, pid]) => Number(pid))
    await until(() => holding().length === 2, 'two requests to run')
    const others = load(60, 3, () => site().get('/me'))
    for (const pid of new Set(holding())) process.kill(pid, 'SIGKILL')
    for (const answer of await Promise.all(held)) {
      expect(answer.status).toBe(503)
      expect(answer.text).toContain('ended before it answered')
    }
    for (const { status } of await others) expect([200, 503]).toContain(status)
    await site().server.waitForLog(
      new RegExp(`503: a worker of process ${host} .*FCGI_HOST_GONE`),
      from,
    )
    await until(() => workersIn(site().folder).length === 2, 'two workers')
    expect(hostsIn(site().folder)).toEqual([host])
  })

  it('loses no request when a touched restart file has the workers replaced', async () => {
    const before = hostsIn(site().folder)
    let replaced = false
    const bad: string[] = []
    const visitor = async (): Promise<void> => {
      while (!replaced) {
        const answer = await site().get('/me')
        if (answer.status !== 200) bad.push(`${answer.status} ${answer.text}`)
      }
    }
    const visitors = [visitor(), visitor(), visitor()]
    const from = site().server.log().length
    fs.mkdirSync(path.join(site().server.folder, 'htdocs/tmp'), { recursive: true })
    fs.writeFileSync(path.join(site().server.folder, 'htdocs/tmp/restart.txt'), '')
    try {
      await site().server.waitForLog(/reloaded: 2 workers replaced/, from)
    } finally {
      replaced = true
    }
    await Promise.all(visitors)
    expect(bad).toEqual([])
    expect(hostsIn(site().folder)).toEqual(before)
  })
})
