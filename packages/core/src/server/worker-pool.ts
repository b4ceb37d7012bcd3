// The workers of one socket: started, and replaced when they end, hang, have served enough, or run old code. The primary
// never loads the app, so new code needs no new primary, and the socket never closes.
import cluster from 'node:cluster'
import type { Socket } from 'node:net'
import { Handover } from './handover.ts'
import type { ProcessFigures } from './observe/figures.ts'
import { addUp, merge, type Status } from './observe/status.ts'
import { Member } from './worker-member.ts'
import {
  beatInterval,
  isPoolMessage,
  workerVariable,
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
  /** The number of workers that are ready has changed, or may have. */
  readonly changed?: (() => void) | undefined
  /** There where relays bring the connections. */
  readonly host?: PoolHost | undefined
}

/** What is different where relays bring the connections: they can ask again, and answer 503 themselves. */
export interface PoolHost {
  /** What workers have in their environment beside that of the primary. */
  readonly environment: Readonly<Record<string, string>>
  /** Takes what workers write to descriptors 1 and 2; they would inherit the primary's. */
  output(chunk: Buffer): void
  /** Closes a connection that no worker can take. */
  refuse(socket: Socket): void
}

/** A worker that ended is replaced at once; soon after that in so many milliseconds, doubled each time up to the last. */
const firstPause = 500
const lastPause = 30_000
/** Milliseconds: a worker that lived so long is no reason to pause. */
const longLife = 30_000
/** Milliseconds on top of a worker's own deadline. */
const grace = 2_000
/** Milliseconds before a replacement that failed is tried again. */
const replaceAgain = 60_000

