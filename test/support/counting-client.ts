/**
 * Asks without pause and counts: each request has a number of its own, which the answer must repeat. For tests that
 * replace or kill processes meanwhile.
 */
export interface Count {
  readonly sent: number
  readonly answered: number
  /** What went wrong, a line each. */
  readonly faults: readonly string[]
  /** Every answer's text. */
  readonly texts: ReadonlySet<string>
}

export interface Load {
  /** Resolves once so many more requests have been answered, or failed. */
  more(requests: number): Promise<void>
  /** Ends the load; resolves when every request has its answer. */
  stop(): Promise<Count>
}

/**
 * @param ask sends request number `number` and gives what came: its answer repeats the number, a blank, and a text
 * @param width requests at once
 */
export function startLoad(ask: (number: number) => Promise<string>, width = 8): Load {
  const faults: string[] = []
  const texts = new Set<string>()
  const waiting: { at: number; resolve: () => void }[] = []
  let sent = 0
  let answered = 0
  let done = 0
  let stopped = false

  async function lane(): Promise<void> {
    while (!stopped) {
      sent += 1
      const number = sent
      try {
        const answer = await ask(number)
        const [repeated, text = ''] = answer.split(' ')
        if (repeated === String(number)) answered += 1
        else faults.push(`${number}: ${answer}`)
        texts.add(text)
      } catch (error) {
        faults.push(`${number}: ${String(error)}`)
      }
      done += 1
      for (const { at, resolve } of waiting) if (done >= at) resolve()
    }
  }

  const lanes = Array.from({ length: width }, lane)
  return {
    more: (requests) =>
      new Promise((resolve) => {
        waiting.push({ at: done + requests, resolve })
      }),
    async stop() {
      stopped = true
      await Promise.all(lanes)
      return { sent, answered, faults, texts }
    },
  }
}
