/** Is a ratio worse than the last recorded one by more than the noise? A warning, never a failure. */
import type { Figures, Results } from './results.ts'

const COMPARED: readonly (readonly [figure: keyof Figures, kinds: string])[] = [
  ['cpuMicros', 'load'],
  ['special', 'idle start'],
]

/** What a busy machine moves a ratio by even when both spreads are narrow. */
const LEAST_NOISE = 0.08

/**
 * Ratios of the run that are worse than the recorded ones. Noise is half of both quartile ranges together, and at
 * least 8 %.
 */
export function regressions(now: Results, recorded: Results): string[] {
  const worse: string[] = []
  for (const one of now.measurements) {
    const before = recorded.measurements.find(
      (other) =>
        other.caseId === one.caseId &&
        other.mode === one.mode &&
        other.implementation === one.implementation,
    )
    if (before?.ratios === undefined || one.ratios === undefined) continue
    if (!one.implementation.startsWith('ours-')) continue
    for (const [figure, kinds] of COMPARED) {
      const isSpecial = one.caseId === 'idle' || one.caseId === 'start'
      if (isSpecial !== (kinds !== 'load')) continue
      const current = one.ratios[figure]
      const old = before.ratios[figure]
      const noise = Math.max(
        LEAST_NOISE * old.median,
        (current.high - current.low + old.high - old.low) / 2,
      )
      if (current.median > old.median + noise) {
        worse.push(
          `${one.implementation}, ${one.caseId}, ${one.mode}: ${current.median.toFixed(2)} × node:http, ` +
            `recorded ${old.median.toFixed(2)} (noise ${noise.toFixed(2)})`,
        )
      }
    }
  }
  return worse
}
