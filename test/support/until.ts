/** Waiting for what gives no event: a log line, a process that is gone, a port that accepts. */

/** Milliseconds before giving up: generous, since a busy machine is no failure. */
const DEADLINE = 30_000

/**
 * Looks every 20 ms until `condition` is true. Throws what `condition` throws, and an error that
 * names `what` after `deadline` milliseconds.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  deadline: number = DEADLINE,
): Promise<void> {
  const end = performance.now() + deadline
  while (!(await condition())) {
    if (performance.now() > end) {
      throw new Error(
        `waited ${String(deadline)} ms for ${typeof what === 'string' ? what : what()}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
