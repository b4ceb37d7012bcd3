/**
 * A machine to throw away, with systemd as its process 1 and all that is installed here: what a page tells an
 * administrator to do is done there, word for word, as root.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'

import { root } from './documents.ts'
import { until } from './until.ts'
import { temporaryFolder } from './web-server.ts'

export interface Done {
  readonly code: number
  /** What went to standard output and standard error. */
  readonly output: string
}

export interface Machine {
  /** Runs a line in a shell, in the checkout or in `folder`. What it leaves in the background stays. */
  run(line: string, folder?: string): Promise<Done>
  /** The same for a line that must succeed; gives what it printed. */
  must(line: string, folder?: string): Promise<string>
  stop(): Promise<void>
}

/** A second on a machine that has nothing else to do. */
const BOOT = 120_000

/** No line takes longer than some seconds; what hangs is named, with the journal. */
const LINE = 100_000

/** Programs of this machine, as root finds them there. */
const PATH = `${path.dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`

/** npx and pnpm find what they need in their stores: the machine has no network. */
function environment(): Record<string, string> {
  const state = fs.readFileSync(path.join(root, 'node_modules/.modules.yaml'), 'utf8')
  const store = /"?storeDir"?: "?(.*?)"?,?$/m.exec(state)?.[1]
  return {
    PATH,
    HOME: process.env['HOME'] ?? '/root',
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    npm_config_offline: 'true',
    pnpm_config_offline: 'true',
    pnpm_config_trust_lockfile: 'true',
    ...(store === undefined ? {} : { pnpm_config_store_dir: store }),
    ...(process.env['npm_config_cache'] === undefined
      ? {}
      : { npm_config_cache: process.env['npm_config_cache'] }),
  }
}

/** Boots one; `srv` is to be its /srv, and outlives it. */
export async function bootMachine(srv: string): Promise<Machine> {
  const folder = temporaryFolder('machine')
  const script = path.join(root, 'test/support/machine.sh')
  const child = spawn(script, [folder, root, fs.realpathSync(process.execPath), srv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gone = once(child, 'exit')
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  }
  const machine = new RunningMachine(child, gone, folder, () => said)
  try {
    await machine.booted()
  } catch (error) {
    await machine.stop()
    throw new Error(
      'a machine of its own could not be booted, which takes root who may make namespaces and mounts ' +
        `(in Docker: --privileged), and Debian's systemd:\n${said}`,
      { cause: error },
    )
  }
  return machine
}

class RunningMachine implements Machine {
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>
  readonly #folder: string
  readonly #said: () => string
  #count = 0

  constructor(child: ChildProcess, gone: Promise<unknown>, folder: string, said: () => string) {
    this.#child = child
    this.#gone = gone
    this.#folder = folder
    this.#said = said
  }

  async booted(): Promise<void> {
    await until(
      async () => {
        if (this.#child.exitCode !== null) throw new Error('it ended at once')
        if (this.#first() === undefined) return false
        const { output } = await this.run('systemctl is-system-running')
        return /^(?:running|degraded)$/m.test(output)
      },
      this.#said,
      BOOT,
    )
  }

  /** Its process 1, by the number that it has here. */
  #first(): number | undefined {
    const pid = String(this.#child.pid)
    try {
      const child = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
      // The script itself runs on until systemd takes its place.
      const name = fs.readFileSync(`/proc/${child}/comm`, 'utf8').trim()
      return name === 'systemd' ? Number(child) : undefined
    } catch {
      return undefined
    }
  }

  async run(line: string, folder = '/opt/fastcgi'): Promise<Done> {
    const first = this.#first()
    if (first === undefined) throw new Error(`the machine has gone:\n${this.#said()}`)
    // A file: a program in the background would keep a pipe open.
    const file = `${this.#folder}.${String((this.#count += 1))}.log`
    const log = fs.openSync(file, 'w')
    try {
      const words = ['-t', String(first), '--all', 'sh', '-c', `cd ${folder} && ${line}`]
      const shell = spawn('nsenter', words, { env: environment(), stdio: ['ignore', log, log] })
      const timer = setTimeout(() => shell.kill('SIGKILL'), LINE)
      const [code, signal] = (await once(shell, 'exit')) as [number | null, string | null]
      clearTimeout(timer)
      if (signal !== null) {
        throw new Error(`${line}\nwas ended by ${signal}:\n${fs.readFileSync(file, 'utf8')}`)
      }
      return { code: code ?? 1, output: fs.readFileSync(file, 'utf8') }
    } finally {
      fs.closeSync(log)
      fs.rmSync(file)
    }
  }

  async must(line: string, folder?: string): Promise<string> {
    const { code, output } = await this.run(line, folder)
    if (code !== 0) throw new Error(`${line}\nended with ${String(code)}:\n${output}`)
    return output
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone
    for (const [, group] of this.#said().matchAll(/^cgroup (.*)$/gm)) {
      await until(() => removeGroup(group!), `control group ${group!} to be empty`)
    }
    fs.rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Innermost first; the last processes may still be on their way out. */
function removeGroup(group: string): boolean {
  const folders = fs
    .readdirSync(group, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(entry.parentPath, entry.name))
  try {
    for (const each of folders.toReversed()) fs.rmdirSync(each)
    fs.rmdirSync(group)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false
    throw error
  }
}
