/** Pools of workers on sockets of their own, as processes: started, asked, and ended whatever a test has left of them. */
import fs from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'

import { request } from '../../packages/core/src/client.ts'
import { compileCore, type CompiledCore } from './compiled-core.ts'
import {
  killLeftovers,
  startNode,
  type NodeProcess,
  type NodeProcessOptions,
} from './node-process.ts'
import { isAlive } from './shared-hosts.ts'
import { until } from './until.ts'
import { workerApp } from './worker-app.ts'

export type Address =
  | { readonly socketPath: string }
  | { readonly port: number; readonly host: string }

export interface Pool extends NodeProcess {
  readonly address: Address
  /** Path of the app's module; its text decides what the next worker loads. */
  readonly app: string
  /** Its and the script's. */
  readonly folder: string
  /** Every process that has loaded the app. */
  pids(): number[]
}

export interface PoolSettings extends Partial<NodeProcessOptions> {
  /** The app's text. Default: {@link workerApp}, version `one`. */
  readonly app?: string
  /** `unix` by default. */
  readonly listen?: 'unix' | 'tcp'
  /** Path of its log. Default: its descriptor 2. */
  readonly log?: string
}

export class Pools {
  readonly core: CompiledCore
  #number = 0

  constructor(core: CompiledCore) {
    this.core = core
  }

  static async create(): Promise<Pools> {
    return new Pools(await compileCore())
  }

  /** @param options of `serve`, as text */
  async start(options: string, settings: PoolSettings = {}): Promise<Pool> {
    const { app = workerApp('one'), listen = 'unix', log, ...more } = settings
    const all = log === undefined ? options : `${options}, log: ${JSON.stringify(log)}`
    const name = `pool-${(this.#number += 1)}`
    const folder = path.join(this.core.folder, name)
    const module = this.core.write(`${name}/app.mjs`, app)
    const file = this.core.write(
      `${name}/serve.mjs`,
      `import { serve } from '@fastcgi/core'
       await serve(() => import('./app.mjs'), { env: false, ${all} })`,
    )
    const socketPath = path.join(folder, 's')
    const where = listen === 'unix' ? socketPath : '127.0.0.1:0'
    const started = startNode({ file, ...more, env: { FASTCGI_LISTEN: where, ...more.env } })
    const pool = {
      ...started,
      address: { socketPath } as Address,
      app: module,
      folder,
      pids: () => lines(folder, 'pids').map(Number),
    }
    if (log === undefined) await started.waitForStderr(/listening on/)
    else
      await until(
        () => fs.existsSync(log) && /listening on/.test(fs.readFileSync(log, 'utf8')),
        log,
      )
    if (listen === 'unix') return pool
    const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(started.stderr())?.[1])
    return { ...pool, address: { port, host: '127.0.0.1' } }
  }

  /** The primaries first, so that their workers see them go; those that hang see nothing, and are killed by their ids. */
  end(): void {
    const left = this.#processes()
    killLeftovers()
    for (const pid of left) if (this.#isOurs(pid) && isAlive(pid)) process.kill(pid, 'SIGKILL')
  }

  #processes(): number[] {
    const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return pids.map(Number).filter((pid) => this.#isOurs(pid))
  }

  /** By the script it runs; a number may belong to another process by now. */
  #isOurs(pid: number): boolean {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${this.core.folder}/pool-`)
    } catch {
      return false
    }
  }

  close(): void {
    this.core.remove()
  }
}

export async function ask(pool: Pool, url: string): Promise<string> {
  const response = await request({ ...pool.address, path: url, timeout: 20_000 })
  return response.text()
}

/** Waits until so many workers have answered. */
export async function allReady(pool: Pool, count: number): Promise<number[]> {
  const seen = new Set<string>()
  await until(
    async () => seen.add(await ask(pool, '/pid')).size >= count,
    () => `${count} workers:\n${pool.stderr()}`,
  )
  return [...seen].map(Number)
}

/** Ends it by SIGTERM: with status 0, and none of its workers is left. */
export async function stop(pool: Pool): Promise<void> {
  pool.child.kill('SIGTERM')
  expect(await pool.ended).toBe(0)
  expect(pool.pids().filter(isAlive)).toEqual([])
}

/** The numbers that its app has been asked with. */
export function numbersOf({ folder }: Pool): string[] {
  return lines(folder, 'numbers')
}

/** Whole ones: the last may be half written. */
function lines(folder: string, name: string): string[] {
  const file = path.join(folder, name)
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}
