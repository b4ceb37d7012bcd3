// A worker's side of the socket: it accepts by itself, on the primary's listening socket. That costs nobody a message,
// and a worker that is busy or stopped leaves connections to others. Who happens to be quicker would get more than its
// share of connections that are kept. So one that has its share lets the others come first: it sleeps for a moment before
// it accepts more; and a few, as they come one by one, go back unread to the primary, which knows who has the fewest.
import type { Socket } from 'node:net'
import { acceptOn, canMakeSockets, socketOf, type RawHandle } from './net-private.ts'
import type { Server } from '../server.ts'
import type { WorkerDoor } from './worker.ts'
import { countInterval, type ListenMessage, type WorkerMessage } from './messages.ts'

/**
 * So many open connections are nobody's surplus, whatever others have: where each request has a connection of its own a
 * few are open at any time, since a round of the event loop accepts one.
 */
const few = 5
/**
 * A connection that goes round by the primary costs more than accepting it, in time above all. So many may go at once, so
 * many in a second: of those that come one by one each, of those that are opened together hardly any.
 */
const allowance = { most: 4, perSecond: 50 }
/**
 * Milliseconds for which one that has its share sleeps: whoever was woken for the same connections takes the next ones.
 * Sixty-four that are opened together and kept then lie 20, 17, 15 and 13 or so; 36, 19, 9 and 1 without it. With all
 * beyond the share going round by the primary it was 17, 17, 17 and 14, and 95 ms until all were answered instead of 55.
 */
const turn = 0.1
const bed = new Int32Array(new SharedArrayBuffer(4))
/**
 * Where so many have closed in about the last tenth of a second, each within a second of its begin, connections are short:
 * the long way would be most of what they take. (`pnpm bench workers`: the 99th percentile was three times as long.)
 */
const shortOnes = { most: 10, life: 1_000, halfLife: 100 }
/** So many connections more or less are worth a message, or a sixteenth. */
const worthTelling = 3
/** Milliseconds at the most that a worker goes on accepting those who have connected already. */
const backlogTime = 2_000

/** What an {@link Acceptor} has around it. */
export interface Surroundings {
  readonly server: Server
  /** Takes connections. */
  readonly door: WorkerDoor
  /** Tells the primary; `sent` is called once it is under way. False when the primary has gone. */
  send(message: WorkerMessage, handle?: RawHandle, sent?: () => void): boolean
}

/** Accepts connections in a worker. */
export class Acceptor {
  readonly #around: Surroundings
  readonly #handles: RawHandle[] = []
  /** Connections on their way to the primary. */
  readonly #leaving = new Set<RawHandle>()
  /** Of the average worker; undefined where there is no other. */
  #share: number | undefined
  #allowed = allowance.most
  #allowedAt = performance.now()
  #accepted = 0
  /** Connections that were short, fading. */
  #short = 0
  #shortAt = 0
  #told = 0
  #counting = false
  #finished = false

  constructor(around: Surroundings) {
    this.#around = around
  }

  /** Accepts on a socket from here on, and says whether it can. */
  open({ socket, tcp, copy, share }: ListenMessage, handle: RawHandle | undefined): void {
    // Its word crossed ours that we are leaving.
    if (this.#finished) {
      handle?.close()
      return
    }
    this.#share = share
    const well =
      handle !== undefined &&
      canMakeSockets() &&
      acceptOn(
        handle,
        (client) => this.#take(client, tcp),
        (error) => this.#around.server.emit('error', error),
      )
    if (well) this.#handles.push(handle)
    this.#around.send({ fastcgi: 'listening', socket, well }, well && copy ? handle : undefined)
    if (!well) handle?.close()
  }

  /** How many connections others have. */
  set share(share: number) {
    this.#share = share
  }

  /** Accepts no more. */
  shut(): void {
    for (const handle of this.#handles.splice(0)) handle.close()
  }

  /**
   * Takes in who has connected already, then accepts no more: for the last who listen. A round of the event loop
   * accepts one a socket; the first that accepts none has found the queue empty.
   *
   * @param narrow no more shall connect: the socket is nobody else's
   */
  async finish(narrow: boolean): Promise<void> {
    this.#finished = true
    const end = performance.now() + backlogTime
    if (narrow) for (const handle of this.#handles) handle.listen?.(1)
    await new Promise(setImmediate)
    let before = -1
    while (this.#handles.length > 0 && this.#accepted !== before && performance.now() < end) {
      before = this.#accepted
      await new Promise(setImmediate)
    }
    this.shut()
  }

  /** Resolves when no connection is on its way to the primary any more. */
  async passedOn(): Promise<void> {
    while (this.#leaving.size > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  /** The primary has gone: what was on its way there is served here. */
  keep(): void {
    for (const handle of this.#leaving) this.#serve(socketOf(handle))
    this.#leaving.clear()
  }

  #take(client: RawHandle, tcp: boolean): void {
    this.#accepted += 1
    const { open } = this.#around.door
    if (this.#isTooMany(open + 1)) {
      const passedOn = this.#spend() && this.#passOn(client, open)
      Atomics.wait(bed, 0, 0, turn)
      if (passedOn) return
    }
    const socket = socketOf(client)
    // A TCP peer that has gone already has no address to be judged by.
    if (tcp && socket.remoteAddress === undefined) socket.destroy()
    else this.#serve(socket)
  }

  #serve(socket: Socket): void {
    const since = performance.now()
    socket.once('close', () => {
      const now = performance.now()
      if (now - since < shortOnes.life) {
        this.#short = this.#faded(now) + 1
        this.#shortAt = now
      }
      this.#count()
    })
    this.#around.door.take(socket)
    this.#count()
  }

  #isTooMany(open: number): boolean {
    if (this.#share === undefined || open <= Math.max(few, this.#share)) return false
    return this.#faded(performance.now()) < shortOnes.most
  }

  #faded(now: number): number {
    return this.#short * 0.5 ** ((now - this.#shortAt) / shortOnes.halfLife)
  }

  /** False when there was nothing left to spend. */
  #spend(): boolean {
    const now = performance.now()
    const earned = ((now - this.#allowedAt) * allowance.perSecond) / 1000
    const allowed = Math.min(allowance.most, this.#allowed + earned)
    this.#allowedAt = now
    this.#allowed = Math.max(0, allowed - 1)
    return allowed >= 1
  }

  #passOn(client: RawHandle, open: number): boolean {
    this.#leaving.add(client)
    const sent = (): void => {
      if (this.#leaving.delete(client)) client.close()
    }
    if (this.#around.send({ fastcgi: 'surplus', open }, client, sent)) return true
    this.#leaving.delete(client)
    return false
  }

  /** Tells how many there are now, soon and not too often. */
  #count(): void {
    if (this.#counting || this.#share === undefined) return
    this.#counting = true
    setTimeout(() => {
      this.#counting = false
      const { open } = this.#around.door
      // A few more or less are told with the next sign of life: with a connection for each request they change all the time.
      if (Math.abs(open - this.#told) < Math.max(worthTelling, this.#told / 16)) return
      this.#told = open
      this.#around.send({ fastcgi: 'open', open })
    }, countInterval).unref()
  }
}
