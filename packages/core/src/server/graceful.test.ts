// Every way of being started, every signal that ends (or reloads), and everything that can be under way: one table.
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import {
  killLeftovers,
  listeningServer,
  startNode,
  type NodeProcess,
} from '../../../../test/support/node-process.ts'
import * as raw from '../../../../test/support/raw.ts'
import { until } from '../../../../test/support/until.ts'

/** Milliseconds: five at once start up to five processes each. */
const patience = 120_000

let core: CompiledCore
let script: string
let number = 0

beforeAll(async () => {
  core = await compileCore()
  core.write(
    'app.mjs',
    `import fs from 'node:fs'
     export default (req, res) => {
       if (req.url === '/quick') return res.end('quick')
       if (req.url === '/stream') res.write('first,')
       console.error('begun ' + req.url)
       const timer = setInterval(() => {
         if (!fs.existsSync(process.env.GATE)) return
         clearInterval(timer)
         res.end('finished')
       }, 20)
     }`,
  )
  script = core.write(
    'serve.mjs',
    `import { serve } from '@fastcgi/core'\nserve(() => import('./app.mjs'), { env: false })`,
  )
})
afterAll(() => {
  killLeftovers()
  core.remove()
})

type Address = { readonly path: string } | { readonly port: number; readonly host: string }

/** A kept connection, and what the application has sent on it. */
class Peer {
  readonly socket: net.Socket
  readonly closed: Promise<unknown>
  #received = Buffer.alloc(0)

