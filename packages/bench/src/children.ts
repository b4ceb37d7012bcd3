/** Every process that a run has started ends with it, also when it is interrupted. */
import type { ChildProcess } from 'node:child_process'

const running = new Set<ChildProcess>()

/** Remembers a child until it has ended. */
export function track<T extends ChildProcess>(child: T): T {
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Call once, at the start of a run. `last` runs after the children have been told to end. */
export function endWithThisProcess(last: () => void): void {
  process.on('exit', () => {
    for (const child of running) child.kill()
    last()
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
}
