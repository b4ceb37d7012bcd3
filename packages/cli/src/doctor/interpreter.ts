/** Checks of the first line of a `.fcgi`: what the system makes of it, and which Node.js it leads to. */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { describeMode, findObstacle, type User } from './access.ts'
import { failed, type Finding, ok } from './finding.ts'

const oldestNode = [20, 19] as const
/** Linux cuts a first line here (127 before 5.1); the rest is lost in silence. */
const maxShebang = 127

/** What the first line leads to. */
export interface Interpreter {
  readonly findings: readonly Finding[]
  /** The Node.js that the web server would run, when it would find one that is new enough. */
  readonly node: string | undefined
  /** Options for it that stand in the line. */
  readonly options: readonly string[]
}

/** @param user who is to run it; undefined: not looked at */
export function checkInterpreter(
  file: string,
  text: string,
  searchPath: string,
  user: User | undefined,
): Interpreter {
  const first = text.split(/[\r\n]/, 1)[0]!
  const shape = checkShape(file, text, first)
  if (!first.startsWith('#!')) return { findings: [shape], node: undefined, options: [] }
  const words = readWords(file, first)
  if ('check' in words) {
    const findings = shape.verdict === 'ok' ? [words] : [shape, words]
    return { findings, node: undefined, options: [] }
  }
  const [program, ...options] = words
  const { node, finding } = findNode(file, program!, searchPath, user)
  return { findings: [shape, finding], node, options: node === undefined ? [] : options }
}

/** Line ends and what stands at the very beginning. */
function checkShape(file: string, text: string, first: string): Finding {
  const upload = 'and upload it as it is (in FTP: binary), or set your editor to LF'
  if (text.startsWith('\xef\xbb\xbf')) {
    return failed(
      'shebang',
      'the file begins with a byte order mark, so its first line is not seen',
      `sed -i '1s/^\\xef\\xbb\\xbf//' ${quote(file)}`,
    )
  }
  if (!first.startsWith('#!')) {
    const at = text.split(/\r\n|\r|\n/).findIndex((line) => line.trimStart().startsWith('#!/'))
    return at === -1
      ? failed(
          'shebang',
          'the first line does not say what runs the file',
          'put this line first: #!/usr/bin/env node',
        )
      : failed(
          'shebang',
          `#! stands in line ${at + 1}, and counts only as the first two characters of the file`,
          `remove what stands before it: blanks, empty lines`,
        )
  }
  if (!text.includes('\n') && text.includes('\r')) {
    return failed(
      'line-ends',
      'lines end in CR (old Macintosh): the system takes the whole file for its first line',
      `tr '\\r' '\\n' < ${quote(file)} > unix && cat unix > ${quote(file)} && rm unix\n${upload}`,
    )
  }
  if (text[first.length] === '\r') {
    return failed(
      'line-ends',
      'lines end in CR LF (Windows): the system looks for a program named "node\\r"',
      `sed -i 's/\\r$//' ${quote(file)}\n${upload}`,
    )
  }
  if (first.length > maxShebang) {
    return failed(
      'shebang',
      `the first line has ${first.length} characters; Linux may cut it at ${maxShebang}`,
      'link node to a shorter path, or name it by FcgidWrapper',
    )
  }
  return ok('shebang', first)
}

/**
 * The program and its arguments, as the system takes the line: all behind the program is one single argument, blanks
 * included, and the program is not searched for.
 */
function readWords(file: string, first: string): string[] | Finding {
  const here = process.execPath
  const [, program = '', rest = ''] = /^#!\s*(\S*)\s*(.*?)\s*$/.exec(first) ?? []
  if (program === '') {
    return failed('node', 'the first line names no program', `make it #!${here}`)
  }
  if (!program.startsWith('/')) {
    return failed(
      'node',
      `the first line names ${program} without a path: the system does not search for it, and the web server cannot start the file`,
      `make the first line of ${file} #!/usr/bin/env ${program}, or #!${here}`,
    )
  }
  if (path.basename(program) !== 'env') {
    if (!/\s/.test(rest)) return rest === '' ? [program] : [program, rest]
    return failed(
      'node',
      `the system hands ${JSON.stringify(rest)} to ${program} as one single argument`,
      `make the first line of ${file} #!/usr/bin/env -S ${program} ${rest}`,
    )
  }
  const split = /^(?:-S|--split-string[=\s])\s*(.*)$/.exec(rest)
  if (split === null) {
    if (rest === '') {
      return failed('node', 'the first line names no program', `make it #!/usr/bin/env node`)
    }
    if (!/\s/.test(rest)) return [rest]
    return failed(
      'node',
      `env looks for a program named ${JSON.stringify(rest)}, since the system hands it all that as one argument`,
      `make the first line of ${file} #!/usr/bin/env -S ${rest}`,
    )
  }
  const words = split[1]!.split(/\s+/).filter(Boolean)
  const at = words.findIndex((word) => !word.startsWith('-') && !word.includes('='))
  return at === -1
    ? failed('node', 'the first line names no program', `make it #!/usr/bin/env node`)
    : words.slice(at)
}

