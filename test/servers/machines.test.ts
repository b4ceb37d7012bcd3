/** Several machines behind HAProxy (cluster.cfg, sticky.cfg) and nginx (cluster.conf): who gets what, and what a machine that goes costs. */
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startLoad, type Count, type Load } from '../support/counting-client.ts'
import { until } from '../support/until.ts'
import { ask, makeMachines, nameIn, type Machines, type Name } from './machines.ts'
import { haproxy } from './programs/haproxy.ts'
import { nginx } from './programs/nginx.ts'
import { startSite, type RunningSite, type Server, type Setup } from './setup.ts'

const names = ['app1', 'app2', 'app3'] as const

interface Cluster {
  readonly machines: Machines
  readonly site: RunningSite
}

/** Three machines and the balancer, for the tests of a `describe`. */
function clusterFor(
  server: Server,
  file: string,
  more: Setup['moves'] = () => ({}),
): () => Cluster {
  let machines: Machines | undefined
  let site: RunningSite | undefined
  beforeAll(async () => {
    const made = await makeMachines()
    machines = made
    await Promise.all(names.map((name) => made.start(name)))
    const setup: Setup = {
      server: server.options.program,
      file,
      moves: (layout, place) => ({ ...made.moves, ...more(layout, place) }),
    }
    site = await startSite(server, setup, { app: '', run: '' })
  })
  afterAll(async () => {
    await site?.web.stop()
    await machines?.remove()
  })
  return () => ({ machines: machines as Machines, site: site as RunningSite })
}

/** Four requests at once, without pause. */
function loadOf({ site }: Cluster, method: 'GET' | 'POST'): Load {
  return startLoad(async (number) => {
    const { status, text } = await ask(site.port, { method, path: `/?n=${number}` })
    return status === 200 ? text : `${status}`
  }, 4)
}

interface Kill {
  readonly gets: Count
  readonly posts: Count
}

/** Kills a machine while GET and POST requests come in without pause. */
async function killUnderLoad(cluster: Cluster, name: Name): Promise<Kill> {
  const gets = loadOf(cluster, 'GET')
  const posts = loadOf(cluster, 'POST')
  await Promise.all([gets.more(60), posts.more(60)])
  await cluster.machines.kill(name)
  await Promise.all([gets.more(200), posts.more(200)])
  return { gets: await gets.stop(), posts: await posts.stop() }
}

function expectNothingTwice({ machines }: Cluster, { gets, posts }: Kill): void {
  expect(gets.faults).toEqual([])
  expect(gets.answered).toBe(gets.sent)
  // Four at once: no more can have been at the machine when it died. They are told that they failed, and are not repeated.
  expect(posts.faults.length).toBeLessThanOrEqual(4)
  for (const fault of posts.faults) expect(fault).toMatch(/: 502$/)
  expect(posts.answered + posts.faults.length).toBe(posts.sent)
  const given = machines.posts()
  expect(new Set(given).size).toBe(given.length)
  expect(given.length).toBeGreaterThanOrEqual(posts.answered)
}

/** Asks a machine without the balancer between. */
async function knock({ machines }: Cluster, name: Name, localAddress: string): Promise<string> {
  const socket = net.connect({ host: machines.addresses[name], port: machines.port, localAddress })
  socket.on('error', () => {})
  // GET_VALUES: answered at once by whoever answers at all.
  socket.end(Buffer.from('0109000000000000', 'hex'))
  let answer = Buffer.alloc(0)
  socket.on('data', (chunk) => (answer = Buffer.concat([answer, chunk])))
  await new Promise((resolve) => socket.on('close', resolve))
  return answer.toString('hex')
}

