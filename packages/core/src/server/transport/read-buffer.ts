// Reading without an allocation a read: Node fills a buffer of ours where a net.Socket is constructed with `onread`.
// A server's sockets are constructed by Node, so the same is switched on afterwards, by the three symbols that option
// leaves on a socket. For each small read that saves Node a 64 KiB buffer, cut to size and collected later: about 1 µs
// of the 15 µs a small request takes (bench: `pnpm bench --case hello`). Where a symbol or the handle's method is
// missing, 'data' events do.
import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'

/** What one read takes at the most: libuv's own size. */
const SIZE = 64 * 1024
/**
 * Bytes of a read from which on they are handed on in the buffer they came in, instead of copied out of it. The next
 * read then goes behind them, as long as there is {@link ROOM}: what is kept of one read keeps no more than one buffer in
 * memory. (bench: `pnpm bench --case upload`: without it a tenth more CPU; with 16 KiB here, which leaves out every third
 * read of an upload from nginx, 5 %)
 */
const LEND_FROM = 4 * 1024
/** What must be left of a buffer for one more read. */
const ROOM = SIZE / 4

/** Where every connection's small reads go: emptied before the next one is filled. */
const shared: Buffer = Buffer.allocUnsafeSlow(SIZE)

interface ReadSymbols {
  readonly buffer: symbol
  readonly callback: symbol
  readonly generate: symbol
}

let symbols: ReadSymbols | false | undefined

function findSymbols(): ReadSymbols | false {
  const socket = new Socket({
    onread: { buffer: () => shared, callback: () => true },
  } as SocketConstructorOpts)
  const found = new Map(
    Object.getOwnPropertySymbols(socket).map((symbol) => [symbol.description, symbol]),
  )
  const [buffer, callback, generate] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
    found.get(name),
  )
  return (
    buffer !== undefined &&
    callback !== undefined &&
    generate !== undefined && { buffer, callback, generate }
  )
}

/** A socket's native handle, as far as it is used here. */
interface StreamHandle {
  useUserBuffer?(buffer: Buffer): void
}

/**
 * Reads a socket into a buffer that all connections share.
 *
 * @param receive takes what was read: the first `length` bytes of `chunk`. `lent`: they are the reader's own until it
 *   returns and not a moment longer; what it keeps it copies.
 * @param bulk tells, before a read, that much is to come (an upload): such reads get buffers to keep
 */
export function read(
  socket: Duplex,
  receive: (chunk: Buffer, length: number, lent: boolean) => void,
  bulk: () => boolean,
): void {
  symbols ??= findSymbols()
  const handle = (socket as { _handle?: StreamHandle })._handle
  if (
    symbols === false ||
    typeof handle?.useUserBuffer !== 'function' ||
    !(socket instanceof Socket)
  ) {
    socket.on('data', (chunk: Buffer) => receive(chunk, chunk.length, false))
    return
  }
  // What the handle reads into: the shared buffer, or the rest of one of this connection's, given away as it is filled.
  let current = shared
  let rest: Buffer | undefined
  let given = false
  const own = socket as unknown as Record<symbol, unknown>
  own[symbols.buffer] = current
  own[symbols.callback] = (length: number): boolean => {
    given = current !== shared && length >= LEND_FROM
    if (given) rest = current.length - length < ROOM ? undefined : current.subarray(length)
    receive(current, length, !given)
    return true
  }
  own[symbols.generate] = (): Buffer | undefined => {
    if (bulk()) {
      if (current !== shared && !given) return undefined
      current = rest ?? Buffer.allocUnsafeSlow(SIZE)
    } else {
      if (current === shared) return undefined
      current = shared
    }
    rest = undefined
    given = false
    return current
  }
  handle.useUserBuffer(current)
  // A connection that had to wait has been read already, as far as Node reads unasked.
  if (socket.readableLength > 0) process.nextTick(receiveBuffered, socket, receive)
  else socket.resume()
}

function receiveBuffered(
  socket: Socket,
  receive: (chunk: Buffer, length: number, lent: boolean) => void,
): void {
  let chunk: Buffer | null
  while ((chunk = socket.read() as Buffer | null) !== null) receive(chunk, chunk.length, false)
  socket.resume()
}
