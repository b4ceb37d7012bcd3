// Finds the host, or starts it: one process does, however many come at once, and the others wait for it without asking
// again and again. See generations.ts for why there can be no two.
import type { ChildProcess, spawn as SpawnFunction } from 'node:child_process'
import { createServer, type Server, type Socket } from 'node:net'
import type { Generations } from './generations.ts'
import { failed, maxGreeting, readGreeting, sameKey } from './greeting.ts'
import { hostVariable } from './host-place.ts'
import { greet } from './link.ts'

/** Where the host is. */
export interface FoundHost {
  readonly path: string
  /** Open as long as the host lives; brings its output. */
  readonly control: Socket
  /** Came with the answer already. */
  readonly output: Buffer
}

/** What a {@link Rendezvous} works with. */
export interface RendezvousParts {
  readonly generations: Generations
  readonly key: string
  /** Descriptor that is the host's output, until it has relays to pass it to. */
  readonly output: number
  /** Milliseconds the host may take from its start until it listens; the app loads after that. */
  readonly startTimeout: number
}

/** The host cannot be had. */
export class HostError extends Error {
  override name = 'HostError'
}

/** Looks, each after something has changed: many come and go at once. */
const maxAttempts = 100
/** Hosts that one relay starts in vain. */
const maxStarts = 3

/** Finds or starts the host of one app. */
export class Rendezvous {
  readonly #parts: RendezvousParts

  constructor(parts: RendezvousParts) {
    this.#parts = parts
  }

  /**
   * @throws HostError when it cannot be started
   * @throws Error of the system, where sockets or processes are forbidden
   */
  async find(): Promise<FoundHost> {
    const { generations, key } = this.#parts
    let starts = 0
    for (let attempt = 0; attempt < maxAttempts && starts < maxStarts; attempt += 1) {
      const newest = generations.newest()
      if (newest > 0n) {
        const path = generations.path(newest)
        const answer = await greet(path, 'relay', key)
        if (answer.type === 'taken') {
          return { path, control: answer.socket, output: answer.rest }
        }
        if (answer.type === 'failed') throw new HostError('another process has tried in vain')
        // Whoever listened there has made room for the next, or is dead.
        if (generations.newest() !== newest) continue
      }
      const server = createServer({ allowHalfOpen: true })
      if (!(await generations.take(server, newest + 1n))) continue
      starts += 1
      await this.#start(server, newest + 1n)
    }
    throw new HostError('it ended again and again before it could be connected to')
  }

  /** We are the one: those who come meanwhile wait on our socket. */
  async #start(server: Server, number: bigint): Promise<void> {
    const { generations, key, startTimeout } = this.#parts
    const waiting = new Set<Socket>()
    let child: ChildProcess | undefined
    let timer: NodeJS.Timeout | undefined
    // One relay of many needs it. Not awaited: whoever connects before somebody listens for that would wait for ever.
    const { spawn } = process.getBuiltinModule('node:child_process')
    try {
      await new Promise<void>((resolve, reject) => {
        server.on('connection', (socket) => {
          waiting.add(socket)
          socket.on('error', () => {})
          socket.on('close', () => waiting.delete(socket))
          whenListening(socket, key, resolve)
        })
        timer = setTimeout(() => {
          child?.kill('SIGKILL')
          reject(new HostError(`it did not listen within ${startTimeout} ms`))
        }, startTimeout)
        child = this.#spawn(spawn, generations.path(number + 1n))
        child.once('error', reject)
        child.once('exit', (status, signal) => {
          reject(new HostError(`it ended at once (${signal ?? `status ${String(status)}`})`))
        })
      })
    } catch (error) {
      for (const socket of waiting) socket.write(Buffer.of(failed))
      throw error
    } finally {
      clearTimeout(timer)
      child?.removeAllListeners()
      // Its end is none of our affairs any more, however it comes.
      child?.on('error', () => {})
      server.close()
      for (const socket of waiting) socket.end(() => socket.destroy())
    }
    generations.clean(number)
  }

  #spawn(spawn: typeof SpawnFunction, place: string): ChildProcess {
    const { output } = this.#parts
    const child = spawn(
      process.execPath,
      // As it was named, not its real path: the app may look at it.
      [...process.execArgv, process.argv[1] as string, ...process.argv.slice(2)],
      {
        // A session of its own: it outlives the process that starts it, and every relay.
        detached: true,
        // Never the listening socket on 0. What Node itself prints when it dies goes to the web server's error log.
        stdio: ['ignore', output, output],
        env: { ...process.env, [hostVariable]: place },
      },
    )
    child.unref()
    return child
  }
}

/** The host says so on a connection of its own. */
function whenListening(socket: Socket, key: string, listens: () => void): void {
  let line = ''
  socket.on('data', (chunk: Buffer) => {
    if (line.length > maxGreeting) return
    line += chunk.toString('latin1', 0, maxGreeting)
    const end = line.indexOf('\n')
    if (end === -1) return
    const said = readGreeting(line.slice(0, end))
    if (said?.kind === 'host' && sameKey(key, said.key)) listens()
  })
}
