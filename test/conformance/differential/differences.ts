/**
 * Where FastCGI cannot, or should not, be what node:http is: each by name, with its reason. A scenario that lists one
 * must show it, so that none outlives its reason.
 */
import type { Observation } from './scenario.ts'

export interface Difference {
  readonly reason: string
  /** Takes out of an observation what differs. */
  readonly without: (observation: Observation) => Observation
  /** Shows only on some versions of Node, or only by chance of timing. */
  readonly sometimes?: boolean
}

export type DifferenceName = keyof typeof differences

export const differences = {} as const satisfies Record<string, Difference>
