/** One line a request, safe to show in a terminal. */

/** What a line tells. */
export interface LogEntry {
  readonly method: string
  readonly target: string
  /** Undefined: the client went away before there was one. */
  readonly status: number | undefined
  /** Bytes of the body that were sent. */
  readonly bytes: number
  /** Milliseconds. */
  readonly duration: number
  /** What went wrong, if anything did. */
  readonly note: string | undefined
}

/** `GET /path 200 512 B 3 ms`, with a note at its end where something went wrong. */
export function logLine(entry: LogEntry): string {
  const { method, target, status, bytes, duration, note } = entry
  const end = note === undefined ? '' : ` ${escapeControls(note)}`
  const time = duration < 10 ? duration.toFixed(1) : String(Math.round(duration))
  return `${method} ${escapeControls(target)} ${status ?? '-'} ${bytes} B ${time} ms${end}`
}

/** Control characters and what is no ASCII as `\xHH`: neither a line nor a terminal can be forged. */
export function escapeControls(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (character) => {
    const code = character.charCodeAt(0)
    return code < 256
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
