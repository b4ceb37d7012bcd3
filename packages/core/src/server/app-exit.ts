// An app that calls process.exit() ends its process without a word, and all that a web server says is "End of script
// output before headers". Who called stands in the stack of the event.
import { fileURLToPath } from 'node:url'
import type { Log } from './log.ts'

/** Frames that are told: the call may stand in a package that checks settings. */
const frames = 6
/** The folder of this package's code, as stacks write it: of ES modules as a URL. */
const folder = new URL('.', import.meta.url)
const ours = [folder.href, fileURLToPath(folder)]

let watched = false

/**
 * Says in the log, once a process, that the app ended it, and from where: while it loads, and later where the exit code is
 * not 0.
 *
 * @param isLoading whether the app is still being loaded
 */
export function watchAppExit(log: Log, isLoading: () => boolean): void {
  if (watched) return
  watched = true
  process.once('exit', (code) => {
    if (code === 0 && !isLoading()) return
    const callers = callersOfExit()
    if (callers === undefined) return
    const when = isLoading() ? 'while it was loading' : 'itself'
    log.write(
      `the app has ended the process ${when}, by process.exit(${code}):\n${callers.join('\n')}\nFCGI_APP_EXIT`,
      'error',
    )
  })
}

/** The frames behind process.exit(); undefined where nobody called it, or this package did. */
function callersOfExit(): string[] | undefined {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 30
  const stack = String(new Error('process.exit').stack).split('\n')
  Error.stackTraceLimit = stackTraceLimit
  const at = stack.findIndex((line) => /\bexit \(node:internal\/process\//.test(line))
  const callers = at === -1 ? [] : stack.slice(at + 1)
  const [caller] = callers
  if (caller === undefined || ours.some((start) => caller.includes(start))) return undefined
  return callers.filter((line) => !/[( ]node:/.test(line)).slice(0, frames)
}
