/** Starts a script as a web server, systemd or a shell would, and watches what becomes of it. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net, { type Server } from 'node:net'

import { until } from './until.ts'

export interface NodeProcessOptions {
  readonly file: string
  readonly args?: readonly string[]
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Descriptor 0: a listening server, a descriptor, or as for `spawn`. Default `ignore`, the null device. */
  readonly stdin?: Server | number | 'ignore' | 'pipe'
  /** Descriptors from 3 on. */
  readonly more?: readonly (Server | number)[]
  /** A shell line around `exec "$@"`, such as `exec "$@" <&-`. */
  readonly shell?: string
  readonly cwd?: string
  /** User to run as; only root can. */
  readonly uid?: number
  /** Where descriptor 2 leads. Default: a pipe, read by `stderr`. */
  readonly stderr?: 'pipe' | 'ignore'
}

export interface NodeProcess {
  readonly child: ChildProcess
  readonly pid: number
  /** Descriptor 1 and 2 so far. */
  stdout(): Buffer
  stderr(): string
  waitForStderr(pattern: RegExp): Promise<void>
  /** The exit status, or the name of the signal that ended it; waits for the end of its output. */
  readonly ended: Promise<number | string>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export function startNode(options: NodeProcessOptions): NodeProcess {
  const { file, args = [], nodeArgs = [], shell } = options
  const command = [process.execPath, ...nodeArgs, file, ...args]
  const line = shell === undefined ? command : ['/bin/sh', '-c', shell, 'sh', ...command]
  const stdio = [
    handle(options.stdin ?? 'ignore'),
    'pipe',
    options.stderr ?? 'pipe',
    ...(options.more ?? []).map(handle),
  ]
  const child = spawn(line[0] as string, line.slice(1), {
    cwd: options.cwd,
    stdio: stdio as StdioOptions,
    env: { PATH: process.env['PATH'], ...options.env },
    ...(options.uid === undefined ? {} : { uid: options.uid }),
  })
  running.add(child)
  for (const given of [options.stdin, ...(options.more ?? [])]) {
    if (typeof given === 'object') given.close()
  }
  let out = Buffer.alloc(0)
  let err = ''
  child.stdout?.on('data', (chunk: Buffer) => (out = Buffer.concat([out, chunk])))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  let gone = false
  const ended = once(child, 'close').then(([code, signal]: unknown[]) => {
    gone = true
    running.delete(child)
    return (code ?? signal) as number | string
  })
  return {
    child,
    pid: child.pid ?? -1,
    stdout: () => out,
    stderr: () => err,
    ended,
    async waitForStderr(pattern) {
      await until(
        () => {
          if (pattern.test(err)) return true
          if (gone) throw new Error(`${file} ended without writing ${String(pattern)}:\n${err}`)
          return false
        },
        () => `${String(pattern)} in:\n${err}`,
        20_000,
      )
    },
  }
}

/** Ends what a failed test has left. */
export function killLeftovers(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** `spawn` takes the handle of a listening server; its types do not know. */
function handle(given: Server | number | string): unknown {
  return typeof given === 'object' ? (given as unknown as { _handle: unknown })._handle : given
}

/**
 * A listening socket to be handed to a process; `startNode` closes our own copy, so that connections are the
 * process's. A unix socket's file stays.
 */
export async function listeningServer(where: string | { port: number }): Promise<Server> {
  const server = net.createServer()
  // Node deletes the file by the name it was bound under.
  if (typeof where === 'string') server.listen(`${where}.bound`)
  else server.listen({ host: '127.0.0.1', ...where })
  await once(server, 'listening')
  if (typeof where === 'string') fs.renameSync(`${where}.bound`, where)
  return server
}
