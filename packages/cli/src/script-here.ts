/** The script that is meant where none is named. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { ExitCode, Failure } from './exit.ts'

/**
 * The one `.fcgi` here, or in the folders where it usually is.
 *
 * @param instead what to do where there is none
 * @throws Failure when there is none, or more than one
 */
export function theScriptHere(instead = 'name it'): string {
  const found = ['.', 'fcgi', 'public', 'public_html', 'htdocs'].flatMap((folder) => {
    try {
      return readdirSync(folder)
        .filter((name) => name.endsWith('.fcgi'))
        .map((name) => path.join(folder, name))
    } catch {
      return []
    }
  })
  if (found.length === 1) return found[0]!
  throw new Failure(
    found.length === 0 ? ExitCode.NoInput : ExitCode.Usage,
    found.length === 0 ? `There is no .fcgi here: ${instead}.` : `Which one? ${found.join(', ')}`,
  )
}
