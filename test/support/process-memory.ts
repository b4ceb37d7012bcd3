/** What a process of the system holds, as /proc tells (Linux). */
import fs from 'node:fs'

const PAGE = 4096

/** Resident bytes. */
export function residentBytes(pid: number): number {
  return Number(fs.readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE
}

/** Watches a process while work is done; gives the most bytes it grew by. */
export async function growth(pid: number, work: () => Promise<void>): Promise<number> {
  const start = residentBytes(pid)
  let most = start
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(pid))
  }, 20)
  try {
    await work()
    most = Math.max(most, residentBytes(pid))
  } finally {
    clearInterval(timer)
  }
  return most - start
}
