/** `fastcgi status SCRIPT`: the processes that run a script for all that a web server starts (option `shared`). */
import { realpathSync } from 'node:fs'
import type { FoundHosts, HostStatus, SharedHost } from '@fastcgi/core'
import { ExitCode, Failure } from './exit.ts'

/**
 * How they are.
 *
 * @param timeout milliseconds that a process may take to answer
 * @throws Failure when there is no such script, or none runs
 */
export async function sharedStatus(script: string, timeout: number): Promise<HostStatus[]> {
  const { hosts } = await find(script, timeout)
  return hosts.map(({ pid, script: own, uptime, relays, running, requests, workers }) => {
    return { pid, script: own, uptime, relays, running, requests, ...(workers && { workers }) }
  })
}

/**
 * Ends them, and waits for that.
 *
 * @param timeout milliseconds that a process may take to answer
 * @param say told each step
 * @throws Failure when there is no such script, none runs, or one does not answer
 */
export async function stopShared(
  script: string,
  timeout: number,
  say: (line: string) => void,
): Promise<void> {
  const { hosts } = await find(script, timeout)
  await Promise.all(hosts.map((host) => stopOne(host, say)))
  say('The next request starts it anew.')
}

async function stopOne(host: SharedHost, say: (line: string) => void): Promise<void> {
  const name = `process ${host.pid} of ${host.script}`
  say(`${name} is asked to end; it finishes what runs (${host.running}) first`)
  try {
    const asked = await host.stop()
    say(asked ? `${name} has ended` : `${name} was ending already`)
  } catch (error) {
    throw new Failure(ExitCode.Failed, `${name}: ${(error as Error).message}`, error)
  }
}

/** At least one. */
async function find(script: string, timeout: number): Promise<FoundHosts> {
  const path = realPath(script)
  const { findSharedHosts } = await import('@fastcgi/core')
  const found = await findSharedHosts(path, timeout)
  if (found.hosts.length > 0) return found
  const [silent] = found.silent
  if (silent !== undefined) {
    throw new Failure(
      ExitCode.Failed,
      `The process at ${silent} does not answer: it is busy, or stuck, and may be that of ${path}.\nIts number is in the error log ("serves for all"): kill it with SIGTERM, then SIGKILL.`,
    )
  }
  throw new Failure(
    ExitCode.Unavailable,
    `No process runs ${path} for all: it has ended, or is served without shared, or by another user (be that one: sudo -u www-data), or in a folder that FASTCGI_SHARED_DIR, TMPDIR or XDG_RUNTIME_DIR name in the web server and not here.`,
  )
}

function realPath(script: string): string {
  try {
    return realpathSync(script)
  } catch (error) {
    throw new Failure(ExitCode.NoInput, `There is no script ${script}`, error)
  }
}