/** The Node.js that a program's name leads to, or what is wrong with it. */
function findNode(
  file: string,
  program: string,
  searchPath: string,
  user: User | undefined,
): { node?: string; finding: Finding } {
  const wrong = (what: string, fix: string): { finding: Finding } => ({
    finding: failed('node', what, fix),
  })
  const here = process.execPath
  const write = `write ${program.includes('/') ? 'the right' : 'its'} path into the first line of ${file}: #!${here}`
  const node = program.includes('/') ? program : findProgram(program, searchPath)
  if (node === undefined) {
    return wrong(
      `no ${program} in the web server's PATH (${searchPath}): the web server cannot start the file`,
      `${write}\nor make it known: ln -s ${here} /usr/local/bin/node`,
    )
  }
  const stat = statSync(node, { throwIfNoEntry: false })
  if (stat?.isFile() !== true || !isProgram(node)) {
    const why =
      stat === undefined
        ? 'is not there'
        : stat.isDirectory()
          ? 'is a folder, not a program'
          : `may not be executed (${describeMode(stat)})`
    return wrong(`${node} ${why}: the web server cannot start the file`, write)
  }
  const obstacle =
    user === undefined
      ? undefined
      : [node, realpathSync(node)].map((at) => findObstacle(user, at, 1)).find(Boolean)
  if (obstacle !== undefined) {
    return wrong(
      `${user!.name}, the web server's user, cannot ${obstacle.isTarget ? 'run' : 'pass'} ${obstacle.path} (${describeMode(obstacle.stat)}), where ${node} is: the web server cannot start the file`,
      `install a Node.js that every user can run (/usr/bin, /usr/local/bin, /opt) and name it in the first line of ${file}\nor: chmod a+x ${quote(obstacle.path)}\n(on a host that runs scripts as their owner, name that user: --user ${ownerOf(file)})`,
    )
  }
  const version = versionOf(node)
  if (!/^v\d+\.\d+/.test(version)) {
    return wrong(
      `${node} is no Node.js${version === '' ? '' : `; it says ${JSON.stringify(version)}`}`,
      `write the path of Node.js into the first line of ${file}: #!${here}`,
    )
  }
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number)
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    return wrong(
      `the web server finds ${node}, and that is ${version}; needed is ${oldestNode.join('.')} or later`,
      `install a newer Node.js, or write the path of this Node.js into the first line: #!${here}`,
    )
  }
  return { node, finding: ok('node', `${node} is ${version}`) }
}

/** The first line that a program says of its version; empty when it says none. */
function versionOf(program: string): string {
  try {
    const text = execFileSync(program, ['--version'], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return text.trim().split('\n', 1)[0]!
  } catch {
    return ''
  }
}

/** A program by its name, as the shell finds it. */
export function findProgram(name: string, searchPath: string): string | undefined {
  return searchPath
    .split(':')
    .filter(Boolean)
    .map((folder) => path.join(folder, name))
    .find(isProgram)
}

/** Whether a Node.js is of a version or later; if not said, of the first that the packages run on. */
export function isNewEnough(
  node: string,
  [wanted, least]: readonly [major: number, minor: number] = oldestNode,
): boolean {
  const [major = 0, minor = 0] = versionOf(node).replace(/^v/, '').split('.').map(Number)
  return major > wanted || (major === wanted && minor >= least)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** The name of a file's owner. */
export function ownerOf(file: string): string {
  return describeMode(statSync(file)).split(' ')[1]!.split(':')[0]!
}

/** A path, as it can stand in a shell's line. */
export function quote(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
