/** Starts a `.fcgi` file as a process of its own on a socket, as a service manager does. */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

import { until } from './until.ts'
import { serverUser } from './web-server.ts'

export interface FastcgiApp {
  readonly pid: number
  /** Standard output and standard error so far. */
  log(): string
  waitForLog(pattern: RegExp): Promise<void>
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Ends it by SIGTERM and waits until it is gone. */
  stop(): Promise<void>
}

export interface FastcgiAppOptions {
  /** The `.fcgi` file, run by this Node.js. */
  readonly file: string
  /** FASTCGI_LISTEN: a path or host:port. */
  readonly listen: string
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
}

/** Resolves once the app accepts connections. It runs as the web servers' user when we are root. */
export async function startFastcgiApp(options: FastcgiAppOptions): Promise<FastcgiApp> {
  const user = serverUser()
  const child = spawn(process.execPath, [options.file, ...(options.args ?? [])], {
    cwd: path.dirname(options.file),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], FASTCGI_LISTEN: options.listen, ...options.env },
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  })
  const app = new RunningApp(child)
  await until(
    async () => {
      if (app.gone) throw new Error(`${options.file} went at once:\n${app.log()}`)
      return answers(options.listen)
    },
    () => `${options.file} to listen on ${options.listen}:\n${app.log()}`,
  )
  return app
}

async function answers(listen: string): Promise<boolean> {
  const tcp = /^(.*):(\d+)$/.exec(listen)
  if (tcp === null && !fs.existsSync(listen)) return false
  return new Promise((resolve) => {
    const socket =
      tcp === null ? net.connect(listen) : net.connect(Number(tcp[2]), tcp[1] || '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

class RunningApp implements FastcgiApp {
  readonly pid: number
  readonly exited: FastcgiApp['exited']
  gone = false
  readonly #child: ChildProcess
  #output = ''
  readonly #onExit = (): void => void this.#child.kill('SIGKILL')

  constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid ?? -1
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text))
    }
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        this.gone = true
        resolve({ code, signal })
      })
    })
    process.once('exit', this.#onExit)
  }

  log(): string {
    return this.#output
  }

  async waitForLog(pattern: RegExp): Promise<void> {
    await until(
      () => pattern.test(this.#output),
      () => `the app's log to have ${String(pattern)}:\n${this.#output}`,
    )
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 20_000)
    await this.exited
    clearTimeout(timer)
    process.off('exit', this.#onExit)
  }
}
