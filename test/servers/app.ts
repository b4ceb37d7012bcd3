/** Starts an app's `.fcgi` as a process of its own on a unix socket or a port, and stops it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

import { until } from '../support/until.ts'

export interface AppProcess {
  readonly pid: number
  /** Standard output and error so far. */
  log(): string
  /** Sends SIGTERM and resolves with the exit code once the process is gone. */
  stop(): Promise<number | null>
}

/** Whether something accepts at this path, or at this port of 127.0.0.1. */
async function answers(where: string | number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof where === 'string' ? net.connect(where) : net.connect(where, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Runs the script with FASTCGI_LISTEN set, and resolves once it accepts there. */
export async function startApp(
  script: string,
  listen: string | number,
  env: Readonly<Record<string, string>> = {},
): Promise<AppProcess> {
  const output: Buffer[] = []
  const child = spawn(script, {
    cwd: path.dirname(script),
    env: {
      ...process.env,
      PATH: `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`,
      NODE_ENV: 'production',
      FASTCGI_LISTEN: typeof listen === 'string' ? listen : `127.0.0.1:${String(listen)}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  const log = (): string => Buffer.concat(output).toString()
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  await once(child, 'spawn')
  const gone = once(child, 'exit')

  const app: AppProcess = {
    pid: child.pid as number,
    log,
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await gone
      clearTimeout(timer)
      process.off('exit', onExit)
      if (typeof listen === 'string') fs.rmSync(listen, { force: true })
      return child.exitCode
    },
  }
  try {
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`${script} exited:\n${log()}`)
        return answers(listen)
      },
      () => `${script} to accept at ${String(listen)}:\n${log()}`,
    )
  } catch (error) {
    await app.stop()
    throw error
  }
  return app
}
