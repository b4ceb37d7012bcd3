// A worker's side of a pool: it does what the primary says, which owns the socket and never loads the app, and tells it
// how it is.
import cluster from 'node:cluster'
import { Socket } from 'node:net'
import { socketOf, type RawHandle } from './net-private.ts'
import type { FigureTaker } from '../observe/figures.ts'
import type { Status } from '../observe/status.ts'
import type { Server } from '../server.ts'
import type { Shutdown } from '../shutdown.ts'
import { Acceptor } from './acceptor.ts'
import { beatInterval, isPoolMessage, type PrimaryMessage, type WorkerMessage } from './messages.ts'
import { jittered, type RecycleLimits } from './options.ts'

/** Takes connections. */
export interface WorkerDoor {
  take(socket: Socket): void
  /** Connections this process has. */
  readonly open: number
}

/** What a worker does on the primary's word. */
export interface WorkerDuties {
  readonly server: Server
  /** How connections come in that the primary has handed over. */
  readonly door: WorkerDoor
  /** The socket's. */
  readonly name: string
  readonly recycle: RecycleLimits
  /** Undefined where the process is the caller's. */
  readonly shutdown: Shutdown | undefined
  readonly figures: FigureTaker
  /** Opens the logs anew. */
  reopen(): void
}

/** The channel to the primary. */
export class WorkerPlace {
  readonly #duties: WorkerDuties
  readonly #recycle: RecycleLimits
  readonly #asking: ((status: Status) => void)[] = []
  readonly #acceptor: Acceptor
  /** Nobody else will accept who waits, unless the primary has said so. */
  #ending: { readonly last: boolean; readonly narrow: boolean } = { last: true, narrow: false }
  #full = false

  constructor(duties: WorkerDuties) {
    this.#duties = duties
    this.#recycle = jittered(duties.recycle)
    this.#acceptor = new Acceptor({
      server: duties.server,
      door: duties.door,
      send: (message, handle, sent) => this.#send(message, handle, sent),
    })
    process.on('message', (message: unknown, handle?: unknown) => this.#take(message, handle))
    // Node ends a worker at once whose primary has gone, unless the worker was leaving anyway.
    if (cluster.worker) cluster.worker.exitedAfterDisconnect = true
    process.once('disconnect', () => {
      this.#acceptor.keep()
      this.#drain('the primary process has gone: finishing what runs, then ending')
    })
    const { server, name, shutdown } = duties
    Object.defineProperty(server, 'address', { configurable: true, value: () => name })
    if (shutdown) {
      // Reloading is the primary's affair, though a terminal sends SIGHUP to all.
      shutdown.reload = () => {}
      shutdown.started = () => this.#send({ fastcgi: 'leaving' })
    }
    setInterval(() => this.#beat(), beatInterval).unref()
  }

  /** Tells the primary how loading went. */
  loaded(well: boolean): void {
    this.#send({ fastcgi: well ? 'ready' : 'failed' })
  }

  /**
   * Finishes what runs. A connection that arrives after that stays the primary's, which gives it to another worker.
   *
   * @param timeout milliseconds; then it is cut
   */
  async drained(timeout?: number): Promise<void> {
    const { server } = this.#duties
    const { last, narrow } = this.#ending
    if (!last) this.#acceptor.shut()
    const drained = server.drain(timeout)
    await this.#acceptor.finish(narrow)
    await drained
    // Whoever has come meanwhile.
    await server.drain(timeout)
    await this.#acceptor.passedOn()
    this.#full = true
  }

  /** The status of all workers. */
  askStatus(): Promise<Status> {
    return new Promise((resolve, reject) => {
      if (!process.connected) {
        reject(new Error('the process that knows it has gone'))
        return
      }
      this.#asking.push(resolve)
      if (this.#asking.length === 1) this.#send({ fastcgi: 'ask' })
    })
  }

  #drain(reason: string | undefined): void {
    const { shutdown } = this.#duties
    if (shutdown) void shutdown.begin(reason, 0)
    // Without the channel the caller's process ends when it has nothing else to do.
    else void this.drained().then(() => process.connected && process.disconnect())
  }

  #take(message: unknown, given: unknown): void {
    if (!isPoolMessage<PrimaryMessage>(message)) return
    switch (message.fastcgi) {
      case 'listen':
        this.#acceptor.open(message, given as RawHandle | undefined)
        break
      case 'shut':
        this.#acceptor.shut()
        break
      case 'share':
        this.#acceptor.share = message.share
        break
      case 'connection':
        this.#connection(given as Socket | RawHandle | undefined)
        break
      case 'drain':
        this.#ending = message
        this.#drain(undefined)
        break
      case 'reopen':
        this.#duties.reopen()
        break
      case 'status':
        for (const resolve of this.#asking.splice(0)) resolve(message.status)
        break
    }
  }

  #connection(given: Socket | RawHandle | undefined): void {
    const isSocket = given === undefined || given instanceof Socket
    if (this.#full) {
      // Closes this process's copy only.
      if (isSocket) given?.destroy()
      else given.close()
      return
    }
    const socket = isSocket ? given : socketOf(given)
    const { door } = this.#duties
    // Before anything is read, so that no request is ever served twice. A peer that went away on the way leaves
    // nothing to serve.
    const open = door.open + (socket ? 1 : 0)
    this.#send({ fastcgi: 'taken', open })
    if (!socket) return
    socket.allowHalfOpen = true
    door.take(socket)
  }

  #beat(): void {
    const taken = this.#duties.figures.take()
    const { requests, rss } = taken
    const most = this.#recycle
    this.#send({ fastcgi: 'beat', figures: taken })
    const megabytes = Math.round(rss / 2 ** 20)
    // Asked again until it happens: new code that does not load cannot take the place.
    if (most.requests > 0 && requests >= most.requests) {
      this.#send({ fastcgi: 'recycle', reason: `has served ${requests} requests` })
    } else if (most.memory > 0 && megabytes > most.memory) {
      this.#send({ fastcgi: 'recycle', reason: `uses ${megabytes} MB` })
    }
  }

  #send(message: WorkerMessage, handle?: RawHandle, sent: () => void = () => {}): boolean {
    if (!process.connected) return false
    process.send?.(message, handle as Socket | undefined, undefined, sent)
    return true
  }
}
