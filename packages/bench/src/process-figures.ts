/** CPU time and memory of a process as Linux counts them, its threads and children included. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** User and system time of one process in microseconds. */
function cpuOf(pid: number): number {
  // schedstat counts nanoseconds; stat counts ticks of 10 ms, too coarse for a round of two seconds.
  let nanoseconds = 0
  let threads: string[] = []
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    return 0
  }
  for (const thread of threads) {
    nanoseconds += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0] ?? 0)
  }
  if (nanoseconds > 0) return nanoseconds / 1000
  const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10_000
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((id) => id.trim() !== '')
    .map(Number)
}

function family(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(family)]
}

/** CPU time that a process and its children have used, microseconds. */
export function cpuMicroseconds(pid: number): number {
  return family(pid).reduce((sum, id) => sum + cpuOf(id), 0)
}

/** CPU time since the start of a process and its children, microseconds by the program's name (15 characters, as Linux keeps it). */
export function cpuByProgram(pid: number): Map<string, number> {
  const found = new Map<string, number>()
  for (const id of family(pid)) {
    const name = read(`/proc/${id}/comm`).trim()
    found.set(name, (found.get(name) ?? 0) + cpuOf(id))
  }
  return found
}

/** Starts a new peak: what `peakBytes` answers afterwards is the highest since now. */
export function resetPeak(pid: number): void {
  for (const id of family(pid)) {
    try {
      writeFileSync(`/proc/${id}/clear_refs`, '5')
    } catch {
      // Not permitted on this machine: the peak is then that of the whole run, for every implementation alike.
    }
  }
}

function statusBytes(pid: number, field: string): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(read(`/proc/${pid}/status`))?.[1]
  return Number(kilobytes ?? 0) * 1024
}

/** Highest resident memory since `resetPeak`, bytes. */
export function peakBytes(pid: number): number {
  return family(pid).reduce((sum, id) => sum + statusBytes(id, 'VmHWM'), 0)
}
