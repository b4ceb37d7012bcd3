// Where `serve` writes what an administrator must know: descriptor 2, which under a web server is usually its error log,
// or a file. Nothing that goes wrong here ends the process: a full disk or a closed pipe costs lines.
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { inspect } from 'node:util'
import { isNullDevice } from './descriptor.ts'

/** How bad something is. */
export type LogLevel = 'error' | 'warning' | 'info'

/** A place for lines. */
export interface Log {
  /**
   * Writes a message; line breaks in it make several lines, other control characters are escaped.
   *
   * @param level told where somebody understands it: to journald. Default: a warning where the message says so, else info
   */
  write(message: string, level?: LogLevel): void
  /** Opens the file anew, for log rotation. Does nothing elsewhere. */
  reopen(): void
}

/** What the option `log` takes: the path of a file, or a function that gets single lines without their end. */
export type LogTarget = string | ((line: string) => void)

const prefix = 'fastcgi: '

let hasOwnPlace = false

/** Makes the log for the option `log`; without one it writes to descriptor 2. */
export function createLog(target: LogTarget | undefined): Log {
  hasOwnPlace ||= target !== undefined
  if (typeof target === 'function') return new FunctionLog(target)
  return target === undefined ? new StderrLog() : new FileLog(target)
}

/** Whether what is written to the log goes nowhere: under lighttpd, where no option `log` is set. */
export function isLogLost(): boolean {
  return !hasOwnPlace && isNullDevice(2)
}

/** Characters of an error in the log: a message may hold all that the client sent. */
const LONGEST_ERROR = 64 * 1024

/** An error as text: its stack with its causes, or whatever was thrown. Never throws, whatever that is. */
export function describeError(error: unknown): string {
  let text: string
  try {
    text = inspect(error)
    if (!(error instanceof Error)) text = `a value that is no Error was thrown: ${text}`
  } catch {
    // A getter of its own that throws, a revoked proxy.
    text = 'a value was thrown that cannot be shown'
  }
  const more = text.length - LONGEST_ERROR
  return more > 0 ? `${text.slice(0, LONGEST_ERROR)} ... and ${more} characters more` : text
}

/**
 * Cuts text into lines that can stand in a log. What a client sent can neither drive a terminal nor forge a message:
 * control characters become `\xNN`, and all lines but the first are indented. Empty lines go.
 */
export function logLines(text: string): string[] {
  const lines: string[] = []
  for (const line of text.split(/\r?\n/)) {
    const safe = line.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]/g, escape).trimEnd()
    if (safe !== '') lines.push(lines.length === 0 ? safe : `  ${safe}`)
  }
  return lines
}

function escape(character: string): string {
  const code = character.charCodeAt(0)
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
}

class FunctionLog implements Log {
  readonly #take: (line: string) => void

  constructor(take: (line: string) => void) {
    this.#take = take
  }

  write(message: string): void {
    try {
      for (const line of logLines(message)) this.#take(line)
    } catch (error) {
      // Whoever writes a log is about to answer a request, or to end the process in good order.
      new StderrLog().write(`the function of option log has thrown: ${describeError(error)}`)
    }
  }

  reopen(): void {}
}

let stderrGuarded = false

/** As syslog(3) numbers them and sd-daemon(3) writes them. */
const journalMarks: Readonly<Record<LogLevel, string>> = {
  error: '<3>',
  warning: '<4>',
  info: '<6>',
}

/** Whether descriptor 2 leads to systemd's journal, which takes `<N>` in front of a line for its level. */
function isJournal(): boolean {
  const stream = process.env.JOURNAL_STREAM
  if (stream === undefined) return false
  try {
    const { dev, ino } = fstatSync(2, { bigint: true })
    return stream === `${dev}:${ino}`
  } catch {
    return false
  }
}

class StderrLog implements Log {
  readonly #isJournal = isJournal()

  constructor() {
    if (stderrGuarded) return
    stderrGuarded = true
    // The reader of the pipe may go away; without a listener the next line would end the process.
    process.stderr.on('error', () => {})
  }

  write(
    message: string,
    level: LogLevel = message.startsWith('warning: ') ? 'warning' : 'info',
  ): void {
    const start = this.#isJournal ? `${journalMarks[level]}${prefix}` : prefix
    for (const line of logLines(message)) process.stderr.write(`${start}${line}\n`)
  }

  reopen(): void {}
}

class FileLog implements Log {
  readonly #path: string
  readonly #fallback = new StderrLog()
  #fd: number | undefined
  #lost = 0

  constructor(path: string) {
    this.#path = path
    this.#open()
  }

  write(message: string, level?: LogLevel): void {
    const time = new Date().toISOString()
    const text = logLines(message)
      .map((line) => `${time} [${process.pid}] ${line}\n`)
      .join('')
    if (text === '') return
    if (this.#fd === undefined) this.#open()
    if (this.#fd === undefined) {
      this.#fallback.write(message, level)
      return
    }
    try {
      // In one call and by appending: lines of several processes stay whole.
      writeSync(
        this.#fd,
        this.#lost === 0
          ? text
          : `${text}${time} [${process.pid}] ${this.#lost} messages before this one were lost\n`,
      )
      this.#lost = 0
    } catch (error) {
      this.#lost += 1
      if (this.#lost === 1) {
        this.#fallback.write(
          `the log ${this.#path} cannot be written: ${(error as Error).message}`,
          'error',
        )
      }
    }
  }

  reopen(): void {
    const old = this.#fd
    this.#fd = undefined
    this.#open()
    if (old === undefined) return
    // Without a new file the old one, though renamed, is better than none.
    if (this.#fd === undefined) this.#fd = old
    else closeSync(old)
  }

  #open(): void {
    try {
      this.#fd = openSync(this.#path, 'a', 0o640)
    } catch (error) {
      this.#fallback.write(`the log ${this.#path} cannot be opened: ${(error as Error).message}`)
    }
  }
}
