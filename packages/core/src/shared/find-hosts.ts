// The hosts of a script, for whoever administers them. Everything else is loaded when it is called.
import type { HostStatus } from './greeting.ts'

/** A process that runs an app for all relays (option `shared`). */
export interface SharedHost extends HostStatus {
  /**
   * Asks it to end, which it does as on SIGTERM: running requests are finished, within its `drainTimeout`. The next
   * request starts another one.
   *
   * @returns once the process has ended; false when it was ending already, which is not waited for
   */
  stop(): Promise<boolean>
}

/** What {@link findSharedHosts} has found. */
export interface FoundHosts {
  readonly hosts: readonly SharedHost[]
  /** Paths of sockets at which a process listens and does not answer; of which script it is cannot be known. */
  readonly silent: readonly string[]
}

/**
 * Finds the processes that run a script for all relays: of this user, in the folders where a relay would look. There are
 * several where it was started with different environments, as by two sites.
 *
 * @param script its real path
 * @param timeout milliseconds that a process may take to answer; 10 s by default
 * @throws Error with the reason when the key cannot be read
 */
export async function findSharedHosts(script: string, timeout = 10_000): Promise<FoundHosts> {
  const { askHosts } = await import('./hosts.ts')
  return askHosts(script, timeout)
}
