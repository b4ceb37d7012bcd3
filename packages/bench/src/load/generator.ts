/**
 * The load generator: a process of its own that sends prepared bytes and counts whole responses, the same way for
 * FastCGI and HTTP, so that neither side pays for a clumsy client. Driven over IPC by `load-client.ts`.
 */
import { connect, type Socket } from 'node:net'
import type { RequestShape } from '../cases.ts'
import {
  bodyEnd,
  bodyPiece,
  fastcgiRequest,
  httpRequest,
  PIECE_BYTES,
  type ExtraParams,
} from './request-bytes.ts'
import { FastcgiCounter, HttpCounter, type ResponseCounter } from './response-counter.ts'

/** One run of load. */
export interface Job {
  readonly protocol: 'fcgi' | 'http'
  /** A unix socket's path, or a TCP port of 127.0.0.1. */
  readonly target: string | number
  readonly request: RequestShape
  readonly connections: number
  readonly inFlight: number
  readonly keepConnection: boolean
  readonly extraParams: ExtraParams
  /** How long new requests are sent. 0: each connection sends one request, and all stay open until the next job. */
  readonly seconds: number
}

/** What came of it. `p50` and `p99` are milliseconds. */
export interface JobResult {
  readonly requests: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  readonly reconnects: number
}

const MAX_SAMPLES = 2_000_000
const samples = new Float64Array(MAX_SAMPLES)
/** All sockets read into this one: a read is handled before the next begins. */
const readBuffer = Buffer.allocUnsafe(256 * 1024)
let kept: Socket[] = []
/** Connections that have not had an answer yet. */
let opening = 0
const MAX_OPENING = 128

/** State shared by the connections of one job. */
class Run {
  completed = 0
  reconnects = 0
  readonly job: Job
  readonly requests: Buffer[]
  readonly piece: Buffer
  readonly lastPiece: Buffer
  readonly end: Buffer
  readonly deadline: number
  readonly sockets = new Set<Socket>()
  outstanding = 0
  toOpen: number
  readonly #done: (error?: Error) => void

  constructor(job: Job, done: (error?: Error) => void) {
    this.job = job
    this.toOpen = job.connections
    this.#done = done
    this.deadline = performance.now() + job.seconds * 1000
    this.requests = Array.from({ length: job.inFlight }, (_, slot) =>
      job.protocol === 'fcgi'
        ? fastcgiRequest(job.request, slot + 1, job.keepConnection, job.extraParams)
        : httpRequest(job.request),
    )
    const streamed = job.request.streamedBytes ?? 0
    this.piece = bodyPiece(job.protocol, PIECE_BYTES)
    this.lastPiece = bodyPiece(job.protocol, streamed % PIECE_BYTES)
    this.end = bodyEnd(job.protocol)
  }

  get over(): boolean {
    if (this.job.seconds === 0) return this.completed === this.job.connections
    return performance.now() >= this.deadline
  }

  finishIfIdle(): void {
    if (this.outstanding === 0 && this.over) this.#done()
  }

  fail(error: Error): void {
    this.#done(error)
  }
}

function openConnection(run: Run): void {
  const { job } = run
  const counter: ResponseCounter =
    job.protocol === 'fcgi' ? new FastcgiCounter() : new HttpCounter()
  const sentAt = new Float64Array(job.inFlight + 1)
  let waiting = 0
  let answered = false

  const send = (id: number): void => {
    waiting++
    run.outstanding++
    sentAt[id] = performance.now()
    socket.write(run.requests[id - 1] ?? Buffer.alloc(0))
    if (job.request.streamedBytes !== undefined) sendBody(socket, run, job.request.streamedBytes)
  }
  const onResponse = (id: number): void => {
    if (run.completed < MAX_SAMPLES) samples[run.completed] = performance.now() - (sentAt[id] ?? 0)
    run.completed++
    run.outstanding--
    waiting--
    if (!answered) {
      answered = true
      opening--
      openMore(run)
    }
    if (job.seconds === 0 || run.over) run.finishIfIdle()
    else if (job.keepConnection) send(id)
  }
  const onBytes = (length: number): boolean => {
    if (job.inFlight > 1) socket.cork()
    try {
      counter.feed(readBuffer, length, onResponse)
    } catch (error) {
      run.fail(error as Error)
    }
    if (job.inFlight > 1) socket.uncork()
    return true
  }
  const onread = { buffer: readBuffer, callback: onBytes }
  const socket =
    typeof job.target === 'number'
      ? connect({ port: job.target, host: '127.0.0.1', noDelay: true, onread })
      : connect({ path: job.target, onread })
  run.sockets.add(socket)
  opening++
  socket.on('connect', () => {
    for (let id = 1; id <= job.inFlight; id++) send(id)
  })
  socket.on('error', (error) => run.fail(error))
  // An application that does not keep the connection costs its client a new one; that is part of its price.
  socket.on('close', () => {
    run.sockets.delete(socket)
    run.outstanding -= waiting
    if (job.seconds > 0 && !run.over) {
      run.reconnects++
      openConnection(run)
    } else run.finishIfIdle()
  })
}

/**
 * A listening socket's backlog is 511 by Node's default, and a full one refuses at once: so a new connection is opened
 * when an earlier one has had its first answer, not when the system says that it is connected.
 */
function openMore(run: Run): void {
  while (run.toOpen > 0 && opening < MAX_OPENING) {
    run.toOpen--
    openConnection(run)
  }
}

function sendBody(socket: Socket, run: Run, total: number): void {
  let left = total
  const more = (): void => {
    while (left >= PIECE_BYTES) {
      left -= PIECE_BYTES
      if (!socket.write(run.piece)) {
        socket.once('drain', more)
        return
      }
    }
    if (left > 0) socket.write(run.lastPiece)
    if (run.end.length > 0) socket.write(run.end)
  }
  more()
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Runs one job to its end. */
async function runJob(job: Job): Promise<JobResult> {
  for (const socket of kept) socket.destroy()
  kept = []
  const started = performance.now()
  const run = await new Promise<Run>((resolve, reject) => {
    const current = new Run(job, (error) => (error ? reject(error) : resolve(current)))
    opening = 0
    openMore(current)
  })
  const seconds = (performance.now() - started) / 1000
  for (const socket of run.sockets) {
    socket.removeAllListeners('close')
    if (job.seconds > 0) socket.destroy()
    else kept.push(socket)
  }
  const sorted = samples.subarray(0, Math.min(run.completed, MAX_SAMPLES)).toSorted()
  return {
    requests: run.completed,
    seconds,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    reconnects: run.reconnects,
  }
}

process.on('message', (job: Job) => {
  runJob(job).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  )
})
process.on('disconnect', () => process.exit(0))
