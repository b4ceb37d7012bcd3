/** A server under test, its log, and connections to it. */
import type { IncomingMessage, ServerResponse } from 'node:http'

import { createServer, type Server } from '../../packages/core/src/index.ts'
import type { ServerOptions } from '../../packages/core/src/server/options.ts'
import { connect, listen, type Address, type RawPeer } from '../support/raw-peer.ts'

export interface Serving {
  readonly server: Server
  readonly address: Address
  /** Lines of the log, `message [CODE]`. */
  readonly log: string[]
  connect(): Promise<RawPeer>
}

/** Starts a server for the test that runs; it is closed at the test's end. */
export async function serving(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  options: ServerOptions = {},
  over: 'unix' | 'tcp' = 'unix',
): Promise<Serving> {
  const log: string[] = []
  const server = createServer(
    { warn: (code, message) => void log.push(`${message} [${code}]`), ...options },
    listener,
  )
  const address = await listen(server, over)
  return { server, address, log, connect: () => connect(address) }
}

/** Runs work while exceptions that nobody catches are gathered instead of failing the run. */
export async function uncaught(work: () => Promise<void>): Promise<unknown[]> {
  const errors: unknown[] = []
  const others = process.listeners('uncaughtException')
  const take = (error: unknown): void => void errors.push(error)
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', take)
  try {
    await work()
  } finally {
    process.removeListener('uncaughtException', take)
    for (const other of others) process.on('uncaughtException', other)
  }
  return errors
}
