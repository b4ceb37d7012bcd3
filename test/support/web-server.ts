/**
 * Starts a real web server in the foreground, in a folder of its own, with a configuration from
 * `examples/servers/`, and stops it by its pid. Knows no server in particular.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'

import { until } from './until.ts'

/** What a server is given to live in. */
export interface Place {
  /** The server's own folder: others may read it, `writable` makes rooms that it may write in. */
  readonly folder: string
  /** A free port: the one that must accept before the server counts as started. */
  readonly port: number
  /** All ports asked for; `port` is the first. */
  readonly ports: readonly number[]
  /** User that worker processes run as, or undefined when we are not root and nothing is to be set. */
  readonly user: string | undefined
  readonly group: string | undefined
  /** Makes a folder below `folder` that belongs to `user`, and gives its path. */
  writable(name: string): string
  /** Writes a file below `folder` and gives its path. */
  write(name: string, text: string, mode?: number): string
}

export interface Launch {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Log files besides stdout and stderr, to be shown and searched by `log` and `waitForLog`. */
  readonly logs?: readonly string[]
  /** What the log has once the server is ready, for one that listens before it has read everything. */
  readonly ready?: RegExp
}

export interface WebServerOptions {
  /** Program name, looked up in PATH and the sbin folders. */
  readonly program: string
  /** The line that installs it, for a machine that lacks it. */
  readonly install: string
  /** Number of ports needed; default 1. */
  readonly ports?: number
  /** Writes the configuration and says how to start. Called again on another port if one was taken. */
  prepare(place: Place): Launch | Promise<Launch>
  /** Signal that stops the server; default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
}

export interface WebServer {
  readonly folder: string
  readonly port: number
  readonly ports: readonly number[]
  readonly pid: number
  readonly user: string | undefined
  /** Everything logged so far. */
  log(): string
  /** Resolves with the match once the log, from `from` characters on, has one. */
  waitForLog(pattern: RegExp, from?: number): Promise<RegExpExecArray>
  signal(name: NodeJS.Signals): void
  /** Resolves with exit code and signal when the process is gone. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Stops the server, kills it if it does not go, and removes its folder. */
  stop(): Promise<void>
}

/** Path of a program, or an error that says how to install it. */
export function findProgram(program: string, install: string): string {
  const folders = [
    ...(process.env['PATH'] ?? '').split(':'),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
  ]
  const found = folders
    .map((folder) => path.join(folder, program))
    .find((file) => isExecutable(file))
  if (found === undefined) throw new Error(`NOT RUN: ${program} is not installed; run: ${install}`)
  return found
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}

/** The unprivileged user and group for a server started by root; undefined when we are not root. */
export function serverUser():
  | { name: string; group: string; uid: number; gid: number }
  | undefined {
  if (process.getuid?.() !== 0) return undefined
  const accounts = fs.readFileSync('/etc/passwd', 'latin1').split('\n')
  const groups = fs.readFileSync('/etc/group', 'latin1').split('\n')
  for (const name of ['www-data', 'nobody']) {
    const account = accounts.find((line) => line.startsWith(`${name}:`))?.split(':')
    if (account === undefined) continue
    const gid = Number(account[3])
    const group = groups.find((line) => line.split(':')[2] === account[3])?.split(':')[0]
    return { name, group: group ?? String(gid), uid: Number(account[2]), gid }
  }
  throw new Error('neither www-data nor nobody in /etc/passwd')
}

function othersMayPass(folder: string): boolean {
  for (let at = folder; ; at = path.dirname(at)) {
    if ((fs.statSync(at).mode & 0o001) === 0) return false
    if (at === path.dirname(at)) return true
  }
}

/** A new folder that a server's unprivileged user can reach, wherever the repository lies. */
export function temporaryFolder(name: string): string {
  const bases = [fs.realpathSync(os.tmpdir()), '/tmp', '/var/tmp']
  const base = bases.find((folder) => fs.existsSync(folder) && othersMayPass(folder)) ?? os.tmpdir()
  const folder = fs.mkdtempSync(path.join(base, `fastcgi-${name}-`))
  fs.chmodSync(folder, 0o755)
  return folder
}

/** A folder below `parent` that belongs to the server's user. */
export function writableFolder(parent: string, name: string): string {
  const folder = path.join(parent, name)
  fs.mkdirSync(folder, { recursive: true })
  const user = serverUser()
  if (user !== undefined) fs.chownSync(folder, user.uid, user.gid)
  return folder
}

const taken = new Set<number>()

