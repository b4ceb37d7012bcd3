/** Medians and spread of a few rounds. */

/** Five figures of one series; `low` and `high` are the quartiles. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly min: number
  readonly max: number
}

function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? below
  return below + (above - below) * (at - Math.floor(at))
}

/** @returns the spread of a series; values that are not finite are left out; NaN everywhere when none is left */
export function spread(values: readonly number[]): Spread {
  const sorted = values.filter(Number.isFinite).toSorted((a, b) => a - b)
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    min: quantile(sorted, 0),
    max: quantile(sorted, 1),
  }
}

/** Ratios of two series round by round: what disturbs the machine for a while disturbs both. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): Spread {
  return spread(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)))
}
