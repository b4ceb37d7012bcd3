/** The processes that run an app for all relays (option `shared`): detached, so a test must end them itself. */
import fs from 'node:fs'

import { until } from './until.ts'

/** Processes whose private socket lies in a folder. They are known by the environment they were started with. */
export function hostsIn(folder: string): number[] {
  return processesWith((each) => each.startsWith(`FASTCGI_SHARED_HOST=${folder}/`))
}

/** Their workers, where they have any. */
export function workersIn(folder: string): number[] {
  return processesWith((each) => each === `FASTCGI_SHARED_WORKER=${folder}`)
}

function processesWith(marked: (variable: string) => boolean): number[] {
  return fs.readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const environment = fs.readFileSync(`/proc/${name}/environ`, 'latin1').split('\0')
      return environment.some(marked) ? [Number(name)] : []
    } catch {
      return [] // gone, or not ours to look at
    }
  })
}

/** Ends them all, and waits until none is left; also those that are only just being started. */
export async function endHosts(folder: string): Promise<void> {
  await until(
    () => {
      const left = [...hostsIn(folder), ...workersIn(folder)]
      for (const pid of left) kill(pid)
      return left.length === 0
    },
    () => `the processes ${[...hostsIn(folder), ...workersIn(folder)].join(', ')} to end`,
  )
}

/** Without waiting, for the last act of a process. */
export function killHosts(folder: string): void {
  for (const pid of [...hostsIn(folder), ...workersIn(folder)]) kill(pid)
}

/** Whether a process runs. One that has ended counts as gone, though nobody may have asked for its status (a container's process 1). */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone meanwhile.
  }
}
