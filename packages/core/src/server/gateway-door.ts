// The development gateway in front of a server in the same process, joined in memory.
import { dirname } from 'node:path'
import { duplexPair, type Duplex } from 'node:stream'
import { startGateway, type Gateway } from '../gateway/gateway.ts'
import type { Server } from './server.ts'

/** Starts the gateway; `server.address()` is then where it listens for HTTP. */
export async function openGateway(
  server: Server,
  options: {
    readonly port: number
    readonly mount: string | undefined
    readonly script: string | undefined
  },
): Promise<Gateway> {
  const { port, mount, script } = options
  const gateway = await startGateway({
    connect: () => connectInMemory(server),
    port,
    // Whether it may run in production has been decided with the mode.
    allowProduction: true,
    ...(mount === undefined ? {} : { mount }),
    ...(script === undefined ? {} : { script, documentRoot: dirname(script) }),
  })
  const address = gateway.server.address()
  Object.defineProperty(server, 'address', { configurable: true, value: () => address })
  return gateway
}

/** A connection to the server. Unlike the pair that Node makes, each end notices when the other is cut. */
export function connectInMemory(server: Server): Duplex {
  const [near, far] = duplexPair()
  link(near, far)
  link(far, near)
  server.acceptConnection(far)
  return near
}

function link(end: Duplex, other: Duplex): void {
  // What has been written and ended must still be read; only a cut is passed on.
  end.once('close', () => {
    if (!end.writableEnded || end.writableLength > 0) other.destroy()
  })
}
