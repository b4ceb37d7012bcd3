// The socket file of a process that mod_fcgid has started, which knows no other way to be told that the process leaves.
import { unlinkSync } from 'node:fs'
import { basename } from 'node:path'

/**
 * Takes away the file of the socket on descriptor 0 where it is this process's alone; to be called before the socket is
 * closed. mod_fcgid names the socket of each process by its own pid and a number, and hands on requests there until it
 * cannot connect; then it asks another process. Without this a request that comes in the moment of closing is answered
 * 500. A socket of another name may have more processes than this one, and outlive it.
 *
 * @param path what it is bound to
 * @param parent who has started this process
 */
export function removeOwnSocketFile(path: string | undefined, parent: number = process.ppid): void {
  if (path === undefined || !new RegExp(`^${parent}\\.\\d+$`).test(basename(path))) return
  try {
    unlinkSync(path)
  } catch {
    // Gone, or under suexec not ours to remove.
  }
}
