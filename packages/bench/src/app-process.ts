/** Starts one implementation as a process of its own, waits until it answers, asks it, ends it. */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { track } from './children.ts'
import type { Question } from './apps/node-app.ts'
import type { AllocatingFunction } from './apps/allocation-sampler.ts'
import type { Command } from './implementations.ts'

/** How application processes are started. */
export interface StartOptions {
  /** The Node binary. */
  readonly node: string
  readonly execArgv: readonly string[]
}

/** Whether somebody accepts connections on a unix socket. */
async function answers(path: string): Promise<boolean> {
  if (!existsSync(path)) return false
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** A running application. */
export class AppProcess implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** @throws Error when it has not listened within ten seconds. */
  static async start(command: Command, socket: string, options: StartOptions): Promise<AppProcess> {
    rmSync(socket, { force: true })
    const child = spawnApp(command, options)
    for (let waited = 0; !(await answers(socket)); waited += 10) {
      if (child.exitCode !== null || waited > 10_000) {
        child.kill('SIGKILL')
        throw new Error(`${command.file} ${command.args.join(' ')} did not start`)
      }
      await delay(10)
    }
    return new AppProcess(child)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Memory after a collection; the resident size alone for a program that is not on Node. */
  async memory(): Promise<NodeJS.MemoryUsage> {
    return (await this.#ask('memory')) as NodeJS.MemoryUsage
  }

  async startAllocationSampling(): Promise<void> {
    await this.#ask('allocations-start')
  }

  async stopAllocationSampling(): Promise<AllocatingFunction[]> {
    return (await this.#ask('allocations-stop')) as AllocatingFunction[]
  }

  async #ask(question: Question): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', resolve)
      this.#child.send(question, (error) => error && reject(error))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    // A program on Node leaves by itself, so that a profile it was told to take is written.
    if (this.#child.connected) this.#child.send('exit' satisfies Question)
    else this.#child.kill('SIGTERM')
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    await gone
    clearTimeout(killer)
  }
}

/** Starts the command without waiting for anything; the measurement of start-up uses it as it is. */
export function spawnApp(command: Command, options: StartOptions): ChildProcess {
  const env = { ...process.env, NODE_ENV: 'production' }
  if (!command.node) {
    return track(spawn(command.file, command.args, { env, stdio: ['ignore', 'ignore', 'inherit'] }))
  }
  return track(
    fork(command.file, command.args, {
      env,
      execPath: options.node,
      execArgv: [...options.execArgv],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    }),
  )
}
