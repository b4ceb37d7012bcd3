/** `fastcgi doctor`: what is wrong with a deployment, and how to mend it. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Target } from '@fastcgi/core/client'
import { Command } from 'commander'
import { describeMode, findUser, ownObstacle, type User, webServerUser } from '../doctor/access.ts'
import { failed, showReports, type TargetReport } from '../doctor/finding.ts'
import { checkScript, serverPath } from '../doctor/script.ts'
import { checkSite } from '../doctor/site.ts'
import { checkSocket, socketPatience } from '../doctor/socket.ts'
import { tryApp } from '../doctor/trial.ts'
import { ExitCode, Failure } from '../exit.ts'
import { theScriptHere } from '../script-here.ts'
import { parseTarget } from '../target.ts'

const examples = `
Examples:
  fastcgi doctor app.fcgi                          before it is deployed: can a web server start it?
  fastcgi doctor /run/app.sock                     does somebody answer, and may the web server ask?
  fastcgi doctor https://example.com/              what the site answers
  fastcgi doctor https://example.com/app/ app.fcgi the same, and how requests reach the app:
                                                   paths, headers, limits, buffering, processes
  fastcgi doctor app.fcgi --user nobody            may this user run it? As root: runs it as this user
  fastcgi doctor app.fcgi --json                   for programs

With a URL and the script the app itself is asked: for as long as the doctor runs, a secret lies
in the file .fastcgi-doctor beside the script, and the app answers who knows it.
Exit code 1: a check has failed. Warnings do not count.`

interface Given {
  user?: string
  path: string
  page: string
  wait?: string
  insecure?: boolean
  json?: boolean
}

/** The command. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('find out what is wrong, and how to mend it')
    .argument(
      '[TARGET...]',
      'a .fcgi or the app’s file, a socket (/run/app.sock, host:port), a URL; several at once',
    )
    .option('--user <NAME>', 'the web server’s user; default: www-data, apache, nginx … as found')
    .option('--path <PATH>', 'PATH of the web server', serverPath)
    .option('--page <PATH>', 'the page to ask for', '/')
    .option('--wait <SECONDS>', 'how long an app may take to start, and to answer', '60')
    .option('--insecure', 'accept any certificate')
    .option('--json', 'the report as JSON')
    .addHelpText('after', examples)
    .action(async (targets: string[], given: Given) => {
      const reports = await examine(
        targets.length > 0 ? targets : [theScriptHere('name a file, a socket or a URL')],
        given,
      )
      process.stdout.write(
        given.json === true ? `${JSON.stringify({ reports }, null, 2)}\n` : showReports(reports),
      )
      const bad = reports.some(({ findings }) =>
        findings.some(({ verdict }) => verdict === 'failed'),
      )
      process.exitCode = bad ? ExitCode.Failed : ExitCode.Ok
    })
}

/** Runs the checks of each target. */
export async function examine(targets: readonly string[], given: Given): Promise<TargetReport[]> {
  const user = given.user === undefined ? webServerUser() : findUser(given.user)
  if (given.user !== undefined && user === undefined) {
    throw new Failure(ExitCode.NoInput, `there is no user ${given.user}`)
  }
  const files = targets.filter((target) => kindOf(target) === 'file')
  const reports: TargetReport[] = []
  for (const target of targets) {
    const kind = kindOf(target)
    if (kind === 'file')
      reports.push({ target, kind, findings: await examineFile(target, user, given) })
    else if (kind === 'socket') {
      reports.push({
        target,
        kind,
        findings: await checkSocket(
          addressOf(target),
          user,
          given.page,
          Math.min(socketPatience, readWait(given.wait)),
        ),
      })
    } else {
      const url = readUrl(target)
      const script = files[0] === undefined ? undefined : realpathSync(files[0])
      const findings = await checkSite({ url, script, insecure: given.insecure === true })
      reports.push({ target, kind, findings })
    }
  }
  return reports
}

function kindOf(target: string): TargetReport['kind'] {
  if (/^https?:\/\//i.test(target)) return 'url'
  // By its name, whether it is there or not: what lies where a socket should be is a finding.
  if (/\.(?:fcgi|[cm]?[jt]s)$/.test(target)) return 'file'
  if (/\.sock(?:et)?$/.test(target)) return 'socket'
  return isFile(target) ? 'file' : 'socket'
}

function isFile(target: string): boolean {
  try {
    return statSync(target, { throwIfNoEntry: false })?.isFile() === true
  } catch {
    return false
  }
}

function addressOf(text: string): Target {
  try {
    return parseTarget(text)
  } catch {
    throw new Failure(
      ExitCode.NoInput,
      `${text}: there is no such file, and it is no address: app.fcgi, /run/app.sock, @name, host:port or https://…`,
    )
  }
}

function readUrl(text: string): URL {
  try {
    return new URL(text)
  } catch {
    throw new Failure(ExitCode.Usage, `${text} is no URL`)
  }
}

async function examineFile(
  target: string,
  user: User | undefined,
  given: Given,
): Promise<TargetReport['findings']> {
  const file = path.resolve(target)
  const closed = ownObstacle(file)
  if (closed !== undefined) {
    return [failed('access', closed, 'run the doctor as root, or as the owner of the app')]
  }
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new Failure(ExitCode.NoInput, `${target}: there is no such file`)
  }
  const real = realpathSync(file)
  try {
    accessSync(file, constants.R_OK)
  } catch {
    const what = `you may not read ${file} (${describeMode(statSync(file))})`
    return [failed('access', what, 'run the doctor as root, or as the owner of the app')]
  }
  const patience = readWait(given.wait)
  const trial = { node: undefined, searchPath: given.path, page: given.page, patience }
  if (!file.endsWith('.fcgi')) return tryApp({ ...trial, file: real })
  const facts = checkScript(file, real, user, given.path)
  if (facts.unloadable) {
    return [
      ...facts.findings,
      { check: 'load', verdict: 'unknown', what: 'not tried: Node.js refuses the file as it is' },
    ]
  }
  const found = await tryApp({
    ...trial,
    file,
    node: facts.node,
    options: facts.options,
    startable: facts.startable,
    // As the web server's user, where we may: what it cannot read shows, and no file of the app becomes root's.
    user: facts.startable && process.getuid?.() === 0 && user?.uid !== 0 ? user : undefined,
  })
  return [...facts.findings, ...found]
}

function readWait(text: string | undefined): number {
  const seconds = Number(text ?? 60)
  if (!(seconds > 0))
    throw new Failure(ExitCode.Usage, `--wait is a number of seconds, not ${text}`)
  return seconds * 1000
}
