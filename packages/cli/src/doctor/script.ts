/** Checks of a `.fcgi` file before it is run: what keeps a web server from starting it. */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { manifestOf } from '../entry.ts'
import { describeMode, findObstacle, type User } from './access.ts'
import { failed, type Finding, ok, unknown, warning } from './finding.ts'

/** What a web server passes on when nothing says otherwise. */
export const serverPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const oldestNode = [20, 19] as const
/** Linux cuts a first line here (127 before 5.1); the rest is lost in silence. */
const maxShebang = 127

/** What the checks found out besides. */
export interface ScriptFacts {
  readonly findings: Finding[]
  /** The Node.js that the web server would run; undefined when it would find none. */
  node: string | undefined
  /** Node.js cannot load the file, whatever is in the app. */
  unloadable: boolean
}

/** @param env PATH of the web server */
export function checkScript(
  file: string,
  real: string,
  user: User | undefined,
  searchPath: string,
): ScriptFacts {
  const text = readFileSync(file, 'latin1')
  const facts: ScriptFacts = { findings: [], node: undefined, unloadable: false }
  const { findings } = facts
  findings.push(checkRunBit(file))
  findings.push(checkShebang(file, text))
  facts.node = checkNode(file, text, searchPath, findings)
  facts.unloadable = checkModuleForm(file, real, text, findings)
  checkPackages(real, text, findings)
  if (user === undefined) {
    findings.push(
      unknown('access', 'no user of a web server found here', 'name it: --user www-data'),
    )
  } else findings.push(checkAccess(file, real, user))
  return facts
}

function checkRunBit(file: string): Finding {
  const stat = statSync(file)
  if ((stat.mode & 0o111) === 0) {
    const fix = `chmod 755 ${file}`
    return failed(
      'run-bit',
      `the file is not executable (${describeMode(stat)}): the web server cannot start it`,
      fix,
    )
  }
  if ((stat.mode & 0o022) !== 0) {
    const fix = `chmod 755 ${file}`
    return warning(
      'run-bit',
      `others may write to the file (${describeMode(stat)}): suEXEC refuses to run it`,
      fix,
    )
  }
  return ok('run-bit', `executable (${describeMode(stat)})`)
}

