// The relay's side: what each process that the web server starts does instead of loading the app.
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { checkFolder, openFolder, readKey } from './folder.ts'
import { Generations } from './generations.ts'
import { greet } from './link.ts'
import { Passage, type PassageOwner } from './passage.ts'
import { HostError, Rendezvous, type FoundHost } from './rendezvous.ts'
import { socketName } from './socket-name.ts'
import { outcome } from './wanted.ts'

/** A server that hands its connections on. */
export interface Listener {
  divert(taker: (socket: Socket) => void): void
  drain(timeout: number): Promise<unknown>
}

/** Milliseconds for a process to get from its start to listening: 0.1 s on an idle machine. */
const startTimeout = 30_000
/** Hosts or workers that are found and gone again, one after the other, for one connection. */
const maxTries = 4
/** Milliseconds before a full backlog is tried again, and how often that is. */
const backlogPause = 20
const backlogTries = 500

interface Host {
  /** Of the socket that takes requests. */
  readonly path: string
  readonly key: string
  readonly pid: number
  /** Who answers there. */
  readonly name: string
}

/** See the head of the file. */
export class Relay implements PassageOwner {
  /** Of the socket; the environment and the working directory may change. */
  readonly #name: string
  readonly #log: (message: string) => void
  readonly #passages = new Set<Passage>()
  #host: Host | undefined
  #control: { readonly path: string; readonly socket: Socket } | undefined
  #finding: Promise<Host> | undefined
  #draining = false
  #drained: (() => void) | undefined

  private constructor(script: string | undefined, log: (message: string) => void) {
    if (script === undefined) throw new HostError('there is no script that it could run')
    this.#name = socketName(script, process.env)
    this.#log = log
  }

  /**
   * Finds the host, or starts it.
   *
   * @param script real path of the script
   * @returns undefined where that cannot be; the log then has the reason
   */
  static async open(
    script: string | undefined,
    log: (message: string) => void,
  ): Promise<Relay | undefined> {
    try {
      const relay = new Relay(script, log)
      const { pid } = await relay.#find()
      log(`process ${pid} serves for all, this one passes connections on to it`)
      return relay
    } catch (error) {
      const { message } = error as Error
      outcome.notShared = message
      log(
        `one process for all (shared) cannot be had, this one serves by itself: ${message} [FCGI_NOT_SHARED]`,
      )
      return undefined
    }
  }

  /** Says that a relay is heavier than it need be. */
  warnOfLoadedApp(): void {
    this.#log(
      'warning: the app is loaded already, though this process only passes connections on: give serve() a function that loads it',
    )
  }

  /**
   * Takes a server's connections.
   *
   * @param accept option `accept`
   * @returns how that ends with the process
   */
  serve(
    server: Listener,
    accept: ((socket: Socket) => boolean) | undefined,
  ): { drain(timeout: number): Promise<unknown>; stop: undefined } {
    server.divert((socket) => {
      if (accept && !accept(socket)) socket.destroy()
      else this.take(socket)
    })
    return {
      drain: async (timeout) => {
        await Promise.all([server.drain(timeout), this.drain(timeout)])
        // Those that the server has still taken in from its backlog.
        await this.drain(timeout)
      },
      // The app's end is the host's affair.
      stop: undefined,
    }
  }

  /** Takes a connection that nothing has been read from. */
  take(peer: Socket): void {
    const passage = new Passage(peer, this)
    this.#passages.add(passage)
    // Had connected before the end began.
    if (this.#draining) passage.drain()
  }

  /** Resolves when all connections are closed; they close when nothing runs on them. */
  drain(timeout: number): Promise<void> {
    this.#draining = true
    for (const passage of this.#passages) passage.drain()
    if (this.#passages.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const deadline = setTimeout(() => {
        for (const passage of this.#passages) passage.destroy()
      }, timeout)
      this.#drained = () => {
        clearTimeout(deadline)
        resolve()
      }
    })
  }

  async connect(first: Buffer): Promise<{ socket: Socket; rest: Buffer; host: string }> {
    let full = 0
    for (let tries = 0; tries < maxTries;) {
      const host = this.#known() ?? (await this.#find())
      try {
        const answer = await greet(host.path, 'request', host.key, first)
        if (answer.type === 'taken') {
          return { socket: answer.socket, rest: answer.rest, host: host.name }
        }
        if (answer.type === 'failed')
          throw new HostError(`no worker of process ${host.pid} has loaded it`)
        tries += 1
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || full === backlogTries) throw error
        full += 1
        await new Promise((resolve) => setTimeout(resolve, backlogPause))
        continue
      }
      // It is leaving, or has gone: nothing of the request was served.
      if (this.#host === host) this.#host = undefined
    }
    throw new HostError(`${maxTries} processes in a row have ended before they took the request`)
  }

  unanswered(reason: string): string {
    const number = Math.floor(Math.random() * 2 ** 32)
    const reference = number.toString(16).padStart(8, '0')
    this.#log(`a request was answered 503: ${reason} [FCGI_HOST_GONE] ${reference}`)
    return reference
  }

  closed(passage: Passage): void {
    this.#passages.delete(passage)
    if (this.#passages.size === 0) this.#drained?.()
  }

  /** @throws FolderError when the folder is not ours alone any more */
  #known(): Host | undefined {
    if (!this.#host) return undefined
    try {
      checkFolder(dirname(this.#host.path))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      // Somebody has cleaned up; the host leaves when it finds out.
      this.#host = undefined
    }
    return this.#host
  }

  #find(): Promise<Host> {
    this.#finding ??= this.#search().finally(() => (this.#finding = undefined))
    return this.#finding
  }

  async #search(): Promise<Host> {
    const folder = openFolder(process.env)
    const key = readKey(folder)
    const generations = new Generations(folder, this.#name)
    const rendezvous = new Rendezvous({ generations, key, output: 2, startTimeout })
    return this.#attach(await rendezvous.find(), key)
  }

  /** The host's number comes first on the control connection, then its output. */
  #attach({ path, control, output }: FoundHost, key: string): Promise<Host> {
    return new Promise((resolve, reject) => {
      let line = ''
      let host: Host | undefined
      const take = (chunk: Buffer): void => {
        if (host) {
          process.stderr.write(chunk)
          return
        }
        const end = chunk.indexOf(0x0a)
        line += chunk.toString('latin1', 0, end === -1 ? chunk.length : end)
        if (end === -1) return
        const [pid = '', file = ''] = line.split(' ')
        // Of the same host, where a worker of it has closed a connection; another one's says its last words.
        if (this.#control?.path === path) this.#control.socket.end()
        this.#control = { path, socket: control }
        const requests = join(dirname(path), file)
        const name = requests === path ? `process ${pid}` : `a worker of process ${pid}`
        host = { path: requests, key, pid: Number(pid), name }
        this.#host = host
        resolve(host)
        if (end + 1 < chunk.length) process.stderr.write(chunk.subarray(end + 1))
      }
      control.on('data', take)
      control.on('error', () => {})
      control.on('end', () => control.destroy())
      control.on('close', () => {
        if (this.#host === host) this.#host = undefined
        reject(new HostError('it ended as soon as it was there'))
      })
      if (output.length > 0) take(output)
      control.resume()
    })
  }
}
