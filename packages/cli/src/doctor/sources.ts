/**
 * The files of an app, as far as they can be told from its source: what a script imports by a relative path, and what
 * that imports. Enough to see whether the web server's user may read them, without running anything.
 */
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'

/** More than an app has; a bound, not a limit that somebody meets. */
const maxFiles = 1000
const endings = ['', '.js', '.json', '.node', '.mjs', '.cjs', '.ts']
const inFolder = ['index.js', 'index.json', 'index.mjs', 'index.cjs', 'index.ts']
const specifier =
  /(?:\brequire\s*\(|\bfrom|\bimport\s*\(|\bimport)\s*['"`](\.{1,2}\/[^'"`\n]+)['"`]/g

/** @param script real path of the script @returns real and linked paths alike, the script not among them */
export function sourcesOf(script: string): string[] {
  const found = new Set<string>()
  const queue = [script]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    for (const target of importsOf(file)) {
      if (target === script || found.has(target) || found.size >= maxFiles) continue
      found.add(target)
      if (!/\.(?:json|node)$/.test(target)) queue.push(target)
    }
  }
  return [...found]
}

function importsOf(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return [...text.matchAll(specifier)]
    .map((match) => resolve(path.resolve(path.dirname(file), match[1]!)))
    .filter((target) => target !== undefined)
}

/** As `require` would; an `import` that leaves the ending out fails by itself. */
function resolve(target: string): string | undefined {
  const names = [
    ...endings.map((ending) => target + ending),
    ...inFolder.map((name) => path.join(target, name)),
  ]
  return names.find((name) => {
    try {
      return statSync(name).isFile()
    } catch {
      // Closed to us, or a file where a folder should be.
      return false
    }
  })
}
