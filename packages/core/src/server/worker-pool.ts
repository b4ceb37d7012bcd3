// The primary of a pool: owns the listening socket, hands connections to workers in turn, and replaces workers that
// end, hang, have served enough, or run old code. It never loads the app, so new code needs no new primary, and the
// socket never closes.
import cluster, { type Worker } from 'node:cluster'
import type { Socket } from 'node:net'
import {
  beatInterval,
  isPoolMessage,
  workerVariable,
  type PrimaryMessage,
  type WorkerFigures,
  type WorkerMessage,
} from './worker-messages.ts'

/** Settings of a {@link WorkerPool}. */
export interface PoolOptions {
  readonly count: number
  /** Script and arguments of a worker: those of the primary. */
  readonly script: string
  readonly arguments: readonly string[]
  /** Milliseconds without a sign of life after which a worker is killed and replaced; 0: never. */
  readonly hangTimeout: number
  /** Milliseconds a worker has to finish what runs; then it is killed. */
  readonly drainTimeout: number
  /** Milliseconds a worker has to load the app when it is to replace another. */
  readonly loadTimeout: number
  readonly log: (message: string) => void
}

/** First pause before a worker that ended by itself is started again; doubles up to the last. */
const firstPause = 500
const lastPause = 30_000
/** A worker that lived so long is no reason to pause longer. */
const longLife = 30_000
/** Connections that wait for the first worker; more wait in the socket's own queue, since each is a descriptor. */
const maxWaiting = 512
/** Milliseconds on top of a worker's own deadline. */
const grace = 2_000

type State = 'starting' | 'ready' | 'failed' | 'draining'

/** A worker as the primary knows it. */
export interface Member {
  readonly worker: Worker
  state: State
  readonly startedAt: number
  lastBeat: number
  figures: WorkerFigures | undefined
  handed: number
}

