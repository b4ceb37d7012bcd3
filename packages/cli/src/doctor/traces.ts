/** What a stack and the disk tell about a failure. */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'

/** The first place in a stack that is neither Node's nor a package's. */
export function placeIn(output: string): string | undefined {
  const places = output.matchAll(/\bat (?:[^\n]*[ (])?((?:file:\/\/)?\/[^\s()]+:\d+):\d+/g)
  for (const [, place] of places) {
    if (!place!.includes('/node_modules/') && !place!.includes('/packages/core/')) {
      return place!.replace(/^file:\/\//, '')
    }
  }
  return undefined
}

/** The file that asked for a module that was not found, as Node.js tells for `require`. */
export function requiredBy(output: string): string | undefined {
  return /Require stack:\n(?:fastcgi:)?\s*- ([^\n]+)/.exec(output)?.[1]
}

/** Whether a package is installed where a file looks for it. */
export function isThere(name: string, from: string | undefined): boolean {
  if (from === undefined) return false
  for (let folder = path.dirname(from); ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'node_modules', name))) return true
    if (folder === path.dirname(folder)) return false
  }
}

/** What is there by a name that differs in capital letters, or in its ending only. */
export function nearMiss(wanted: string): string | undefined {
  let at = path.parse(wanted).root
  if (at === '') return undefined
  const parts = wanted.slice(at.length).split(path.sep)
  for (const [i, part] of parts.entries()) {
    let names: string[]
    try {
      names = readdirSync(at)
    } catch {
      return undefined
    }
    const same = (name: string): boolean => name.toLowerCase() === part.toLowerCase()
    const stem = (name: string): boolean =>
      i === parts.length - 1 &&
      path.parse(name).name.toLowerCase() === path.parse(part).name.toLowerCase()
    const found = names.includes(part) ? part : (names.find(same) ?? names.find(stem))
    if (found === undefined) return undefined
    at = path.join(at, found)
  }
  return at === wanted ? undefined : at
}
