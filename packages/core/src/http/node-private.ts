// Every name of Node's http that is not documented and that this package leans on, in one place, each with what
// happens when it goes. They are present and used alike in Node 20, 22, 24 and 26; `probe` looks at start-up.
import { EventEmitter } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'

/**
 * A ServerResponse as Node's own code sees it.
 *
 * | name | used for | if it goes |
 * | --- | --- | --- |
 * | `_storeHeader` | the one place where a head is made, whoever asks for it | text fallback: the head is rewritten from `HTTP/1.1 …` text |
 * | `_header` | the text of the head | text fallback |
 * | `_removedConnection`, `_removedTE` | no Connection or Transfer-Encoding line of Node's own | such lines are stripped with the app's own |
 * | `chunkedEncoding` | no chunk framing in STDOUT | text fallback takes the framing away |
 * | `_closed` | 'close' exactly once | 'close' could come twice |
 * | `_httpMessage` of its socket | the two know each other without a listener | the probe fails: `assignSocket` is called |
 * | `_flush`, `outputData` | 'drain' where the symbol `kNeedDrain` is missing | a response that met backpressure would wait for ever |
 */
export interface ResponseInternals {
  _storeHeader(firstLine: string, headers: unknown): void
  _header: string | null
  _removedConnection: boolean
  _removedTE: boolean
  _contentLength: number | null
  _hasBody: boolean
  _expect_continue: boolean
  _sent100: boolean
  _closed: boolean
  chunkedEncoding: boolean
  useChunkedEncodingByDefault: boolean
  shouldKeepAlive: boolean
  finished: boolean
  destroyed: boolean
  outputData?: { data: string; encoding: BufferEncoding; callback: null }[]
  _flush?(): void
  [needDrain: symbol]: boolean
}

/**
 * An IncomingMessage as Node's own code sees it.
 *
 * | name | used for | if it goes |
 * | --- | --- | --- |
 * | `_addHeaderLines` | `headersDistinct` counts on it | `headersDistinct` is empty |
 * | `_consuming`, `_dumped`, `_dump` | a body nobody reads is dropped after the response, as node:http does | `resume()` is called instead |
 * | `_eventsCount` | nobody listens to a body, known at once | each event is asked for |
 * | `_readableState` | an empty body nobody listens to is closed without its machinery | the machinery runs |
 */
export interface RequestInternals {
  _addHeaderLines(headers: string[], length: number): void
  _consuming: boolean
  _dumped: boolean
  _dump?(): void
  _eventsCount?: number
  _readableState?: {
    resumeScheduled?: boolean
    ended?: boolean
    flowing?: boolean | null
    endEmitted?: boolean
    destroyed?: boolean
    closed?: boolean
    closeEmitted?: boolean
    length?: number
  }
}

/** The response with its private side in view. */
export function internals(response: ServerResponse): ResponseInternals {
  return response as unknown as ResponseInternals
}

/** The request with its private side in view. */
export function requestInternals(request: IncomingMessage): RequestInternals {
  return request as unknown as RequestInternals
}

/** Node's own maker of heads; the hook of `outgoing.ts` calls it. */
export const storeHeader: ResponseInternals['_storeHeader'] | undefined = (
  http.ServerResponse.prototype as unknown as ResponseInternals
)._storeHeader

const { assignSocket, detachSocket } = http.ServerResponse.prototype

/** A socket as Node's response sees it. */
interface AssignedSocket {
  _httpMessage: unknown
}

/**
 * `response.assignSocket(socket)`, but for its listener on 'close': whoever emits that closes the response as well. So
 * most requests need no table of listeners on their socket, of which Node makes one with the first listener and another
 * with the last that goes. (bench: `pnpm bench micro`, "whole request"; with the list of one in sending.ts 4 to 6 %)
 */
export function assign(response: ServerResponse, socket: AssignedSocket): void {
  if (probed().hook && response.assignSocket === assignSocket) {
    bind(response, socket)
    response.emit('socket', socket)
  } else {
    response.assignSocket(socket as never)
  }
}

function bind(response: ServerResponse, socket: AssignedSocket): void {
  socket._httpMessage = response
  ;(response as { socket: unknown }).socket = socket
}

/** `response.detachSocket(socket)`. */
export function detach(response: ServerResponse, socket: AssignedSocket): void {
  if (probed().hook && response.detachSocket === detachSocket) {
    socket._httpMessage = null
    ;(response as { socket: unknown }).socket = null
  } else {
    response.detachSocket(socket as never)
  }
}

