/** Checks of a `.fcgi` file before it is run: what keeps a web server from starting it. */
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { manifestOf } from '../entry.ts'
import { describeMode, findObstacle, type User } from './access.ts'
import { failed, type Finding, ok, unknown, warning } from './finding.ts'
import { checkInterpreter, ownerOf, quote } from './interpreter.ts'
import { checkModuleForm } from './module-form.ts'
import { sourcesOf } from './sources.ts'

/** What a web server passes on when nothing says otherwise. */
export const serverPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** What the checks found out besides. */
export interface ScriptFacts {
  readonly findings: Finding[]
  /** The Node.js that the web server would run; undefined when it would find none. */
  node: string | undefined
  /** Options of Node.js in the first line. */
  options: readonly string[]
  /** The system can start the file, and the web server's user reaches all that is known to be needed. */
  startable: boolean
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
  const interpreter = checkInterpreter(file, text, searchPath, user)
  const findings = [checkRunBit(file), ...checkPath(file), ...interpreter.findings]
  const facts: ScriptFacts = {
    findings,
    node: interpreter.node,
    options: interpreter.options,
    startable: false,
    unloadable: false,
  }
  const form = checkModuleForm(file, real, text)
  findings.push(form)
  facts.unloadable = form.verdict === 'failed'
  if (!facts.unloadable) checkPackages(real, text, findings)
  if (user === undefined) {
    findings.push(
      unknown('access', 'no user of a web server found here', 'name it: --user www-data'),
    )
  } else findings.push(checkAccess(file, real, user))
  facts.startable = !findings.some(({ verdict }) => verdict === 'failed')
  return facts
}

/** mod_fcgid and lighttpd make words of the path. */
function checkPath(file: string): Finding[] {
  if (!/\s/.test(file)) return []
  return [
    warning(
      'path',
      `the path has blanks (${file}): Apache's mod_fcgid and lighttpd take them for the ends of words, and cannot start the file`,
      'give the folder a name without blanks (a socket of its own, behind nginx and others, does not mind)',
    ),
  ]
}

function checkRunBit(file: string): Finding {
  const stat = statSync(file)
  if ((stat.mode & 0o111) === 0) {
    const fix = `chmod 755 ${quote(file)}`
    return failed(
      'run-bit',
      `the file is not executable (${describeMode(stat)}): the web server cannot start it`,
      fix,
    )
  }
  if ((stat.mode & 0o022) !== 0) {
    const fix = `chmod 755 ${quote(file)}`
    return warning(
      'run-bit',
      `others may write to the file (${describeMode(stat)}): suEXEC refuses to run it`,
      fix,
    )
  }
  return ok('run-bit', `executable (${describeMode(stat)})`)
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
  // A file that nobody may run has been reported as that.
  const bits = (statSync(file).mode & 0o111) === 0 ? 4 : 5
  const needed: [string, number][] = [
    [file, bits],
    [real, bits],
  ]
  const folder = nearestManifest(path.dirname(real))
  if (folder !== undefined) {
    needed.push([path.join(folder, 'package.json'), 4])
    const modules = path.join(folder, 'node_modules')
    if (statSync(modules, { throwIfNoEntry: false }) !== undefined) needed.push([modules, 5])
  }
  for (const source of sourcesOf(real)) needed.push([source, 4])
  for (const [target, bits] of needed) {
    const obstacle = findObstacle(user, target, bits)
    if (obstacle === undefined) continue
    const what = obstacle.isTarget
      ? bits === 5 && !obstacle.stat.isDirectory()
        ? 'read and run'
        : 'read'
      : 'pass'
    const mode = !obstacle.isTarget
      ? 'a+x'
      : obstacle.stat.isDirectory()
        ? 'a+rx'
        : bits === 4
          ? 'a+r'
          : 'a+rx'
    return failed(
      'access',
      `${user.name}, the web server's user, cannot ${what} ${obstacle.path} (${describeMode(obstacle.stat)})`,
      `chmod ${mode} ${quote(obstacle.path)}\n(on a host that runs scripts as their owner, name that user: --user ${ownerOf(file)})`,
    )
  }
  return ok('access', `${user.name}, the web server's user, reaches and reads it`)
}

/** The folder of the package.json that governs another, whatever is in it. */
function nearestManifest(folder: string): string | undefined {
  for (let at = folder; ; at = path.dirname(at)) {
    if (statSync(path.join(at, 'package.json'), { throwIfNoEntry: false }) !== undefined) return at
    if (at === path.dirname(at)) return undefined
  }
}
