/** `fastcgi doctor`: what is wrong with a deployment, and how to mend it. */
import { realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import { findUser, type User, webServerUser } from '../doctor/access.ts'
import { showReports, type TargetReport } from '../doctor/finding.ts'
import { checkScript, serverPath } from '../doctor/script.ts'
import { checkSite } from '../doctor/site.ts'
import { checkSocket } from '../doctor/socket.ts'
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
  fastcgi doctor app.fcgi --user nobody            may this user run it?
  fastcgi doctor app.fcgi --json                   for programs

With a URL and the script the app itself is asked: for as long as the doctor runs, a secret lies
in the file .fastcgi-doctor beside the script, and the app answers who knows it.
Exit code 1: a check has failed. Warnings do not count.`

interface Given {
  user?: string
  path: string
  page: string
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
        findings: await checkSocket(parseTarget(target), user, given.page),
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
  if (statSync(target, { throwIfNoEntry: false })?.isFile() === true) return 'file'
  // What is not there is a file by its name, or a socket that is missing.
  return /\.(?:fcgi|[cm]?[jt]s)$/.test(target) ? 'file' : 'socket'
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
  if (statSync(file, { throwIfNoEntry: false }) === undefined) {
    throw new Failure(ExitCode.NoInput, `${target}: there is no such file`)
  }
  const real = realpathSync(file)
  const trial = { node: undefined, searchPath: given.path, page: given.page }
  if (!file.endsWith('.fcgi')) return tryApp({ ...trial, file: real })
  const facts = checkScript(file, real, user, given.path)
  if (facts.unloadable) {
    return [
      ...facts.findings,
      { check: 'load', verdict: 'unknown', what: 'not tried: Node.js refuses the file as it is' },
    ]
  }
  return [...facts.findings, ...(await tryApp({ ...trial, file, node: facts.node }))]
}