/** What the probe found on this Node. */
export interface Probe {
  /** An own `_storeHeader` is called for every head: the fast way is open. */
  readonly hook: boolean
  /** The symbol under which Node remembers that 'drain' is owed. */
  readonly needDrain: symbol | undefined
}

/** Sends a response that nobody sees through this Node and looks which of the names above still do their work. */
export function probe(): Probe {
  const request = new http.IncomingMessage(null as never)
  request.method = 'GET'
  request.httpVersionMajor = 1
  request.httpVersionMinor = 1
  const response = new http.ServerResponse(request)
  const own = internals(response)
  let head = ''
  // As the hook of `outgoing.ts` does it.
  own._storeHeader = function (_firstLine, headers) {
    this._removedConnection = true
    this._removedTE = true
    storeHeader?.call(this, '', headers)
    this.chunkedEncoding = false
    head = `X-Before: 1\r\n${this._header}`
    this._header = head
  }
  let written = ''
  const sink = Object.assign(new EventEmitter(), {
    _httpMessage: null,
    writable: true,
    destroyed: false,
    writableLength: 0,
    writableHighWaterMark: 1,
    writableCorked: 0,
    _writableState: { corked: 0 },
    cork() {},
    uncork() {},
    write(text: unknown) {
      written += String(text)
      return false
    },
  })
  bind(response, sink)
  response.setHeader('X-Probe', '1')
  // Turns framing on, if we do not turn it off.
  response.setHeader('Transfer-Encoding', 'chunked')
  response.write('x')
  const needDrain = Object.getOwnPropertySymbols(response).find(
    (symbol) => symbol.description === 'kNeedDrain' && own[symbol] === true,
  )
  // Node 26 keeps what is written until the end of the tick, or of the response.
  response.end()
  // Our head as we made it, with no status line, and the content without framing.
  const hook = /^X-Before: 1\r\nX-Probe: 1\r\n/.test(head) && written === `${head}x`
  return { hook, needDrain }
}

let found: Probe | undefined

/** The probe's findings; looked up once a process. */
export function probed(): Probe {
  return (found ??= probe())
}

/** Tests only: takes the findings away, so that the next request is served by the fallback for them. */
export function overrideProbe(findings: Probe | undefined): void {
  found = findings
}

/** Tells a response that its bytes are on their way: clears Node's mark and emits 'drain' if it was owed. */
export function drained(response: ServerResponse): void {
  const own = internals(response)
  if (own.finished || own.destroyed) return
  const { needDrain } = probed()
  if (needDrain !== undefined) {
    if (own[needDrain] === true) {
      own[needDrain] = false
      response.emit('drain')
    }
  } else if (response.writableNeedDrain) {
    // The public way round: an empty write through Node's own queue makes it look again.
    own.outputData?.push({ data: '', encoding: 'latin1', callback: null })
    own._flush?.()
  }
}

/**
 * What node:http does with a body when its response is complete and nobody has read any of it: lets it run out.
 *
 * Where nobody listens and all of the body is here, the stream's machinery (two ticks, some 1.5 µs) is not started only
 * to reach this state. (bench: `pnpm bench micro`, "whole request")
 */
export function dump(request: IncomingMessage): void {
  const own = requestInternals(request)
  const state = own._readableState
  if (own._consuming || state?.resumeScheduled === true) return
  if (state?.ended === true && state.length === 0 && request.complete && unheard(request)) {
    own._consuming = true
    own._dumped = true
    state.endEmitted = true
    state.destroyed = true
    state.closed = true
    state.closeEmitted = true
    return
  }
  if (own._dump) own._dump()
  else request.resume()
}

/**
 * Ends an empty body. Where nobody listens, without the tick in which its stream would say so to nobody: what reads it
 * later finds it ended all the same. (bench: `pnpm bench micro`, "whole request": 145 bytes and a tick less)
 */
export function endEmpty(request: IncomingMessage): void {
  const state = requestInternals(request)._readableState
  request.complete = true
  if (state?.ended === false && state.flowing === null && unheard(request)) state.ended = true
  else request.push(null)
}

function unheard(request: IncomingMessage): boolean {
  if (requestInternals(request)._eventsCount === 0) return true
  return (
    request.listenerCount('end') === 0 &&
    request.listenerCount('close') === 0 &&
    request.listenerCount('resume') === 0 &&
    request.listenerCount('readable') === 0
  )
}

/** Emits 'close' on a response once, as Node's http server does after 'finish'. */
export function emitClose(response: ServerResponse): void {
  const own = internals(response)
  if (own._closed === true) return
  own.destroyed = true
  own._closed = true
  response.emit('close')
}
