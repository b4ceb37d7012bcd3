// The process of a worker: how it is started, and how it has ended.
import cluster, { type Worker } from 'node:cluster'
import type { PoolHost, PoolOptions } from './pool-options.ts'
import { workerVariable } from './messages.ts'

/** Milliseconds for what a worker has said before its end. */
const lastWords = 1_000

/** To be called once, before the first worker. */
export function prepareWorkers({ script, arguments: given, host }: PoolOptions): void {
  const output = host ? 'pipe' : 'inherit'
  // Not descriptor 0: it may be the socket, which must close with the primary.
  cluster.setupPrimary({
    exec: script,
    args: [...given],
    stdio: ['ignore', output, output, 'ipc'],
  } as Parameters<typeof cluster.setupPrimary>[0])
}

/**
 * Starts one.
 *
 * @param name the socket's
 */
export function forkWorker(name: string, host: PoolHost | undefined): Worker {
  const worker = cluster.fork({ ...host?.environment, [workerVariable]: name })
  for (const stream of [worker.process.stdout, worker.process.stderr]) {
    stream?.on('data', (chunk: Buffer) => host?.output(chunk))
  }
  return worker
}

/** Calls back with how a worker has ended, once what it had said before has been read. It may do so twice. */
export function whenEnded(worker: Worker, ended: (how: string) => void): void {
  worker.once('exit', (code, signal) => {
    const how = signal ?? `status ${code}`
    if (!worker.isConnected()) {
      ended(how)
      return
    }
    worker.once('disconnect', () => ended(how))
    setTimeout(() => ended(how), lastWords).unref()
  })
}
