/** The shape of what a run finds, as written to JSON. */
import type { Mode } from './cases.ts'
import type { Spread } from './statistics.ts'

/** Figures of one round. Names carry the unit. */
export interface Figures {
  /** CPU of the application process (user and system) per unit of the case, microseconds. */
  readonly cpuMicros: number
  readonly requestsPerSecond: number
  readonly p50Millis: number
  readonly p99Millis: number
  readonly peakBytes: number
  /** Of the idle case: resident bytes per connection; of the start case: milliseconds to the first byte. */
  readonly special: number
}

/** One implementation in one case and mode: medians and spread of all rounds. */
export interface Measurement {
  readonly caseId: string
  readonly mode: Mode
  readonly implementation: string
  readonly unit: string
  readonly figures: { readonly [name in keyof Figures]: Spread }
  /** The same figures divided by node:http's, round by round; absent for node:http itself. */
  readonly ratios: { readonly [name in keyof Figures]: Spread } | undefined
}

/** Where and when. */
export interface Circumstances {
  readonly date: string
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  readonly rounds: number
  readonly secondsPerRound: number
  readonly versions: { readonly [name: string]: string }
  /** Implementations that could not run, with the reason. */
  readonly missing: { readonly [name: string]: string }
}

/** The whole of one run. */
export interface Results {
  readonly circumstances: Circumstances
  readonly measurements: readonly Measurement[]
}

export const FIGURES: readonly (keyof Figures)[] = [
  'cpuMicros',
  'requestsPerSecond',
  'p50Millis',
  'p99Millis',
  'peakBytes',
  'special',
]
