// What a host has its workers told, and what it does for them, that the primary of a pool on a socket of our own does not.
import type { Socket } from 'node:net'
import { dirname } from 'node:path'
import type { PoolHost } from '../server/workers/pool-options.ts'
import { failed } from './greeting.ts'
import { workerFolderVariable } from './host-place.ts'

/** @param place where the host listens */
export function poolHost(place: string): PoolHost {
  return {
    environment: { [workerFolderVariable]: dirname(place) },
    // As the host's own, which goes to a relay that is connected: the workers' descriptors would stay what they are now.
    output: (chunk) => process.stderr.write(chunk),
    refuse: (socket: Socket) => socket.end(Buffer.of(failed), () => socket.destroy()),
  }
}