function checkShebang(file: string, text: string): Finding {
  const first = text.split('\n', 1)[0]!
  const fixCrLf = `sed -i 's/\\r$//' ${file}\nand upload it as it is (in FTP: binary), or set your editor to LF`
  if (text.startsWith('\xef\xbb\xbf')) {
    return failed(
      'shebang',
      'the file begins with a byte order mark, so its first line is not seen',
      `sed -i '1s/^\\xef\\xbb\\xbf//' ${file}`,
    )
  }
  if (!first.startsWith('#!')) {
    return failed(
      'shebang',
      'the first line does not say what runs the file',
      `put this line first: #!/usr/bin/env node`,
    )
  }
  if (first.endsWith('\r')) {
    return failed(
      'line-ends',
      'lines end in CR LF (Windows): the system looks for a program named "node\\r"',
      fixCrLf,
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

function checkNode(
  file: string,
  text: string,
  searchPath: string,
  findings: Finding[],
): string | undefined {
  const first = text.split('\n', 1)[0]!.trimEnd()
  if (!first.startsWith('#!')) return undefined
  const words = first.slice(2).trim().split(/\s+/)
  const viaEnv = path.basename(words[0] ?? '') === 'env'
  const program = viaEnv
    ? words.slice(1).find((word) => !word.startsWith('-') && !word.includes('='))
    : words[0]
  const here = `or write the path of this Node.js into the first line: #!${process.execPath}`
  if (program === undefined || program === '') {
    findings.push(failed('node', 'the first line names no program', here.replace('or ', '')))
    return undefined
  }
  const node = program.includes('/') ? program : findProgram(program, searchPath)
  if (node === undefined || !isProgram(node)) {
    const where = program.includes('/')
      ? `${program} is not there`
      : `no ${program} in the web server's PATH (${searchPath})`
    const fix = program.includes('/')
      ? `write the right path into the first line of ${file}: #!${process.execPath}`
      : `write its path into the first line of ${file}: #!${process.execPath}\nor make it known: ln -s ${process.execPath} /usr/local/bin/node`
    findings.push(failed('node', `${where}: the web server cannot start the file`, fix))
    return undefined
  }
  let version: string
  try {
    version = execFileSync(node, ['--version'], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch (error) {
    findings.push(
      failed('node', `${node} does not run: ${(error as Error).message.split('\n')[0]}`, here),
    )
    return undefined
  }
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const tooOld = major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])
  if (Number.isNaN(major) || tooOld) {
    findings.push(
      failed(
        'node',
        `the web server finds ${node}, and that is ${version}; needed is ${oldestNode.join('.')} or later`,
        `install a newer Node.js, ${here}`,
      ),
    )
    return undefined
  }
  findings.push(ok('node', `${node} is ${version}`))
  return node
}

/** A program by its name, as the shell finds it. */
export function findProgram(name: string, searchPath: string): string | undefined {
  return searchPath
    .split(':')
    .filter(Boolean)
    .map((folder) => path.join(folder, name))
    .find(isProgram)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** Node takes a `.fcgi` for CommonJS, and refuses one where package.json says that modules are the rule. */
function checkModuleForm(file: string, real: string, text: string, findings: Finding[]): boolean {
  if (path.extname(real) !== '.fcgi') {
    findings.push(ok('module-form', `a link to ${path.basename(real)}`))
    return false
  }
  const found = manifestOf(path.dirname(real))
  if (found?.manifest.type === 'module') {
    const name = path.basename(file)
    findings.push(
      failed(
        'module-form',
        `${path.join(found.folder, 'package.json')} says "type": "module", and Node.js refuses a .fcgi there`,
        `give the file a folder of its own whose package.json says { "type": "commonjs" }, with import('../app.js') in it\nor make ${name} a link: mv ${name} ${name.replace(/\.fcgi$/, '-fcgi')}.mjs && ln -s ${name.replace(/\.fcgi$/, '-fcgi')}.mjs ${name}, with import in the place of require`,
      ),
    )
    return true
  }
  if (
    /^\s*import\s+(?:[\w*{'"]|\{)/m.test(text) ||
    /^\s*export\s+(?:default|const|function|\{)/m.test(text)
  ) {
    findings.push(
      failed(
        'module-form',
        'the file has import or export statements, which Node.js refuses in a .fcgi',
        `const { serve } = require('@fastcgi/core'), and import() for the app: serve(() => import('./app.js'))`,
      ),
    )
    return true
  }
  findings.push(ok('module-form', 'CommonJS, as a .fcgi must be'))
  return false
}

function checkPackages(real: string, text: string, findings: Finding[]): void {
  const names = [
    ...text.matchAll(
      /(?:require\(|from\s+|import\s+|import\()\s*['"]((?:@[\w.-]+\/)?[a-z][\w.-]*)(?:\/[^'"]*)?['"]/g,
    ),
  ]
    .map((match) => match[1]!)
    .filter((name) => !name.startsWith('node:'))
  const missing = [...new Set(names)].filter((name) => !isInstalled(name, real))
  if (missing.length > 0) {
    const folder = manifestOf(path.dirname(real))?.folder ?? path.dirname(real)
    findings.push(
      failed(
        'packages',
        `not installed: ${missing.join(', ')}`,
        `cd ${folder} && npm install ${missing.join(' ')}`,
      ),
    )
  } else if (names.length > 0)
    findings.push(ok('packages', `found: ${[...new Set(names)].join(', ')}`))
}

/** Whether a package can be found from a file; what it exports does not matter. */
export function isInstalled(name: string, from: string): boolean {
  const require = createRequire(from)
  const isThere = (folder: string): boolean =>
    statSync(path.join(folder, name), { throwIfNoEntry: false }) !== undefined
  return require.resolve.paths(name) === null || (require.resolve.paths(name) ?? []).some(isThere)
}

function checkAccess(file: string, real: string, user: User): Finding {
  const folder = manifestOf(path.dirname(real))?.folder
  // A file that nobody may run has been reported as that.
  const bits = (statSync(file).mode & 0o111) === 0 ? 4 : 5
  const needed: [string, number][] = [
    [file, bits],
    [real, bits],
  ]
  if (folder !== undefined) {
    needed.push([path.join(folder, 'package.json'), 4])
    const modules = path.join(folder, 'node_modules')
    if (statSync(modules, { throwIfNoEntry: false }) !== undefined) needed.push([modules, 5])
  }
  for (const [target, bits] of needed) {
    const obstacle = findObstacle(user, target, bits)
    if (obstacle === undefined) continue
    const fix = obstacle.isTarget
      ? `chmod ${obstacle.stat.isDirectory() ? 'a+rx' : bits === 4 ? 'a+r' : 'a+rx'} ${obstacle.path}`
      : `chmod a+x ${obstacle.path}`
    return failed(
      'access',
      `${user.name}, the web server's user, cannot ${obstacle.isTarget ? 'read' : 'pass'} ${obstacle.path} (${describeMode(obstacle.stat)})`,
      `${fix}\n(on a host that runs scripts as their owner, name that user: --user ${ownerOf(file)})`,
    )
  }
  return ok('access', `${user.name}, the web server's user, reaches and reads it`)
}

function ownerOf(file: string): string {
  return describeMode(statSync(file)).split(' ')[1]!.split(':')[0]!
}
