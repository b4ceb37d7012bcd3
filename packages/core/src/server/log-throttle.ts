// A peer that breaks a limit can do so thousands of times a second, and each time is a line in the log: a full disk is
// an attack as well.

/** Lines of one code in a second; what goes beyond is counted, and the number said with the next line. */
const LINES_PER_SECOND = 10
/** Codes are ours, some thirty; a caller that makes them up gets no more memory than this. */
const MAX_CODES = 100

interface Recent {
  since: number
  lines: number
  withheld: number
}

/** Holds back lines that come too fast, by code. */
export class LogThrottle {
  readonly #recent = new Map<string, Recent>()

  /**
   * The line to write, or undefined when there have been enough of its kind in this second.
   *
   * @param now monotonic milliseconds
   */
  admit(code: string, message: string, now: number): string | undefined {
    let recent = this.#recent.get(code)
    if (recent === undefined) {
      if (this.#recent.size >= MAX_CODES) this.#recent.clear()
      recent = { since: now, lines: 0, withheld: 0 }
      this.#recent.set(code, recent)
    } else if (now - recent.since >= 1000) {
      recent.since = now
      recent.lines = 0
    }
    if (recent.lines >= LINES_PER_SECOND) {
      recent.withheld++
      return undefined
    }
    recent.lines++
    const { withheld } = recent
    recent.withheld = 0
    return withheld === 0 ? message : `${message} (and ${withheld} more like it before this one)`
  }
}
