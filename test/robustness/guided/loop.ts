/**
 * A fuzzer guided by the coverage that V8 itself counts, for machines on which no native one loads: what reaches a block
 * of code that nothing has reached before, or reaches it so much more often, is kept and changed further.
 */
import { Session, type Profiler } from 'node:inspector'
import { Random } from '../fuzz/random.ts'
import type { Target } from './targets.ts'

/** How a run went. */
export interface Run {
  /** Inputs that were tried. */
  inputs: number
  /** Inputs that reached something new. */
  kept: number
  /** Blocks of code reached, each counted once for each magnitude of how often. */
  reached: number
  /** The input at which the target threw, and what. */
  finding?: { readonly input: Buffer; readonly error: unknown }
}

/** Inputs for which coverage is asked for at once: to ask costs as much as some twenty inputs. */
const BATCH = 64
const LONGEST = 4096
const interesting = [0, 1, 2, 3, 4, 5, 8, 9, 10, 13, 32, 37, 46, 47, 58, 61, 63, 127, 128, 254, 255]

/** Coverage of one file since it was last asked for. */
class Coverage {
  readonly #session = new Session()
  readonly #file: string

  constructor(file: string) {
    this.#file = file
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** What was reached, as keys. */
  take(): string[] {
    const keys: string[] = []
    // Answered before post() returns.
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      for (const script of result) if (script.url.endsWith(this.#file)) collect(script, keys)
    })
    return keys
  }

  close(): void {
    this.#session.disconnect()
  }
}

function collect(script: Profiler.ScriptCoverage, keys: string[]): void {
  for (const { ranges } of script.functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      if (count > 0)
        keys.push(`${startOffset}-${endOffset}-${Math.min(8, Math.ceil(Math.log2(count + 1)))}`)
    }
  }
}

/**
 * Runs a target on changed seeds until the time is over or it throws.
 *
 * @param file name of the file whose coverage counts: the one the target was loaded from
 */
export function guide(
  target: Target,
  seeds: readonly Buffer[],
  file: string,
  seconds: number,
  seed: number,
): Run {
  const random = new Random(seed)
  const coverage = new Coverage(file)
  const reached = new Set<string>()
  const corpus: Buffer[] = []
  const run: Run = { inputs: 0, kept: 0, reached: 0 }
  const tried = (input: Buffer): boolean => {
    run.inputs++
    try {
      target(Buffer.from(input))
      return true
    } catch (error) {
      run.finding = { input, error }
      return false
    }
  }
  const isNew = (known: Set<string>): boolean => {
    const before = known.size
    for (const key of coverage.take()) known.add(key)
    return known.size > before
  }
  const end = performance.now() + seconds * 1000
  // How often a batch reaches a block says nothing of a single input: kept apart.
  const reachedByBatches = new Set<string>()
  let batch = [...seeds, Buffer.alloc(0)]
  try {
    while (performance.now() < end) {
      for (const input of batch) if (!tried(input)) return run
      if (isNew(reachedByBatches)) {
        for (const input of batch) {
          if (!tried(input)) return run
          if (isNew(reached)) corpus.push(input)
        }
        run.kept = corpus.length
        run.reached = reached.size
      }
      batch = Array.from({ length: BATCH }, () => change(random, corpus))
    }
    return run
  } finally {
    coverage.close()
  }
}

function change(random: Random, corpus: readonly Buffer[]): Buffer {
  let bytes: Buffer = corpus.length === 0 ? Buffer.alloc(0) : Buffer.from(random.pick(corpus))
  for (let n = 1 + random.below(6); n > 0; n--) bytes = changeOnce(random, bytes, corpus)
  return bytes.subarray(0, LONGEST)
}

function changeOnce(random: Random, bytes: Buffer, corpus: readonly Buffer[]): Buffer {
  const at = random.below(bytes.length + 1)
  const length = random.size(64)
  switch (bytes.length === 0 ? 4 : random.below(8)) {
    case 0:
      bytes[at % bytes.length]! ^= 1 << random.below(8)
      return bytes
    case 1:
      bytes[at % bytes.length] = random.pick(interesting)
      return bytes
    case 2:
      bytes[at % bytes.length] = random.below(256)
      return bytes
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
    case 4:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(length), bytes.subarray(at)])
    case 5: {
      const from = random.below(bytes.length)
      return Buffer.concat([
        bytes.subarray(0, at),
        bytes.subarray(from, from + length),
        bytes.subarray(at),
      ])
    }
    case 6: {
      const other = random.pick(corpus)
      const from = random.below(other.length + 1)
      return Buffer.concat([
        bytes.subarray(0, at),
        other.subarray(from, from + length),
        bytes.subarray(at + length),
      ])
    }
    default: {
      const other = random.pick(corpus)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))])
    }
  }
}
