// Where lines of access and slow logs go: a file, descriptor 2, or a function. What is written is gathered for a
// moment, so that a line costs no system call; whole lines are appended in one, so those of several processes stay whole.
import { closeSync, openSync, writeSync } from 'node:fs'

/** `'stderr'`, the path of a file, or a function that gets single lines without their end. */
export type LineTarget = string | ((line: string) => void)

/** A place for lines. */
export interface Lines {
  write(line: string): void
  /** Opens the file anew, for log rotation. */
  reopen(): void
}

/** Milliseconds a line may wait. */
const patience = 200
/** Characters from which on they are written at once. */
const enough = 16 * 1024

/**
 * Opens a place for lines.
 *
 * @param failed told once when lines cannot be written, with the reason
 */
export function openLines(target: LineTarget, failed: (message: string) => void): Lines {
  if (typeof target === 'function') return { write: target, reopen: () => {} }
  return new Gathered(target === 'stderr' ? undefined : target, failed)
}

class Gathered implements Lines {
  readonly #path: string | undefined
  readonly #failed: (message: string) => void
  #fd: number | undefined
  #text = ''
  #timer: NodeJS.Timeout | undefined
  #broken = false

  constructor(path: string | undefined, failed: (message: string) => void) {
    this.#path = path
    this.#failed = failed
    this.#open()
    process.once('exit', () => this.#flush())
  }

  write(line: string): void {
    this.#text += `${line}\n`
    if (this.#text.length >= enough) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), patience).unref()
  }

  reopen(): void {
    if (this.#path === undefined) return
    this.#flush()
    const old = this.#fd
    this.#open()
    if (old !== undefined && this.#fd !== old) closeSync(old)
  }

  #open(): void {
    try {
      this.#fd = this.#path === undefined ? 2 : openSync(this.#path, 'a', 0o640)
    } catch (error) {
      // The old file, though renamed, is better than none.
      this.#report(error as Error)
    }
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = this.#text
    this.#text = ''
    if (text === '' || this.#fd === undefined) return
    try {
      writeSync(this.#fd, text)
      this.#broken = false
    } catch (error) {
      this.#report(error as Error)
    }
  }

  #report(error: Error): void {
    if (this.#broken) return
    this.#broken = true
    this.#failed(`lines for ${this.#path ?? 'descriptor 2'} are lost: ${error.message}`)
  }
}
