/** The secret by which the doctor may ask the app: a file beside the script, there while the doctor runs. */
import { randomBytes } from 'node:crypto'
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** A secret that lies beside the script. */
export class Secret {
  readonly #file: string
  readonly #text: string = randomBytes(32).toString('hex')

  /** @param script real path of the script; throws when its folder cannot be written */
  constructor(script: string) {
    this.#file = path.join(path.dirname(script), '.fastcgi-doctor')
    this.seal()
  }

  /** Writes the file anew. Others may read it: the app runs as another user, and it opens nothing but these questions. */
  seal(): void {
    writeFileSync(this.#file, `${this.#text}\n`, { mode: 0o644 })
  }

  /** Tells an app that streams an answer that its beginning has been seen. */
  release(): void {
    appendFileSync(this.#file, 'seen\n')
  }

  /** The header that asks. */
  question(words: string): Record<string, string> {
    return { 'X-FastCGI-Doctor': `${this.#text} ${words}` }
  }

  remove(): void {
    rmSync(this.#file, { force: true })
  }
}

/** What the app tells of a request that reached it. */
export interface Arrival {
  readonly url: string
  readonly originalUrl?: string
  readonly mount: string
  readonly remoteUser?: string
  readonly authorization?: string
  readonly encrypted: boolean
  readonly params: Readonly<Record<string, string>>
  readonly pid: number
  readonly node: string
  readonly nodeEnv?: string
  readonly memorySessions: boolean
  /** What the app says about itself goes to the null device. */
  readonly logLost?: boolean
  /** Why a process that was to pass requests on (option `shared`) serves by itself. */
  readonly notShared?: string
}

/** Reads an answer; undefined for what is none. */
export function readArrival(text: string): Arrival | undefined {
  try {
    const value = JSON.parse(text) as Arrival
    return typeof value === 'object' &&
      typeof value.pid === 'number' &&
      typeof value.params === 'object'
      ? value
      : undefined
  } catch {
    return undefined
  }
}
