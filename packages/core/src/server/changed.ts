// Notices that the script or a restart file is another one than at the start, as `touch tmp/restart.txt` makes it.
import { stat, statSync, type Stats } from 'node:fs'

/** Once a second at most: a look costs a system call a file. */
const interval = 1000

/** A running watch. */
export interface Watch {
  close(): void
}

/**
 * Calls back once when a file differs from what it is now: by time of modification, size or inode, whichever way. A
 * time in the future is no change in itself, or a process would restart for ever. A file that appears is a change, one
 * that disappears is not: a deployment may be half done.
 *
 * @param every milliseconds between looks
 */
export function watchFiles(
  paths: readonly string[],
  changed: (path: string) => void,
  every: number = interval,
): Watch {
  const before = new Map(
    paths.map((path) => [path, identity(statSync(path, { throwIfNoEntry: false }))]),
  )
  let done = false
  const timer = setInterval(look, every)
  // The watch alone must not keep a process alive.
  timer.unref()

  function look(): void {
    for (const [path, known] of before) {
      stat(path, (error, found) => {
        if (done || error || identity(found) === known) return
        close()
        changed(path)
      })
    }
  }

  function close(): void {
    done = true
    clearInterval(timer)
  }

  return { close }
}

function identity(found: Stats | undefined): string {
  return found === undefined ? '' : `${found.mtimeMs} ${found.size} ${found.ino} ${found.dev}`
}
