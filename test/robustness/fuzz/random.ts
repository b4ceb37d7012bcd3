/** Numbers that are the same for the same seed, on every machine. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
    // Neighbouring seeds must not begin alike.
    for (let n = 0; n < 4; n++) this.next()
  }

  /** From 0 up to 1, without 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** True so often of a hundred times. */
  percent(times: number): boolean {
    return this.next() * 100 < times
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** Any bytes. */
  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; at++) bytes[at] = this.below(256)
    return bytes
  }

  /** Small most of the time, now and then large, and often next to a boundary. */
  size(most: number): number {
    const edge = this.pick([0, 1, 7, 8, 127, 128, 129, 255, 256, 8191, 65_528, 65_535, 65_536])
    if (this.percent(25)) return Math.min(edge, most)
    return Math.floor(most ** this.next())
  }
}