describe('haproxy cluster.cfg', () => {
  let admin: string
  const cluster = clusterFor(haproxy, 'cluster.cfg', (_layout, place) => {
    admin = path.join(place.folder, 'admin.sock')
    return {
      '/run/haproxy/admin.sock': admin,
      'inter 2s': 'inter 200ms',
      'slowstart 20s': 'slowstart 2s',
    }
  })

  // It accepts at its port a moment before.
  beforeAll(() => until(() => fs.existsSync(admin), "HAProxy's admin socket"))

  async function tell(command: string): Promise<string> {
    const socket = net.connect(admin)
    socket.end(`${command}\n`)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    return answer
  }
  /** A column of `show stat` for a machine. */
  async function stat(name: Name, column: string): Promise<string> {
    const [head = '', ...lines] = (await tell('show stat')).split('\n')
    const index = head.replace('# ', '').split(',').indexOf(column)
    const line = lines.find((each) => each.startsWith(`myapp,${name},`)) ?? ''
    return line.split(',')[index] ?? ''
  }
  const fullWeight = async (): Promise<void> =>
    until(async () => {
      const weights = await Promise.all(names.map((name) => stat(name, 'weight')))
      return weights.join() === '100,100,50'
    }, 'every machine to have its weight')

  it('gives each machine what its weight says', async () => {
    await fullWeight()
    const { machines, site } = cluster()
    const answers = await machines.hold(site.port, 25)
    expect(await answers()).toEqual({ app1: 10, app2: 10, app3: 5 })
  })

  it('gives a drained machine nothing new, and what it has is answered', async () => {
    await fullWeight()
    const { machines, site } = cluster()
    const answers = await machines.hold(site.port, 15)
    await tell('set server myapp/app2 state drain')
    for (let n = 0; n < 20; n += 1) {
      expect(nameIn(await ask(site.port, { path: `/?n=${n}` }))).not.toBe('app2')
    }
    expect(await answers()).toEqual({ app1: 6, app2: 6, app3: 3 })
    await tell('set server myapp/app2 state ready')
  })

  it('costs no request when a machine is stopped, and lets one that comes back in little by little', async () => {
    const { machines, site } = cluster()
    const from = site.web.log().length
    const load = loadOf(cluster(), 'GET')
    await load.more(50)
    await machines.stop('app1')
    await site.web.waitForLog(/app1 is DOWN/, from)
    await load.more(50)
    await machines.start('app1')
    await site.web.waitForLog(/app1 is UP/, from)
    expect(Number(await stat('app1', 'weight'))).toBeLessThan(100)
    await fullWeight()
    await load.more(50)
    const { sent, answered, faults } = await load.stop()
    expect(faults).toEqual([])
    expect(answered).toBe(sent)
  })

  it('asks a machine nothing whose app cannot be loaded: its ping says 503', async () => {
    const { machines, site } = cluster()
    const from = site.web.log().length
    await machines.stop('app3')
    await site.web.waitForLog(/app3 is DOWN/, from)
    await machines.start('app3', { BROKEN: 'yes' })
    await until(async () => (await stat('app3', 'check_code')) === '503', 'the ping to say 503')
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => ask(site.port, { path: `/?n=${n}` })),
    )
    expect(new Set(answers.map(nameIn))).toEqual(new Set(['app1', 'app2']))
    await machines.stop('app3')
    await machines.start('app3')
    await site.web.waitForLog(/app3 is UP/, from)
  })

  it('answers every GET once and rightly, and no POST twice, when a machine dies under load', async () => {
    const from = cluster().site.web.log().length
    expectNothingTwice(cluster(), await killUnderLoad(cluster(), 'app2'))
    await cluster().site.web.waitForLog(/app2 is DOWN/, from)
    await cluster().machines.start('app2')
    await cluster().site.web.waitForLog(/app2 is UP/, from)
  })

  it('is the only one that the machines talk to: an address that is not in `allow` is refused', async () => {
    expect(await knock(cluster(), 'app1', '127.0.0.1')).toMatch(/^010a/)
    expect(await knock(cluster(), 'app1', '127.0.0.9')).toBe('')
  })
})

