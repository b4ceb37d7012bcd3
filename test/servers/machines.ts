/**
 * Three machines on addresses of the loopback, each with one process of the app, for a balancer in front of them. An answer is
 * the request's number, a blank, and the machine's name; each POST that a machine is given is written down.
 */
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'

import { compileCore } from '../support/compiled-core.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import { until } from '../support/until.ts'
import { freePort, writableFolder } from '../support/web-server.ts'

const app = `
  import fs from 'node:fs'
  import { serve } from '@fastcgi/core'

  const { NAME, ALLOW, RECORD, HELD, GATE, BROKEN } = process.env
  const listener = (req, res) => {
    const url = new URL(req.url, 'http://localhost')
    const answer = url.searchParams.get('n') + ' ' + NAME
    req.resume().on('end', () => {
      // Before the answer, and at once: it is there even after SIGKILL.
      if (req.method === 'POST') fs.appendFileSync(RECORD, url.searchParams.get('n') + '\\n')
      if (url.pathname !== '/hold') return setTimeout(() => res.end(answer), 5)
      fs.appendFileSync(HELD, NAME + '\\n')
      const timer = setInterval(() => {
        if (!fs.existsSync(GATE)) return
        clearInterval(timer)
        res.end(answer)
      }, 20)
    })
  }
  const load = () => {
    if (BROKEN) throw new Error('the database is not there')
    return listener
  }
  serve(load, { ping: '/ping', allow: ALLOW.split(',') })`

export type Name = 'app1' | 'app2' | 'app3'

export interface Machines {
  readonly port: number
  readonly addresses: Readonly<Record<Name, string>>
  /** What the examples say, and what stands for it here. */
  readonly moves: Readonly<Record<string, string>>
  /** @param env BROKEN: the app cannot be loaded; ALLOW: who may connect, 127.0.0.1 unless set */
  start(name: Name, env?: Readonly<Record<string, string>>): Promise<void>
  /** By SIGTERM: it finishes what runs. */
  stop(name: Name): Promise<void>
  /** By SIGKILL, in the midst of whatever it does. */
  kill(name: Name): Promise<void>
  log(name: Name): string
  /**
   * Sends so many requests at once, which are answered when the gate opens; resolves when machines have them all.
   *
   * @returns opens the gate, and gives how many each machine has answered
   */
  hold(balancer: number, count: number): Promise<() => Promise<Readonly<Record<string, number>>>>
  /** The numbers of the POST requests that machines were given. */
  posts(): readonly string[]
  remove(): Promise<void>
}

export async function makeMachines(): Promise<Machines> {
  const core = await compileCore()
  fs.chmodSync(core.folder, 0o755)
  const file = core.write('machine.mjs', app)
  const run = writableFolder(core.folder, 'run')
  const gate = path.join(run, 'gate')
  const record = path.join(run, 'posts')
  const held = path.join(run, 'held')
  const port = await freePort()
  const addresses = { app1: '127.0.0.2', app2: '127.0.0.3', app3: '127.0.0.4' }
  const running = new Map<Name, FastcgiApp>()
  const taken = (name: Name): FastcgiApp => {
    const machine = running.get(name)
    if (machine === undefined) throw new Error(`${name} does not run`)
    running.delete(name)
    return machine
  }
  const moves = Object.values(addresses).map((address, n) => [
    `10.0.0.${n + 1}:9000`,
    `${address}:${port}`,
  ])
  return {
    port,
    addresses,
    moves: Object.fromEntries(moves) as Record<string, string>,
    async start(name, env = {}) {
      const listen = `${addresses[name]}:${port}`
      const own = { NAME: name, ALLOW: '127.0.0.1', RECORD: record, HELD: held, GATE: gate, ...env }
      running.set(name, await startFastcgiApp({ file, listen, env: own }))
    },
    stop: (name) => taken(name).stop(),
    async kill(name) {
      const machine = taken(name)
      process.kill(machine.pid, 'SIGKILL')
      await machine.exited
    },
    log: (name) => running.get(name)?.log() ?? '',
    async hold(balancer, count) {
      for (const name of [gate, held]) fs.rmSync(name, { force: true })
      const answers = Array.from({ length: count }, (_, n) =>
        ask(balancer, { path: `/hold?n=${n}` }),
      )
      await until(() => linesOf(held).length === count, `${count} requests to be at the machines`)
      return async () => {
        fs.writeFileSync(gate, '')
        const shares: Record<string, number> = {}
        for (const name of (await Promise.all(answers)).map(nameIn)) {
          shares[name] = (shares[name] ?? 0) + 1
        }
        return shares
      }
    },
    posts: () => linesOf(record),
    async remove() {
      await Promise.all([...running.values()].map((machine) => machine.stop()))
      core.remove()
    },
  }
}

function linesOf(file: string): readonly string[] {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}

export interface Asked {
  readonly status: number
  readonly text: string
  readonly cookie: string | undefined
}

export interface Question {
  readonly method?: string
  /** With the request's number as `n`. */
  readonly path: string
  /** Where the visitor comes from; 127.0.0.1 unless set. */
  readonly from?: string
  readonly cookie?: string
  readonly agent?: http.Agent
}

/** Asks the balancer; a connection that ends without an answer is an error. */
export function ask(port: number, question: Question): Promise<Asked> {
  const { method = 'GET', path: target, from, cookie, agent } = question
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port,
        method,
        path: target,
        agent: agent ?? false,
        headers: cookie === undefined ? {} : { cookie },
        ...(from === undefined ? {} : { localAddress: from }),
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('error', reject).on('end', () => {
          const [set] = response.headers['set-cookie'] ?? []
          resolve({ status: response.statusCode ?? 0, text, cookie: set?.split(';')[0] })
        })
      },
    )
    request.on('error', reject).end(method === 'POST' ? 'a body' : undefined)
  })
}

/** The machine's name in an answer. */
export function nameIn({ status, text }: Asked): string {
  if (status !== 200) throw new Error(`${status}: ${text}`)
  return text.split(' ')[1] ?? text
}
