import { expect } from 'vitest'

import type { Said, Step } from './conversation.ts'

/** Every step as it must be, and the same on both sides. */
export function compare(
  steps: readonly Step[],
  expected: readonly Said[],
  actual: readonly Said[],
): void {
  for (const [at, { status, has }] of steps.entries()) {
    const name = expected[at]?.step
    expect.soft(expected[at], name).toMatchObject({ status })
    if (has !== undefined) expect.soft(expected[at]?.body, name).toContain(has)
    expect.soft(actual[at], name).toEqual(expected[at])
  }
}