describe('haproxy sticky.cfg', () => {
  const cluster = clusterFor(haproxy, 'sticky.cfg', () => ({ 'inter 2s': 'inter 200ms' }))

  it('keeps a visitor at a machine, and at another one when that has gone', async () => {
    const { machines, site } = cluster()
    const first = await ask(site.port, { path: '/?n=0' })
    const name = nameIn(first) as Name
    const { cookie } = first
    expect(cookie).toBe(`machine=${name}`)
    for (let n = 0; n < 10; n += 1) {
      expect(nameIn(await ask(site.port, { path: `/?n=${n}`, cookie: cookie as string }))).toBe(
        name,
      )
    }
    await machines.kill(name)
    const next = await ask(site.port, { path: '/?n=0', cookie: cookie as string })
    expect(nameIn(next)).not.toBe(name)
    expect(next.cookie).toBe(`machine=${nameIn(next)}`)
  })
})

describe('nginx cluster.conf', () => {
  const cluster = clusterFor(nginx, 'cluster.conf')

  it('gives each machine what its weight says', async () => {
    const { machines, site } = cluster()
    const answers = await machines.hold(site.port, 25)
    expect(await answers()).toEqual({ app1: 10, app2: 10, app3: 5 })
  })

  it('gives a machine that is `down` nothing new, and what it has is answered', async () => {
    const { machines, site } = cluster()
    const file = path.join(site.web.folder, 'site.conf')
    const text = fs.readFileSync(file, 'utf8')
    const answers = await machines.hold(site.port, 5)
    const line = new RegExp(`(server ${machines.addresses.app2}:.*);`)
    fs.writeFileSync(file, text.replace(line, '$1 down;'))
    const from = site.web.log().length
    site.web.signal('SIGHUP')
    await site.web.waitForLog(/gracefully shutting down/, from)
    for (let n = 0; n < 20; n += 1) {
      expect(nameIn(await ask(site.port, { path: `/?n=${n}` }))).not.toBe('app2')
    }
    expect(await answers()).toEqual({ app1: 2, app2: 2, app3: 1 })
    fs.writeFileSync(file, text)
    site.web.signal('SIGHUP')
  })

  it('loses no GET when a machine is stopped under load', async () => {
    const { machines } = cluster()
    const load = loadOf(cluster(), 'GET')
    await load.more(50)
    await machines.stop('app1')
    await load.more(50)
    await machines.start('app1')
    await load.more(50)
    const { sent, answered, faults } = await load.stop()
    expect(faults).toEqual([])
    expect(answered).toBe(sent)
  })

  it('answers every GET once and rightly, and no POST twice, when a machine dies under load', async () => {
    expectNothingTwice(cluster(), await killUnderLoad(cluster(), 'app2'))
    expect(cluster().site.web.log()).toMatch(/\[error\].* upstream: "fastcgi:\/\/127\.0\.0\.3/)
    await cluster().machines.start('app2')
  })
})

describe('nginx cluster.conf with hash', () => {
  const cluster = clusterFor(nginx, 'cluster.conf', () => ({ '#hash ': 'hash ' }))

  it('keeps an address at a machine, and at another one when that has gone', async () => {
    const { machines, site } = cluster()
    const machineOf = async (from: string): Promise<Name> =>
      nameIn(await ask(site.port, { path: '/?n=0', from })) as Name
    const visitors = Array.from({ length: 20 }, (_, n) => `127.0.1.${n + 1}`)
    const first = await Promise.all(visitors.map(machineOf))
    expect(new Set(first).size).toBe(3)
    expect(await Promise.all(visitors.map(machineOf))).toEqual(first)
    await machines.kill(first[0] as Name)
    const then = await Promise.all(visitors.map(machineOf))
    for (const [n, name] of first.entries()) {
      if (name === first[0]) expect(then[n]).not.toBe(name)
      else expect(then[n]).toBe(name)
    }
  })
})
