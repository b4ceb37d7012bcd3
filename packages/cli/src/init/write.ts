/** Shows what will be written, and writes it; never over a file that says something else, unless told to. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import type { Output } from './script.ts'

/** What is there already. */
export type Standing = 'new' | 'same' | 'differs'

/** Compares what would be written with what is there. */
export function standing(output: Output): Standing {
  const stat = lstatSync(output.path, { throwIfNoEntry: false })
  if (stat === undefined) return 'new'
  if (output.link !== undefined) {
    return stat.isSymbolicLink() && readlinkSync(output.path) === output.link ? 'same' : 'differs'
  }
  if (!statSync(output.path, { throwIfNoEntry: false })?.isFile()) return 'differs'
  return readFileSync(output.path, 'utf8') === output.text ? 'same' : 'differs'
}

/** A file as it will be, with its name; long ones whole, because they are to be read. */
export function showOutput(output: Output, from: string): string {
  const name = path.relative(from, output.path) || output.path
  if (output.link !== undefined) return `--- ${name} -> ${output.link}\n`
  const state = { new: '', same: ' (unchanged)', differs: ' (differs from what is there)' }[
    standing(output)
  ]
  return `--- ${name}${output.executable === true ? ' (executable)' : ''}${state}\n${output.text}`
}

/** Writes a file, with the folders above it. */
export function writeOutput(output: Output): void {
  mkdirSync(path.dirname(output.path), { recursive: true })
  if (output.link !== undefined) {
    if (existsSync(output.path) || lstatSync(output.path, { throwIfNoEntry: false }))
      rmSync(output.path)
    symlinkSync(output.link, output.path)
    return
  }
  writeFileSync(output.path, output.text)
  if (output.executable === true) chmodSync(output.path, 0o755)
}
