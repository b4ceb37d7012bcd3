// Where lines of access and slow logs go: a file, descriptor 2, the web server, or a function. What is written is gathered
// for a moment, so that a line costs no system call; whole lines are appended in one, so those of several processes stay
// whole.
import { closeSync, openSync, writeSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'

/**
 * `'stderr'`, `'web-server'` (its error log, by FCGI_STDERR), the path of a file, or a function that gets single lines
 * without their end.
 */
export type LineTarget = string | ((line: string) => void)

/** A place for lines. */
export interface Lines {
  /** @param request whose line it is */
  write(line: string, request: IncomingMessage): void
  /** It has to be written while the request's response has not ended. */
  readonly early?: boolean
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
  if (typeof target === 'function') return { write: (line) => target(line), reopen: () => {} }
  if (target === 'web-server') return new ToWebServer(new Gathered(undefined, failed))
  return new Gathered(target === 'stderr' ? undefined : target, failed)
}

/** Through the request's own connection. Never to HAProxy, whose 2.6 crashes on it. */
class ToWebServer implements Lines {
  readonly early = true
  readonly #otherwise: Gathered

  constructor(otherwise: Gathered) {
    this.#otherwise = otherwise
  }

  write(line: string, { fastcgi }: IncomingMessage): void {
    if (/^haproxy/i.test(fastcgi.params.SERVER_SOFTWARE ?? '')) this.#otherwise.write(line)
    else fastcgi.stderr.write(`${line}\n`)
  }

  reopen(): void {}
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
