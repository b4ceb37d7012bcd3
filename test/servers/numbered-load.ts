/**
 * Clients on one way to the app, whose every request has a number, which the answer must repeat. The app notes each number
 * it is given, so it shows what was answered, what was not, and what was done twice.
 */
import http from 'node:http'

/** What became of the requests of one way. */
export interface Tally {
  /** Answered once and rightly. */
  well: number
  /** Unanswered, or answered 502 to 504, while a worker was killed: what it had in hand. */
  killed: number
  /** The same while none was killed, on a kept connection: the window that FastCGI leaves. GET and POST apart. */
  windowGet: number
  windowPost: number
  /** Answered rightly by a second run of the app: the web server has sent the request again. */
  repeated: number
  /** Everything else. */
  readonly wrong: string[]
}

/** A kill and its consequences: milliseconds. */
const aftermath = 3000

/** One request, and what became of it. */
export interface Asked {
  readonly number: string
  readonly method: 'GET' | 'POST'
  readonly begun: number
  ended: number
  fault: string | undefined
}

/** Clients on one way. */
export class Load {
  readonly versions: Set<string> = new Set()
  readonly #port: number
  readonly #kept: boolean
  readonly #way: number
  readonly #asked: Asked[] = []
  readonly #waiting: { at: number; resolve: () => void }[] = []
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
  #done = 0
  #stopped = false

  constructor(port: number, kept: boolean, way: number) {
    this.#port = port
    this.#kept = kept
    this.#way = way
  }

  async run(width: number): Promise<void> {
    await Promise.all(Array.from({ length: width }, () => this.#client()))
    this.#agent.destroy()
  }

  stop(): void {
    this.#stopped = true
  }

  /** All that was asked so far. */
  get asked(): readonly Asked[] {
    return this.#asked
  }

  /** Resolves once so many more have been answered, or failed. */
  more(requests: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ at: this.#done + requests, resolve }))
  }

  async #client(): Promise<void> {
    while (!this.#stopped) {
      const method = this.#asked.length % 4 === 3 ? 'POST' : 'GET'
      const number = `${this.#way}-${this.#asked.length}`
      const asked: Asked = { number, method, begun: performance.now(), ended: 0, fault: undefined }
      this.#asked.push(asked)
      const body = method === 'POST' ? `body-of-${number}` : ''
      try {
        const { status, text } = await this.#ask(method, number, body)
        const [repeated, echoed, name = ''] = text.split(' ')
        if (status !== 200) asked.fault = `status ${status}`
        else if (repeated !== number || echoed !== body) asked.fault = `wrong: ${text.slice(0, 80)}`
        else this.versions.add(name)
      } catch (error) {
        asked.fault = `unanswered: ${(error as Error).message}`
      }
      asked.ended = performance.now()
      this.#done += 1
      for (const { at, resolve } of this.#waiting) if (this.#done >= at) resolve()
    }
  }

  #ask(method: string, number: string, body: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const options = { port: this.#port, host: '127.0.0.1', agent: this.#agent }
      const request = http.request(
        { ...options, method, path: `/${number}`, headers: { 'Content-Length': body.length } },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (part: string) => (text += part))
          response.once('error', reject)
          response.once('end', () => resolve({ status: response.statusCode ?? 0, text }))
        },
      )
      request.once('error', reject)
      request.end(body)
    })
  }

  judge(noted: readonly string[], kills: readonly number[]): Tally {
    const runs = new Map<string, number>()
    for (const number of noted) runs.set(number, (runs.get(number) ?? 0) + 1)
    const tally = { well: 0, killed: 0, windowGet: 0, windowPost: 0, repeated: 0, wrong: [] }
    for (const asked of this.#asked)
      judgeOne(asked, runs.get(asked.number) ?? 0, tally, kills, this.#kept)
    return tally
  }
}

function judgeOne(
  { number, method, begun, ended, fault }: Asked,
  runs: number,
  tally: Tally,
  kills: readonly number[],
  kept: boolean,
): void {
  const atKill = kills.some((at) => ended >= at && begun <= at + aftermath)
  const lost = fault !== undefined && /^(unanswered|status 50[234])/.test(fault)
  if (fault === undefined && runs === 1) tally.well += 1
  else if (fault === undefined && runs > 1 && method === 'GET' && (atKill || kept)) {
    tally.repeated += 1
  } else if (lost && atKill) tally.killed += 1
  else if (lost && kept && method === 'GET') tally.windowGet += 1
  else if (lost && kept) tally.windowPost += 1
  else tally.wrong.push(`${method} ${number}: ${fault ?? 'answered'}, run ${runs} times`)
}
