// The file the process was started with.
import { realpathSync } from 'node:fs'

/** Real path of the entry script, or undefined when there is none (`node -e`, a REPL) or it is gone. */
export function entryScript(): string | undefined {
  const script = process.argv[1]
  if (script === undefined) return undefined
  try {
    return realpathSync(script)
  } catch {
    return undefined
  }
}
