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

/** Pages of the examples. */
export const pages: readonly string[] = filesBelow('examples', /^README\.md$/)

/** Everything that tells somebody to do something. */
export const everything: readonly string[] = [
  ...documents,
  ...pages,
  'SECURITY.md',
  'packages/bench/README.md',
  'test/suites/README.md',
  '.changeset/README.md',
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

/** The same of everything. */
export const allBlocks: readonly Block[] = everything.flatMap(blocksOf)

export interface Command {
  readonly file: string
  readonly line: number
  /** Without what stands behind it as a comment. */
  readonly text: string
  /** In a sentence or a table. */
  readonly inline: boolean
}

/** What a piece of code in a sentence begins with when it is a command and no name or setting. */
const programs =
  /^(?:[A-Z_]+=\S+ )?(?:fastcgi|npx|npm|node|pnpm|git|tsc|curl|sudo|runuser|sh|cd|cp|mv|rm|ln|mkdir|chmod|chown|touch|install|echo|kill|useradd|ulimit|getent|socat|spawn-fcgi|multiwatch|caddy|nginx|haproxy|h2o|lighttpd|lighttpd-enable-mod|a2\w+|apt-get|apt|systemctl|journalctl|systemd-[\w-]+|app\.fcgi) \S|^[A-Z_]+=\S+ \S/

/** Fenced blocks, those that are indented (CONTRIBUTING.md), and what stands in sentences. */
function commandsOf(file: string): Command[] {
  const withoutComment = (line: string): string => line.replace(/\s+#\s.*$/, '').trim()
  const fenced = blocksOf(file)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ line, text }) =>
      text.split('\n').map((each, i) => ({ line: line + 1 + i, text: withoutComment(each) })),
    )
  const rest = read(file).replaceAll(/^```.*?^```$/gms, (block) => block.replaceAll(/[^\n]/g, ''))
  const indented = rest
    .split('\n')
    .map((each, i) => ({ line: i + 1, raw: each, text: withoutComment(each) }))
    .filter(({ raw, text }) => /^ {4}\S/.test(raw) && programs.test(text))
  const inline = [...rest.matchAll(/`([^`]+)`/g)]
    .map((match) => ({
      line: rest.slice(0, match.index).split('\n').length,
      text: match[1]!.replaceAll(/\s+/g, ' '),
    }))
    .filter(({ text }) => programs.test(text))
  return [
    ...[...fenced, ...indented]
      .filter(({ text }) => text !== '')
      .map(({ line, text }) => ({ file, line, text, inline: false })),
    ...inline.map((each) => ({ file, ...each, inline: true })),
  ]
}

/** Every command that somebody is told to type. */
export const commands: readonly Command[] = everything.flatMap(commandsOf)