  constructor(address: Address) {
    this.socket = net.connect(address)
    this.socket.on('error', () => {})
    this.socket.on(
      'data',
      (chunk: Buffer) => (this.#received = Buffer.concat([this.#received, chunk])),
    )
    this.closed = once(this.socket, 'close')
  }

  ask(id: number, url: string): void {
    const params = { REQUEST_METHOD: 'GET', REQUEST_URI: url, SERVER_PROTOCOL: 'HTTP/1.1' }
    this.socket.write(raw.request(id, { params, keep: true }))
  }

  answer(id: number): raw.RawAnswer {
    return raw.readAnswer(raw.readRecords(this.#received).records, id)
  }

  async has(id: number, text: string): Promise<void> {
    await until(() => this.answer(id).stdout.includes(text), `${text} in answer ${id}`)
  }
}

interface Started {
  readonly process: NodeProcess
  readonly address: Address
  readonly gate: string
}

type Way = (file: string) => Promise<{ process: Parameters<typeof startNode>[0]; address: Address }>

const onPath: Way = async (file) => ({
  process: { file: script, env: { FASTCGI_LISTEN: file } },
  address: { path: file },
})
const activated: Way = async (file) => ({
  process: {
    file: script,
    shell: 'LISTEN_PID=$$ exec "$@"',
    more: [await listeningServer(file)],
    env: { LISTEN_FDS: '1' },
  },
  address: { path: file },
})
const spawned: Way = async (file) => ({
  process: { file: script, stdin: await listeningServer(file) },
  address: { path: file },
})
/** A port that was free a moment ago. */
const onOwnPort: Way = async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return {
    process: { file: script, args: ['--listen', `127.0.0.1:${port}`] },
    address: { port, host: '127.0.0.1' },
  }
}
const onPort: Way = async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  return {
    process: { file: script, args: ['--listen', 'fd:3'], more: [server] },
    address: { port, host: '127.0.0.1' },
  }
}

async function start(way: Way, workers: number): Promise<Started> {
  number += 1
  const gate = path.join(core.folder, `gate-${number}`)
  const made = await way(path.join(core.folder, `s-${number}`))
  const env = {
    ...made.process.env,
    GATE: gate,
    ...(workers ? { FASTCGI_WORKERS: `${workers}` } : {}),
  }
  const started = startNode({ ...made.process, env })
  await started.waitForStderr(/listening on/)
  return { process: started, address: made.address, gate }
}

interface UnderWay {
  readonly idle: Peer
  readonly busy: Peer
  readonly streaming: Peer
  readonly multiplexed: Peer
}

/** A connection of each kind, in the state that its name says. */
async function begin({ process: { waitForStderr, stderr }, address }: Started): Promise<UnderWay> {
  const [idle, busy, streaming, multiplexed] = [0, 1, 2, 3].map(() => new Peer(address)) as [
    Peer,
    Peer,
    Peer,
    Peer,
  ]
  idle.ask(1, '/quick')
  busy.ask(1, '/hold')
  streaming.ask(1, '/stream')
  for (const [id, url] of [
    [1, '/hold'],
    [2, '/stream'],
    [3, '/quick'],
  ] as const)
    multiplexed.ask(id, url)
  await idle.has(1, 'quick')
  await streaming.has(1, 'first,')
  await multiplexed.has(2, 'first,')
  await multiplexed.has(3, 'quick')
  await until(() => (stderr().match(/begun \/hold/g)?.length ?? 0) === 2, 'both requests')
  await waitForStderr(/begun \/stream/)
  return { idle, busy, streaming, multiplexed }
}

/** All that was under way has been answered whole, and each connection is closed. */
async function expectFinished({ idle, busy, streaming, multiplexed }: UnderWay): Promise<void> {
  await Promise.all([idle, busy, streaming, multiplexed].map(({ closed }) => closed))
  const whole = (peer: Peer, id: number, body: string): void => {
    expect(peer.answer(id)).toMatchObject({ appStatus: 0, protocolStatus: 0 })
    expect(peer.answer(id).stdout).toMatch(new RegExp(`^[^]*Status: 200 OK\\r\\n\\r\\n${body}$`))
  }
  whole(idle, 1, 'quick')
  whole(busy, 1, 'finished')
  whole(streaming, 1, 'first,finished')
  whole(multiplexed, 1, 'finished')
  whole(multiplexed, 2, 'first,finished')
  whole(multiplexed, 3, 'quick')
}

const ways: readonly (readonly [name: string, way: Way, workers: number])[] = [
  ['a socket file', onPath, 0],
  ['a port', onOwnPort, 0],
  ['a port of another process', onPort, 0],
  ['systemd', activated, 0],
  ['descriptor 0', spawned, 0],
  ['a socket file, one worker', onPath, 1],
  ['a port of another process, two workers', onPort, 2],
  ['a port, two workers', onOwnPort, 2],
  ['systemd, two workers', activated, 2],
]
const table = ways.flatMap(([name, way, workers]) =>
  (['SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGHUP'] as const).map((signal) => ({
    name,
    way,
    workers,
    signal,
  })),
)

describe('idle, busy, streaming and multiplexed connections are finished', () => {
  it.concurrent.each(table.filter(({ workers, signal }) => workers === 0 || signal !== 'SIGHUP'))(
    'on $name, by $signal',
    async ({ way, workers, signal }) => {
      const started = await start(way, workers)
      const underWay = await begin(started)
      started.process.child.kill(signal)
      await started.process.waitForStderr(new RegExp(`${signal}: finishing what runs`))
      fs.writeFileSync(started.gate, '')
      await expectFinished(underWay)
      expect(await started.process.ended).toBe(0)
    },
    patience,
  )

  it.concurrent.each(table.filter(({ workers, signal }) => workers > 0 && signal === 'SIGHUP'))(
    'on $name, by $signal, and others take over',
    async ({ way, workers, signal }) => {
      const started = await start(way, workers)
      const underWay = await begin(started)
      started.process.child.kill(signal)
      await started.process.waitForStderr(/reloaded: \d workers? replaced/)
      const next = new Peer(started.address)
      next.ask(1, '/quick')
      await next.has(1, 'quick')
      fs.writeFileSync(started.gate, '')
      await expectFinished(underWay)
      started.process.child.kill('SIGTERM')
      await next.closed
      expect(await started.process.ended).toBe(0)
    },
    patience,
  )
})

describe('the one request of a CGI process is finished', () => {
  const signals = ['SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGHUP'] as const
  const requests = [
    ['/hold', 'finished'],
    ['/stream', 'first,finished'],
  ] as const
  it.concurrent.each(
    signals.flatMap((signal) => requests.map(([url, body]) => ({ signal, url, body }))),
  )('by $signal, $url', async ({ signal, url, body }) => {
    number += 1
    const gate = path.join(core.folder, `gate-${number}`)
    const started = startNode({
      file: script,
      env: {
        GATE: gate,
        GATEWAY_INTERFACE: 'CGI/1.1',
        REQUEST_METHOD: 'GET',
        REQUEST_URI: url,
        SERVER_PROTOCOL: 'HTTP/1.1',
      },
    })
    await started.waitForStderr(/begun/)
    started.child.kill(signal)
    await started.waitForStderr(new RegExp(`${signal}: finishing what runs`))
    fs.writeFileSync(gate, '')
    expect(await started.ended).toBe(0)
    expect(started.stdout().toString()).toMatch(
      new RegExp(`^Status: 200 OK\\r\\n[^]*\\r\\n${body}$`, 'm'),
    )
  })
})
