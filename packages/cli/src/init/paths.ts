/** Paths in configurations: each server has its own way to write one that has blanks or quotes in it. */
import { ExitCode, Failure } from '../exit.ts'
import type { RecipeName, Site } from './recipes.ts'

/** Stand for paths while a configuration is made, so that nothing in a path ends the word in which it stands. */
const marks = { root: '\uE001', script: '\uE002', socket: '\uE003', folder: '\uE004' } as const
type Marked = keyof typeof marks

/** What stands in a configuration as it is, in each of them. Letters beyond ASCII do. */
const plain = /^[^\s"'`\\$%#;{}()&|<>*?!^[\]]*$/

const escaped = (text: string, characters: RegExp): string => text.replaceAll(characters, '\\$&')

/** A word that is not plain, as a server reads it; for systemd that of ExecStart. */
const quoted: Readonly<Record<RecipeName, (word: string) => string>> = {
  htaccess: (word) => `"${escaped(word, /["\\]/g)}"`,
  apache: (word) => `"${escaped(word, /["\\]/g)}"`,
  nginx: (word) => `"${escaped(word, /["\\]/g)}"`,
  lighttpd: (word) => `"${escaped(word, /["\\]/g)}"`,
  caddy: (word) => `"${escaped(word, /["\\]/g)}"`,
  haproxy: (word) => `"${escaped(word, /["\\$]/g)}"`,
  h2o: (word) => JSON.stringify(word),
  systemd: (word) => `"${escaped(word, /["\\]/g).replaceAll('%', '%%').replaceAll('$', '$$$$')}"`,
}

/** What no way of writing carries: a line break ends the line, and some look for variables behind a dollar. */
const impossible: Readonly<Partial<Record<RecipeName, RegExp>>> = {
  nginx: /[$\n]/,
  apache: /\$\{|\n/,
}

/** Of a program to be started: mod_fcgid and lighttpd take blanks for the ends of words, systemd has no quotes in its name. */
const impossibleProgram: Readonly<Partial<Record<RecipeName, RegExp>>> = {
  apache: /[\s"'\\]/,
  lighttpd: /\s/,
  systemd: /["'\\]/,
}

/** A site with marks in the place of its paths, and its script's folder. */
export function markPaths(site: Site): Site & { readonly folder: string } {
  return { ...site, ...marks }
}

/** Puts the paths where their marks stand. @throws Failure for a path that the server cannot be told */
export function writePaths(
  text: string,
  server: RecipeName,
  paths: Readonly<Record<Marked, string>>,
): string {
  for (const [name, path] of Object.entries(paths)) {
    const program = name === 'script' && text.includes(marks.script)
    if (
      (impossible[server] ?? /\n/).test(path) ||
      (program && impossibleProgram[server]?.test(path) === true)
    ) {
      const message = `${server} cannot be told of ${JSON.stringify(path)}: give the folder a plainer name, without blanks and quotes`
      throw new Failure(ExitCode.Usage, message)
    }
  }
  const names = Object.keys(marks) as Marked[]
  const fill = (word: string): string =>
    names.reduce((so, name) => so.replaceAll(marks[name], paths[name]), word)
  const write = (word: string, open: string): string => {
    const path = fill(word)
    if (plain.test(path)) return path
    if (open !== '') return quoted[server](path).slice(1, -1)
    // systemd takes a folder or a socket as it is, blanks and all; only a command is made of words.
    if (server === 'systemd') {
      const [, key = '', value = ''] = /^(\w+=)?(.*)$/s.exec(path)!
      return key === 'ExecStart=' ? key + quoted.systemd(value) : path.replaceAll('%', '%%')
    }
    return quoted[server](path)
  }
  return text.replaceAll(
    /(["']?)([^\s;"'<>]*[\uE001-\uE004][^\s;"'<>]*)/g,
    (_all, open: string, word: string) => open + write(word, open),
  )
}
