// One connection of the web server on its way through a relay: byte for byte, both ways, at the pace of the slower end.
import type { Socket } from 'node:net'
import { RecordType } from '../protocol/constants.ts'
import { RecordWatch } from './record-watch.ts'

/** What a passage needs of its relay. */
export interface PassageOwner {
  /**
   * A connection to the host that it has taken, with `first` passed on already.
   *
   * @throws Error when the host cannot be had
   */
  connect(
    first: Buffer,
  ): Promise<{ readonly socket: Socket; readonly rest: Buffer; readonly host: string }>
  /** Says that requests were answered by us, and gives the reference that is on their page. */
  unanswered(reason: string): string
  closed(passage: Passage): void
}

/** Milliseconds in which a web server that has connected must have sent something. */
const firstTimeout = 30_000
/** Milliseconds a connection at rest stays open when the relay is to end: as the host does it. */
const restTimeout = 1000

/** See the head of the file. */
export class Passage {
  readonly #peer: Socket
  readonly #owner: PassageOwner
  /** Open requests; true once something of their answer has passed. */
  readonly #open = new Map<number, boolean>()
  readonly #asked: RecordWatch = new RecordWatch((type, id) => {
    if (type === RecordType.BeginRequest) this.#open.set(id, false)
  })
  readonly #answered: RecordWatch = new RecordWatch((type, id) => this.#answer(type, id))
  #host: Socket | undefined
  #hostName = ''
  #begun = false
  #halfClosed = false
  #draining = false
  #finished = false
  #rest: NodeJS.Timeout | undefined

  constructor(peer: Socket, owner: PassageOwner) {
    this.#peer = peer
    this.#owner = owner
    peer.allowHalfOpen = true
    peer.on('error', () => peer.destroy())
    peer.once('close', () => this.#close())
    peer.setTimeout(firstTimeout, () => peer.destroy())
    peer.once('end', () => this.#peerEnded())
    peer.once('data', (chunk: Buffer) => {
      peer.pause()
      peer.setTimeout(0)
      this.#begun = true
      this.#asked.see(chunk)
      void this.#connect(chunk)
    })
    peer.resume()
  }

  /** Ends the connection as soon as nothing is running on it. */
  drain(): void {
    this.#draining = true
    this.#endAtRest()
  }

  /** Ends it at once. */
  destroy(): void {
    this.#peer.destroy()
  }

  /** Comes while the socket is paused, too, when nothing is left to read. */
  #peerEnded(): void {
    this.#halfClosed = true
    if (!this.#begun) this.#peer.destroy()
    else if (this.#host) this.#host.end()
  }

  async #connect(first: Buffer): Promise<void> {
    try {
      const { socket, rest, host } = await this.#owner.connect(first)
      if (this.#peer.destroyed) {
        socket.destroy()
        return
      }
      this.#hostName = host
      this.#join(socket, rest)
    } catch (error) {
      await this.#refuse(`the app's process cannot be had: ${(error as Error).message}`)
    }
  }

  #join(host: Socket, rest: Buffer): void {
    const peer = this.#peer
    this.#host = host
    host.on('data', (chunk: Buffer) => this.#toPeer(chunk))
    host.on('drain', () => peer.resume())
    host.once('end', () => void this.#hostEnded())
    host.once('error', () => host.destroy())
    host.once('close', () => void this.#hostEnded())
    peer.on('data', (chunk: Buffer) => {
      this.#asked.see(chunk)
      if (host.writable && !host.write(chunk)) peer.pause()
    })
    peer.on('drain', () => host.resume())
    if (rest.length > 0) this.#toPeer(rest)
    if (!peer.writableNeedDrain) host.resume()
    if (this.#halfClosed) host.end()
    peer.resume()
  }

  #toPeer(chunk: Buffer): void {
    this.#answered.see(chunk)
    const peer = this.#peer
    if (peer.writable && !peer.write(chunk)) this.#host?.pause()
    if (this.#draining) this.#endAtRest()
  }

  #answer(type: number, id: number): void {
    if (type === RecordType.EndRequest) this.#open.delete(id)
    else if (this.#open.has(id)) this.#open.set(id, true)
  }

  async #hostEnded(): Promise<void> {
    if (this.#finished) return
    this.#finished = true
    const open = [...this.#open.values()]
    if (open.length > 0 && this.#peer.writable && this.#answered.whole && !open.includes(true)) {
      await this.#refuse(`${this.#hostName} has ended the connection before an answer`)
      return
    }
    // As the web server would see it without us: complete, or cut.
    this.#host?.destroy()
    this.#peer.end(() => this.#peer.destroy())
  }

  /** Answers what nobody has answered. */
  async #refuse(reason: string): Promise<void> {
    this.#finished = true
    const peer = this.#peer
    if (peer.destroyed) return
    const reference = this.#owner.unanswered(reason)
    const { unavailable } = await import('./unavailable.ts')
    for (const id of this.#open.keys()) peer.write(unavailable(id, reference))
    this.#open.clear()
    // What is still being sent is read, or the web server would get a broken pipe instead of the answer.
    peer.removeAllListeners('data')
    peer.on('data', () => {})
    peer.resume()
    peer.once('end', () => peer.destroy())
    peer.end()
    peer.setTimeout(restTimeout, () => peer.destroy())
  }

  #endAtRest(): void {
    clearTimeout(this.#rest)
    if (this.#open.size > 0 || this.#peer.destroyed) return
    this.#rest = setTimeout(() => {
      if (this.#open.size === 0) this.#peer.end(() => this.#peer.destroy())
    }, restTimeout)
  }

  #close(): void {
    clearTimeout(this.#rest)
    this.#finished = true
    this.#host?.destroy()
    this.#owner.closed(this)
  }
}