/** Workers of one socket. */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #members = new Set<Member>()
  readonly #waiting: Socket[] = []
  readonly #emptied: (() => void)[] = []
  #turn = 0
  #pause = firstPause
  #stopping = false
  #reloading: Promise<boolean> | undefined
  #watch: NodeJS.Timeout
  /** Workers replaced since the start, by reason. */
  readonly counts: { crashed: number; hung: number; recycled: number; reloads: number } = {
    crashed: 0,
    hung: 0,
    recycled: 0,
    reloads: 0,
  }

  constructor(options: PoolOptions) {
    this.#options = options
    cluster.setupPrimary({ exec: options.script, args: [...options.arguments], silent: false })
    this.#watch = setInterval(() => this.#look(), beatInterval)
    for (let i = 0; i < options.count; i++) this.#start()
  }

  /** The workers, for a status page. */
  get members(): readonly Member[] {
    return [...this.#members]
  }

  /** Hands a connection, accepted and not read from, to the next worker. */
  hand(socket: Socket): void {
    const member = this.#next()
    if (member === undefined) {
      if (this.#waiting.length >= maxWaiting) {
        socket.destroy()
        return
      }
      socket.once('error', () => {})
      this.#waiting.push(socket)
      return
    }
    member.handed++
    const message: PrimaryMessage = { fastcgi: 'connection' }
    member.worker.send(message, socket, { keepOpen: false }, (error) => {
      // The worker ended in this moment, and nothing of the connection has been read: the next one takes it.
      if (error && !socket.destroyed) this.hand(socket)
    })
  }

  /** In turn among those whose app is loaded; one that answers 503 only when there is no other. */
  #next(): Member | undefined {
    const all = [...this.#members]
    let fit = all.filter(({ state }) => state === 'ready')
    if (fit.length === 0) fit = all.filter(({ state }) => state === 'failed')
    if (fit.length === 0) return undefined
    this.#turn = (this.#turn + 1) % fit.length
    return fit[this.#turn]
  }

  #start(): Member {
    const worker = cluster.fork({ [workerVariable]: '1' })
    const now = performance.now()
    const member: Member = {
      worker,
      state: 'starting',
      startedAt: now,
      lastBeat: now,
      figures: undefined,
      handed: 0,
    }
    this.#members.add(member)
    worker.on('message', (message: unknown) => this.#take(member, message))
    worker.on('error', () => {})
    worker.once('exit', (code, signal) => this.#exited(member, code, signal))
    return member
  }

  #take(member: Member, message: unknown): void {
    if (!isPoolMessage<WorkerMessage>(message)) return
    member.lastBeat = performance.now()
    switch (message.fastcgi) {
      case 'ready':
        if (member.state === 'starting') member.state = 'ready'
        this.#handWaiting()
        break
      case 'failed':
        if (member.state === 'starting') member.state = 'failed'
        this.#handWaiting()
        break
      case 'beat':
        member.figures = message.figures
        break
      case 'recycle':
        if (member.state !== 'ready' || this.#stopping) break
        this.#options.log(`worker ${pid(member)}: ${message.reason}, another takes its place`)
        this.counts.recycled++
        void this.#replace(member)
        break
    }
  }

  #handWaiting(): void {
    for (const socket of this.#waiting.splice(0)) {
      if (!socket.destroyed) this.hand(socket)
    }
  }

  #exited(member: Member, code: number | null, signal: string | null): void {
    this.#members.delete(member)
    if (this.#members.size === 0) for (const resolve of this.#emptied.splice(0)) resolve()
    if (this.#stopping || member.state === 'draining') return
    const lived = performance.now() - member.startedAt
    this.#pause = lived > longLife ? firstPause : this.#pause
    this.counts.crashed++
    this.#options.log(
      `worker ${pid(member)} ended (${signal ?? `status ${code}`}) after ${Math.round(lived / 1000)} s; another starts in ${this.#pause} ms`,
    )
    setTimeout(() => {
      if (!this.#stopping && this.#members.size < this.#options.count) this.#start()
    }, this.#pause)
    this.#pause = Math.min(this.#pause * 2, lastPause)
  }

  /** Looks for workers that give no sign of life. */
  #look(): void {
    const { hangTimeout, log } = this.#options
    if (hangTimeout === 0) return
    const now = performance.now()
    for (const member of this.#members) {
      // While it loads, an app may block for long; `loadTimeout` is for that.
      if (member.state === 'starting' || now - member.lastBeat <= hangTimeout) continue
      log(
        `worker ${pid(member)} has given no sign of life for ${Math.round((now - member.lastBeat) / 1000)} s: killed`,
      )
      this.counts.hung++
      member.lastBeat = now
      member.worker.process.kill('SIGKILL')
    }
  }

  /**
   * Replaces all workers, one after the other: a new one loads the code as it is now, and only when it is ready an old
   * one is told to finish. Where the new code does not load, the old workers stay.
   *
   * @returns whether all were replaced
   */
  reload(): Promise<boolean> {
    // A call during a reload is for newer code still: once more when it is through.
    const before = this.#reloading
    const run = (async (): Promise<boolean> => {
      await before
      return this.#reload()
    })()
    this.#reloading = run
    return run
  }

  async #reload(): Promise<boolean> {
    this.counts.reloads++
    const old = [...this.#members].filter(({ state }) => state !== 'draining')
    for (const member of old) {
      if (this.#stopping) return false
      if (!(await this.#replace(member))) {
        this.#options.log('the new code does not load: the old workers go on')
        return false
      }
    }
    this.#pause = firstPause
    this.#options.log(`reloaded: ${old.length} workers replaced`)
    return true
  }

  async #replace(member: Member): Promise<boolean> {
    const next = this.#start()
    if (!(await this.#isReady(next))) {
      this.#drain(next)
      return false
    }
    this.#drain(member)
    return true
  }

  #isReady(member: Member): Promise<boolean> {
    return new Promise((resolve) => {
      const { worker } = member
      const settle = (ready: boolean): void => {
        clearTimeout(timer)
        worker.removeListener('message', look)
        worker.removeListener('exit', gone)
        resolve(ready)
      }
      const look = (): void => {
        if (member.state !== 'starting') settle(member.state === 'ready')
      }
      const gone = (): void => settle(false)
      const timer = setTimeout(gone, this.#options.loadTimeout)
      worker.on('message', look)
      worker.once('exit', gone)
    })
  }

  #drain(member: Member): void {
    member.state = 'draining'
    tell(member, { fastcgi: 'drain' })
    const timer = setTimeout(
      () => member.worker.process.kill('SIGKILL'),
      this.#options.drainTimeout + grace,
    )
    member.worker.once('exit', () => clearTimeout(timer))
  }

  /** Every worker opens its log anew. */
  reopen(): void {
    for (const member of this.#members) tell(member, { fastcgi: 'reopen' })
  }

  /** Lets every worker finish what runs. Resolves when none is left. */
  stop(): Promise<void> {
    this.#stopping = true
    clearInterval(this.#watch)
    for (const socket of this.#waiting.splice(0)) socket.destroy()
    for (const member of this.#members) if (member.state !== 'draining') this.#drain(member)
    return new Promise((resolve) => {
      if (this.#members.size === 0) resolve()
      else this.#emptied.push(resolve)
    })
  }
}

function pid(member: Member): number | undefined {
  return member.worker.process.pid
}

function tell(member: Member, message: PrimaryMessage): void {
  if (member.worker.isConnected()) member.worker.send(message, () => {})
}
