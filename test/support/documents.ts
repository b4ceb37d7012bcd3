/** The documentation that users read, and what stands in its code blocks. */
import fs from 'node:fs'
import path from 'node:path'

export const root: string = path.resolve(import.meta.dirname, '../..')

/** Files below a folder of the repository, as their paths in it. */
export function filesBelow(folder: string, wanted: RegExp): string[] {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => !/(?:^|\/)(?:node_modules|dist)\//.test(file))
    .toSorted()
}

/** The text of a file of the repository. */
export function read(file: string): string {
  return fs.readFileSync(path.join(root, file), 'utf8')
}

export const documents: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  // docs/api is made from the sources: test/api.
  ...filesBelow('docs', /\.md$/).filter((file) => !file.startsWith('docs/api/')),
  ...['core', 'express', 'koa', 'fastify', 'cli'].flatMap((name) =>
    filesBelow(`packages/${name}`, /^README\.md$/),
  ),
]

export interface Block {
  readonly file: string
  /** Where it begins. */
  readonly line: number
  /** What stands behind the three backticks. */
  readonly language: string
  readonly text: string
}

function blocksOf(file: string): Block[] {
  const text = read(file)
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((match) => ({
    file,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1]!,
    text: match[2]!,
  }))
}

export const blocks: readonly Block[] = documents.flatMap(blocksOf)