/** The workers of one socket. */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #members = new Set<Member>()
  readonly #handover: Handover
  readonly #emptied: (() => void)[] = []
  readonly #counts = { crashed: 0, hung: 0, recycled: 0, reloads: 0 }
  #name = ''
  /** The figures of workers that have ended. */
  #past: ProcessFigures | undefined
  #pause = 0
  #refill: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #retryPause = firstPause
  #stopping = false
  /** Replacements happen one after the other. */
  #work: Promise<unknown> = Promise.resolve()
  #queued: Promise<boolean> | undefined
  #watch: NodeJS.Timeout | undefined
  #lastLook = 0

  constructor(options: PoolOptions) {
    this.#options = options
    this.#handover = new Handover(this.#members, options.loadTimeout, () =>
      options.log('a connection was closed: too many wait for a worker'),
    )
  }

  /**
   * Starts the workers.
   *
   * @param name of the socket
   */
  start(name: string): void {
    this.#name = name
    const output = this.#options.host ? 'pipe' : 'inherit'
    // Not descriptor 0: it may be the socket, which must close with the primary.
    cluster.setupPrimary({
      exec: this.#options.script,
      args: [...this.#options.arguments],
      stdio: ['ignore', output, output, 'ipc'],
    } as Parameters<typeof cluster.setupPrimary>[0])
    this.#lastLook = performance.now()
    this.#watch = setInterval(() => this.#look(), beatInterval)
    this.#fill()
  }

  /** The workers. */
  get members(): readonly Member[] {
    return [...this.#members]
  }

  /** Workers whose app is loaded. */
  get ready(): number {
    return this.members.filter(({ serving, state }) => serving && state === 'ready').length
  }

  /** How all are, as of their last sign of life. */
  status(): Status {
    return addUp({
      processes: this.members.map(({ pid = 0, state, figures }) => ({ pid, state, figures })),
      past: this.#past ? [this.#past] : [],
      waiting: this.#handover.waiting,
      pool: { workers: this.#options.count, ready: this.ready, ...this.#counts },
    })
  }

  /** Gives a connection, accepted and not read from, to a worker. */
  hand(socket: Socket): void {
    if (this.#stopping) {
      socket.destroy()
      return
    }
    this.#handover.add(socket)
    this.#hurry()
  }

  #fill(): void {
    if (this.#stopping) return
    const serving = this.members.filter((member) => member.serving)
    for (let number = serving.length; number < this.#options.count; number += 1) this.#start(false)
    // Somebody ended while another was being replaced: the oldest has the oldest code.
    for (const member of serving.slice(0, Math.max(0, serving.length - this.#options.count))) {
      this.#drain(member)
    }
  }

  #start(candidate: boolean): Member {
    const { host } = this.#options
    const worker = cluster.fork({ ...host?.environment, [workerVariable]: this.#name })
    for (const stream of [worker.process.stdout, worker.process.stderr]) {
      stream?.on('data', (chunk: Buffer) => host?.output(chunk))
    }
    const member = new Member(worker, candidate)
    this.#members.add(member)
    worker.on('message', (message: unknown) => this.#take(member, message))
    // What it has sent before its end has been read by then.
    worker.once('disconnect', () => this.#handover.lost(member))
    worker.once('exit', (code, signal) => this.#exited(member, signal ?? `status ${code}`))
    worker.on('error', (error) => {
      if (member.pid === undefined) this.#exited(member, error.message)
    })
    return member
  }

  #take(member: Member, message: unknown): void {
    if (!isPoolMessage<WorkerMessage>(message)) return
    member.lastBeat = performance.now()
    switch (message.fastcgi) {
      case 'taken':
        this.#handover.taken(member, message.open)
        break
      case 'ready':
      case 'failed':
        if (member.state !== 'starting') break
        member.state = message.fastcgi
        if (member.candidate) break
        if (message.fastcgi === 'failed') this.#retryLater()
        this.#handover.pump()
        this.#options.changed?.()
        break
      case 'beat':
        member.figures = message.figures
        member.open = message.figures.openConnections
        break
      case 'recycle':
        void this.#recycle(member, message.reason)
        break
      case 'ask':
        member.tell({ fastcgi: 'status', status: this.status() })
        break
      case 'leaving':
        this.#leaves(member)
        break
    }
  }

  /** By a signal of its own, or because the app wishes so. It gets no new connections and finishes what it has. */
  #leaves(member: Member): void {
    const { state } = member
    if (state === 'leaving') return
    member.state = 'leaving'
    this.#killLate(member)
    if (member.candidate || this.#stopping) return
    if (state === 'ready') {
      this.#options.log(`worker ${member.pid} is leaving, another takes its place`)
      this.#fill()
    } else {
      this.#fillSoon(member, 'is leaving')
    }
  }

  #exited(member: Member, how: string): void {
    if (!this.#members.delete(member)) return
    if (member.figures) this.#past = merge(this.#past, member.figures)
    this.#handover.lost(member)
    if (this.#stopping) this.#handover.finish()
    if (this.#members.size === 0) for (const resolve of this.#emptied.splice(0)) resolve()
    if (!member.serving || this.#stopping) return
    this.#counts.crashed += 1
    this.#fillSoon(member, `ended (${how})`)
    this.#options.changed?.()
  }

  #fillSoon(member: Member, what: string): void {
    if (this.#stopping) return
    const lived = performance.now() - member.startedAt
    if (lived > longLife) this.#pause = 0
    const when = this.#pause === 0 ? 'now' : `in ${this.#pause / 1000} s`
    const age = Math.round(lived / 1000)
    this.#options.log(`worker ${member.pid} ${what} after ${age} s; another starts ${when}`)
    if (this.#pause === 0) {
      this.#fill()
    } else {
      this.#refill ??= setTimeout(() => {
        this.#refill = undefined
        this.#fill()
      }, this.#pause)
    }
    this.#pause = Math.min(Math.max(this.#pause * 2, firstPause), lastPause)
    // An app that ends while it is loaded: what waits for it is answered 503, and the next request tries again.
    const { host } = this.#options
    if (host && member.state === 'starting' && !this.members.some(({ serving }) => serving)) {
      this.#handover.release((socket) => host.refuse(socket))
    }
    this.#hurry()
  }

  /** The pause is for nobody's sake where relays wait: each of their requests may start the app, as without workers. */
  #hurry(): void {
    if (!this.#options.host || this.#handover.waiting === 0) return
    if (!this.members.some(({ serving }) => serving)) this.#endPause()
  }

  #endPause(): void {
    if (!this.#refill) return
    clearTimeout(this.#refill)
    this.#refill = undefined
    this.#fill()
  }

  /** An app that could not be loaded because something else was not there yet: tried again, by one worker. */
  #retryLater(): void {
    if (this.#retry || this.#stopping) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      void this.#inTurn(async () => {
        for (const member of this.members) {
          if (member.state !== 'failed' || !member.serving) continue
          if (!(await this.#replace(member))) return
        }
        this.#retryPause = firstPause
      }).then(() => {
        if (this.members.some(({ serving, state }) => serving && state === 'failed'))
          this.#retryLater()
      })
    }, this.#retryPause)
    this.#retryPause = Math.min(this.#retryPause * 2, lastPause)
  }

  /** Looks for workers that give no sign of life. */
  #look(): void {
    const { hangTimeout, log } = this.#options
    const now = performance.now()
    const late = now - this.#lastLook > 2 * beatInterval
    this.#lastLook = now
    this.#handover.pump()
    for (const member of this.#members) {
      // Where the primary itself was stopped, their signs have not been read yet.
      if (late) member.lastBeat = now
      // While it loads, an app may block for long; `loadTimeout` is for that.
      const silent = now - member.lastBeat
      if (hangTimeout === 0 || member.state === 'starting' || silent <= hangTimeout) continue
      log(
        `worker ${member.pid} has given no sign of life for ${Math.round(silent / 1000)} s: killed`,
      )
      this.#counts.hung += 1
      member.lastBeat = now
      member.worker.process.kill('SIGKILL')
    }
  }

  async #recycle(member: Member, reason: string): Promise<void> {
    const now = performance.now()
    if (member.state !== 'ready' || !member.serving || now < member.replaceableFrom) return
    member.replaceableFrom = now + this.#options.loadTimeout + replaceAgain
    this.#options.log(`worker ${member.pid} ${reason}: another takes its place`)
    this.#counts.recycled += 1
    await this.#inTurn(async () => {
      if (member.serving && this.#members.has(member)) await this.#replace(member)
    })
    member.replaceableFrom = performance.now() + replaceAgain
  }

  /**
   * Replaces all workers, one after the other: a new one loads the code as it is now, and only when it is ready an old
   * one is told to finish. Where the new code does not load, the old workers stay.
   *
   * @returns whether all were replaced
   */
  reload(): Promise<boolean> {
    // A call during a reload is for newer code still: once more when it is through, and once for all such calls.
    this.#queued ??= this.#inTurn(() => {
      this.#queued = undefined
      return this.#reload()
    })
    return this.#queued
  }

  async #reload(): Promise<boolean> {
    this.#counts.reloads += 1
    const old = this.members.filter((member) => member.serving)
    // Whoever was to be started later is started with the new code now.
    this.#endPause()
    let replaced = 0
    for (const member of old) {
      if (this.#stopping) return false
      // Gone meanwhile: whoever took its place has the new code.
      if (!member.serving || !this.#members.has(member)) continue
      if (!(await this.#replace(member))) {
        if (!this.#stopping) {
          this.#options.log('reload given up, the new code does not load: the old workers go on')
        }
        return false
      }
      replaced += 1
    }
    this.#pause = 0
    this.#options.log(`reloaded: ${replaced} ${replaced === 1 ? 'worker' : 'workers'} replaced`)
    return true
  }

  async #replace(member: Member): Promise<boolean> {
    const next = this.#start(true)
    if (!(await this.#isReady(next))) {
      this.#drain(next)
      return false
    }
    if (this.#stopping) return false
    next.candidate = false
    if (this.#members.has(member)) this.#drain(member)
    this.#fill()
    this.#handover.pump()
    this.#options.changed?.()
    return true
  }

  #isReady(member: Member): Promise<boolean> {
    return new Promise((resolve) => {
      const { worker } = member
      const settle = (): void => {
        clearTimeout(timer)
        worker.removeListener('message', look)
        worker.removeListener('exit', settle)
        worker.removeListener('error', settle)
        resolve(member.state === 'ready' && this.#members.has(member))
      }
      const look = (): void => {
        if (member.state !== 'starting') settle()
      }
      const timer = setTimeout(() => {
        this.#options.log(`worker ${member.pid} is not ready after ${this.#options.loadTimeout} ms`)
        settle()
      }, this.#options.loadTimeout)
      worker.on('message', look)
      worker.once('exit', settle)
      worker.once('error', settle)
    })
  }

  #drain(member: Member): void {
    // One that is starting does not hear messages yet, and has nothing to finish.
    if (member.state === 'starting') member.worker.process.kill('SIGTERM')
    else member.tell({ fastcgi: 'drain' })
    member.state = 'leaving'
    this.#killLate(member)
  }

  #killLate(member: Member): void {
    const timer = setTimeout(
      () => member.worker.process.kill('SIGKILL'),
      this.#options.drainTimeout + grace,
    )
    member.worker.once('exit', () => clearTimeout(timer))
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#work.then(task)
    this.#work = run.catch(() => {})
    return run
  }

  /** Every worker opens its logs anew. */
  reopen(): void {
    for (const member of this.#members) member.tell({ fastcgi: 'reopen' })
  }

  /** Lets every worker finish what runs. Resolves when none is left. */
  stop(): Promise<void> {
    if (!this.#stopping) {
      this.#handover.finish()
      this.#stopping = true
      clearInterval(this.#watch)
      clearTimeout(this.#refill)
      clearTimeout(this.#retry)
      for (const member of this.#members) if (member.state !== 'leaving') this.#drain(member)
    }
    return new Promise((resolve) => {
      if (this.#members.size === 0) resolve()
      else this.#emptied.push(resolve)
    })
  }

  /** Ends every worker at once. */
  kill(): void {
    this.#stopping = true
    for (const member of this.#members) member.worker.process.kill('SIGKILL')
  }
}
