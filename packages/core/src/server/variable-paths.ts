// Paths of files as variables have them, for comparing: bytes, whatever their encoding, a character for each.
import { realpathSync } from 'node:fs'

const realPaths = new Map<string, string>()
/** Paths come from the web server's configuration, a handful; a peer that makes names up gets no more than this kept. */
const MAX_REAL_PATHS = 256

/** A path as it stands in a variable: a character for each byte. */
export function asVariable(path: string): string {
  return Buffer.from(path).toString('latin1')
}

/** The real path of a file, both as in variables; looked up once for each. The same path when there is none. */
export function realPath(path: string): string {
  let real = realPaths.get(path)
  if (real === undefined) {
    try {
      real = realpathSync(Buffer.from(path, 'latin1'), 'latin1')
    } catch {
      real = path
    }
    if (realPaths.size < MAX_REAL_PATHS) realPaths.set(path, real)
  }
  return real
}
