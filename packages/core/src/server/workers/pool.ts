// The workers of one socket: started, and replaced when they end, hang, have served enough, or run old code. The primary
// never loads the app, so new code needs no new primary, and the socket never closes.
import type { Socket } from 'node:net'
import { Handover } from './handover.ts'
import type { RawHandle } from './net-private.ts'
import type { ProcessFigures } from '../observe/figures.ts'
import { addUp, merge, type Status } from '../observe/status.ts'
import type { PoolOptions, PoolSockets } from './pool-options.ts'
import { forkWorker, prepareWorkers, whenEnded } from './fork.ts'
import { Member } from './member.ts'
import { isPoolMessage, type WorkerMessage } from './messages.ts'
import { Refill } from './refill.ts'
import { Replacing } from './replacing.ts'
import { Sharing } from './sharing.ts'
import { Vigil } from './vigil.ts'

/** The workers of one socket. */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #members = new Set<Member>()
  readonly #handover: Handover
  readonly #replacing: Replacing
  readonly #emptied: (() => void)[] = []
  readonly #refill: Refill
  readonly #vigil: Vigil
  #sharing: Sharing | undefined
  #name = ''
  /** The figures of workers that have ended. */
  #past: ProcessFigures | undefined
  #crashed = 0
  #stopping = false

  constructor(options: PoolOptions) {
    this.#options = options
    const { hangTimeout, loadTimeout, log } = options
    this.#refill = new Refill(() => this.#fill(), log)
    const looked = (): void => this.#arrange()
    this.#vigil = new Vigil(this.#members, { hangTimeout, loadTimeout, log, looked })
    this.#handover = new Handover(this.#members, loadTimeout, () =>
      log('a connection was closed: too many wait for a worker'),
    )
    const isStopping = (): boolean => this.#stopping
    const members = (): readonly Member[] => this.members
    this.#replacing = new Replacing({
      get members() {
        return members()
      },
      get stopping() {
        return isStopping()
      },
      loadTimeout,
      log,
      // Whoever was to be started later is started with the new code now.
      begin: () => this.#refill.now(),
      startCandidate: () => this.#start(true),
      accept: (candidate, instead) => this.#accept(candidate, instead),
      drain: (member) => member.drain(options.drainTimeout, undefined),
    })
  }

  /** Starts the workers. */
  start({ name, servers = [], inherited = false }: PoolSockets): void {
    const { count, loadTimeout } = this.#options
    this.#name = name
    const shared = { servers, inherited, alone: count === 1, patience: loadTimeout }
    this.#sharing = new Sharing(this.#members, shared)
    prepareWorkers(this.#options)
    this.#vigil.start()
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

  /** Whether the workers accept by themselves, and this process does not. */
  get accepting(): boolean {
    return this.#sharing?.passive === true
  }

  /** How all are, as of their last sign of life. */
  status(): Status {
    return addUp({
      processes: this.members.map(({ pid = 0, state, figures }) => ({ pid, state, figures })),
      past: this.#past ? [this.#past] : [],
      waiting: this.#handover.waiting,
      pool: {
        workers: this.#options.count,
        ready: this.ready,
        crashed: this.#crashed,
        hung: this.#vigil.hung,
        ...this.#replacing.counts,
      },
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
      member.drain(this.#options.drainTimeout, undefined)
    }
  }

  #start(candidate: boolean): Member {
    const worker = forkWorker(this.#name, this.#options.host)
    const member = new Member(worker, candidate)
    this.#members.add(member)
    worker.on('message', (message: unknown, handle: unknown) => this.#take(member, message, handle))
    worker.once('disconnect', () => this.#handover.lost(member))
    whenEnded(worker, (how) => this.#exited(member, how))
    worker.on('error', (error) => {
      if (member.pid === undefined) this.#exited(member, error.message)
    })
    return member
  }

  #take(member: Member, message: unknown, given: unknown): void {
    if (!isPoolMessage<WorkerMessage>(message)) return
    try {
      this.#heed(member, message, given as RawHandle | undefined)
    } catch (error) {
      // The app can send messages of its own: what is wrong with them must not end the process that holds the socket.
      const what = `a message of worker ${member.pid} means nothing: ${(error as Error).message}`
      this.#options.log(what)
    }
  }

  #heed(member: Member, message: WorkerMessage, handle: RawHandle | undefined): void {
    member.lastBeat = performance.now()
    if ('open' in message && Number.isInteger(message.open)) member.open = message.open
    switch (message.fastcgi) {
      case 'listening':
        this.#sharing?.listening(message.socket, message.well, handle)
        break
      case 'taken':
        this.#handover.taken(member)
        break
      case 'surplus':
        if (handle) this.#handover.add(handle)
        break
      case 'ready':
      case 'failed':
        this.#loaded(member, message.fastcgi)
        break
      case 'beat':
        member.open = message.figures.openConnections
        member.figures = message.figures
        break
      case 'recycle':
        void this.#replacing.recycle(member, message.reason)
        break
      case 'ask':
        member.tell({ fastcgi: 'status', status: this.status() })
        break
      case 'leaving':
        this.#leaves(member)
        break
    }
    if ('open' in message) this.#sharing?.count()
  }

  #loaded(member: Member, how: 'ready' | 'failed'): void {
    if (member.state !== 'starting') return
    member.state = how
    if (member.candidate) return
    if (how === 'failed') this.#replacing.retryLater()
    this.#arrange()
    this.#options.changed?.()
  }

  /** A worker that was to replace another has shown that it can. */
  #accept(candidate: Member, instead: Member): void {
    candidate.candidate = false
    this.#refill.reset()
    this.#arrange()
    // Before it is counted who is missing, or too many: otherwise another would go as well.
    if (instead.state !== 'leaving' && this.#members.has(instead)) {
      instead.drain(this.#options.drainTimeout, undefined)
    }
    this.#fill()
    this.#options.changed?.()
  }

  /** Who accepts, and who gets what waits. */
  #arrange(): void {
    this.#sharing?.arrange()
    this.#handover.pump()
  }

  /** By a signal of its own, or because the app wishes so. It gets no new connections and finishes what it has. */
  #leaves(member: Member): void {
    const { state } = member
    if (state === 'leaving') return
    member.state = 'leaving'
    member.killLate(this.#options.drainTimeout)
    if (member.candidate || this.#stopping) return
    if (state === 'ready') {
      this.#options.log(`worker ${member.pid} is leaving, another takes its place`)
      this.#fill()
    } else {
      this.#refillFor(member, 'is leaving')
    }
  }

  #exited(member: Member, how: string): void {
    if (!this.#members.delete(member)) return
    if (member.figures) this.#past = merge(this.#past, member.figures)
    this.#handover.lost(member)
    if (this.#stopping) this.#handover.finish()
    else this.#arrange()
    if (this.#members.size === 0) for (const resolve of this.#emptied.splice(0)) resolve()
    if (!member.serving || this.#stopping) return
    this.#crashed += 1
    this.#refillFor(member, `ended (${how})`)
    this.#options.changed?.()
  }

  #refillFor(member: Member, what: string): void {
    this.#refill.soon(member, what)
    const { host } = this.#options
    // An app that ends while it is loaded: what waits for it is answered 503, and the next request tries again.
    if (host && member.state === 'starting' && !this.members.some(({ serving }) => serving)) {
      this.#handover.release((connection) => host.refuse(connection))
    }
    this.#hurry()
  }

  /** The pause is for nobody's sake where relays wait: each of their requests may start the app, as without workers. */
  #hurry(): void {
    if (!this.#options.host || this.#handover.waiting === 0) return
    if (!this.members.some(({ serving }) => serving)) this.#refill.now()
  }

  /**
   * Replaces all workers, some at a time: a new one loads the code as it is now, and only when it is ready an old one is
   * told to finish. Where the new code does not load, the old workers stay.
   *
   * @returns whether all were replaced
   */
  reload(): Promise<boolean> {
    return this.#replacing.reload()
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
      this.#vigil.stop()
      this.#refill.stop()
      this.#replacing.stop()
      const ending = { narrow: this.#sharing?.narrow === true }
      for (const member of this.#members) {
        if (member.state !== 'leaving') member.drain(this.#options.drainTimeout, ending)
      }
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