/**
 * A free TCP port. Outside the range from which the kernel gives ports to outgoing connections, so
 * that none of them takes it before the server has bound it.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = 12_000 + Math.floor(Math.random() * 18_000)
    if (!taken.has(port) && (await canListen(port))) {
      taken.add(port)
      return port
    }
  }
  throw new Error('no free port found between 12000 and 30000')
}

async function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })
}

/** Whether something accepts connections there. */
export async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/**
 * Fills the blanks of a configuration: each key is replaced wherever it stands. Throws when a key
 * does not occur, so that a test cannot go on with an example that has changed under it.
 */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  const keys = Object.keys(values).toSorted((a, b) => b.length - a.length)
  for (const key of keys) {
    if (!text.includes(key)) throw new Error(`nothing to replace: ${key} is not in the file`)
  }
  if (keys.length === 0) return text
  // In one pass: what is put in for one key may contain another.
  const escaped = keys.map((key) => key.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return text.replaceAll(new RegExp(escaped.join('|'), 'g'), (key) => values[key] as string)
}

const PORT_TAKEN = /address already in use|cannot bind|EADDRINUSE|can't bind|bind\(\) .*failed/i

/** Starts the server and resolves once its first port accepts. Throws with its log when it does not. */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const program = findProgram(options.program, options.install)
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await launch(options, program)
    } catch (error) {
      if (attempt === 5 || !PORT_TAKEN.test(String(error))) throw error
    }
  }
}

async function launch(options: WebServerOptions, program: string): Promise<WebServer> {
  const folder = temporaryFolder(options.program)
  const ports: number[] = []
  for (let n = 0; n < (options.ports ?? 1); n += 1) ports.push(await freePort())
  const port = ports[0] as number
  const user = serverUser()
  const place: Place = {
    folder,
    port,
    ports,
    user: user?.name,
    group: user?.group,
    writable: (name) => writableFolder(folder, name),
    write(name, text, mode = 0o644) {
      const file = path.join(folder, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, text)
      fs.chmodSync(file, mode)
      return file
    },
  }
  let plan: Launch
  try {
    plan = await options.prepare(place)
  } catch (error) {
    fs.rmSync(folder, { recursive: true, force: true })
    throw error
  }

  const output = path.join(folder, 'output.log')
  const descriptor = fs.openSync(output, 'a')
  const child = spawn(program, plan.args, {
    cwd: folder,
    // Its own process group: what it spawned can be ended with it.
    detached: true,
    stdio: ['ignore', descriptor, descriptor],
    env: {
      ...process.env,
      PATH: `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`,
      ...plan.env,
    },
  })
  fs.closeSync(descriptor)
  const server = new RunningServer(
    child,
    { folder, ports, logs: [output, ...(plan.logs ?? [])] },
    options,
  )

  try {
    await until(
      async () => {
        if (server.gone) throw new Error(`${options.program} went at once:\n${server.log()}`)
        // Asked twice, since another process may have answered on a port that this one failed to bind.
        if (plan.ready !== undefined && !plan.ready.test(server.log())) return false
        return (await accepts(port)) && !server.gone
      },
      () => `${options.program} to accept on port ${String(port)}:\n${server.log()}`,
    )
  } catch (error) {
    await server.stop()
    throw error
  }
  return server
}

class RunningServer implements WebServer {
  readonly folder: string
  readonly port: number
  readonly ports: readonly number[]
  readonly pid: number
  readonly user: string | undefined
  readonly exited: WebServer['exited']
  gone = false
  readonly #child: ChildProcess
  readonly #logs: readonly string[]
  readonly #options: WebServerOptions
  readonly #onExit = (): void => this.#kill()

  constructor(
    child: ChildProcess,
    place: { folder: string; ports: readonly number[]; logs: readonly string[] },
    options: WebServerOptions,
  ) {
    this.folder = place.folder
    this.ports = place.ports
    this.port = place.ports[0] as number
    this.user = serverUser()?.name
    this.pid = child.pid ?? -1
    this.#child = child
    this.#logs = place.logs
    this.#options = options
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        this.gone = true
        resolve({ code, signal })
      })
    })
    // A test run that is broken off must not leave servers behind.
    process.once('exit', this.#onExit)
  }

  log(): string {
    return this.#logs
      .map((file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''))
      .join('')
  }

  async waitForLog(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null
    await until(
      () => {
        match = pattern.exec(this.log().slice(from))
        return match !== null
      },
      () => `the log of ${this.#options.program} to have ${String(pattern)}:\n${this.log()}`,
    )
    return match as unknown as RegExpExecArray
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name)
  }

  async stop(): Promise<void> {
    if (!this.gone) {
      this.#child.kill(this.#options.stopSignal ?? 'SIGTERM')
      const timer = setTimeout(() => this.#kill(), 20_000)
      await this.exited
      clearTimeout(timer)
    }
    this.#kill()
    process.off('exit', this.#onExit)
    for (const port of this.ports) taken.delete(port)
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  /** Ends the whole process group: children that outlived their server included. */
  #kill(): void {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Nobody of the group is left.
    }
  }
}
