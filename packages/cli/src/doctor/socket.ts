/** Checks of a socket that an application should listen on, from the web server's side. */
import { statSync, type Stats } from 'node:fs'
import path from 'node:path'
import { type ClientError, getValues, request, type Target } from '@fastcgi/core/client'
import { describeMode, findObstacle, groupName, ownObstacle, type User } from './access.ts'
import { failed, type Finding, ok, unknown, warning } from './finding.ts'
import { quote } from './interpreter.ts'

/** Longer than an app in order takes for an answer, in milliseconds. */
export const socketPatience = 15_000
/** A first byte later than this is felt, in milliseconds. */
const slow = 2_000

/**
 * @param page path to ask for
 * @param patience for each question, in milliseconds
 */
export async function checkSocket(
  target: Target,
  user: User | undefined,
  page: string,
  patience: number,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const file = target.socketPath
  if (file !== undefined && !file.startsWith('\0')) {
    const closed = ownObstacle(file)
    if (closed !== undefined) {
      const fix = `run the doctor as root, or as the owner of the app\n(if the web server's user cannot pass it either, that is what is wrong: chmod a+x that folder)`
      return [failed('socket-access', closed, fix)]
    }
    const stat = statSync(file, { throwIfNoEntry: false })
    const problem = checkFile(file, stat)
    if (problem !== undefined) return [problem]
    findings.push(ok('socket', `${file} is a socket (${describeMode(stat!)})`))
    findings.push(checkAccess(file, stat!, user))
  }
  findings.push(...(await checkAnswers(target, page, patience)))
  return findings
}

function checkFile(file: string, stat: Stats | undefined): Finding | undefined {
  const folder = path.dirname(file)
  if (stat === undefined && statSync(folder, { throwIfNoEntry: false }) === undefined) {
    return failed(
      'socket',
      `${file} does not exist, nor does the folder ${folder}: the app does not run, or listens elsewhere`,
      `mkdir -p ${quote(folder)}, for the app's user to write in, then node app.fcgi --listen ${quote(file)}\n(under systemd RuntimeDirectory= makes it; /run is empty after a reboot)`,
    )
  }
  if (stat === undefined) {
    return failed(
      'socket',
      `${file} does not exist: the app does not run, or listens elsewhere`,
      `start it: node app.fcgi --listen ${file}\n(under systemd: systemctl status, and RuntimeDirectory= for the folder; /run is empty after a reboot)`,
    )
  }
  if (!stat.isSocket()) {
    const kind = stat.isDirectory() ? 'a folder' : 'a plain file'
    return failed(
      'socket',
      `${file} is ${kind} and no socket: nobody can listen there`,
      `name the socket, or: ${stat.isDirectory() ? 'rmdir' : 'rm'} ${quote(file)}, and start the app, which leaves alone what is no socket`,
    )
  }
  return undefined
}

function checkAccess(file: string, stat: Stats, user: User | undefined): Finding {
  if (user === undefined)
    return unknown(
      'socket-access',
      'no user of a web server found here',
      'name it: --user www-data',
    )
  const obstacle = findObstacle(user, file, 6)
  if (obstacle === undefined) {
    return (stat.mode & 0o002) === 0
      ? ok('socket-access', `${user.name}, the web server's user, may connect`)
      : warning(
          'socket-access',
          `every user of this machine may connect (${describeMode(stat)}) and claim to be the web server`,
          `--mode 660 --group ${user.name}, or SocketMode=0660`,
        )
  }
  if (!obstacle.isTarget) {
    return failed(
      'socket-access',
      `${user.name}, the web server's user, cannot pass ${obstacle.path} (${describeMode(obstacle.stat)}): Permission denied (13) in its log`,
      `chmod a+x ${obstacle.path}`,
    )
  }
  return failed(
    'socket-access',
    `${user.name}, the web server's user, may not write to the socket (${describeMode(stat)}): Permission denied (13) in its log`,
    [
      `start the app with --mode 660 --group ${user.name} (under systemd SocketGroup=${user.name})`,
      ...(user.groups.has(stat.gid) ? [`until it is started again: chmod 660 ${quote(file)}`] : []),
      // The group root is nobody's to be in.
      ...(stat.gid === 0 || user.groups.has(stat.gid)
        ? []
        : [
            `or put ${user.name} into the group ${groupName(stat.gid)}: usermod -aG ${groupName(stat.gid)} ${user.name}, and restart the web server`,
          ]),
    ].join('\n'),
  )
}

async function checkAnswers(target: Target, page: string, patience: number): Promise<Finding[]> {
  const findings: Finding[] = []
  let silent = false
  try {
    await getValues({ ...target, timeout: patience })
    findings.push(ok('protocol', 'a FastCGI application answers'))
  } catch (error) {
    // Some peers answer requests and nothing else.
    if ((error as ClientError).code !== 'FCGI_TIMEOUT') {
      return [connectFinding(error, target.socketPath)]
    }
    silent = true
  }
  const started = performance.now()
  try {
    const response = await request({
      ...target,
      path: page,
      headers: { Host: 'localhost' },
      timeout: patience,
    })
    const took = Math.round(performance.now() - started)
    await response.discard()
    findings.push(
      response.status < 500
        ? ok('answer', `GET ${page} gives ${response.status}`)
        : failed(
            'answer',
            `GET ${page} gives ${response.status}`,
            "the reason is in the app's error log; by hand: fastcgi doctor app.fcgi",
            response.stderr || undefined,
          ),
      took < slow
        ? ok('first-byte', `after ${took} ms`)
        : warning(
            'first-byte',
            `after ${took} ms`,
            'is the app still loading, or waiting for a database?',
          ),
    )
  } catch (error) {
    const { code, message } = error as ClientError
    if (silent && code === 'FCGI_TIMEOUT') return [silence(target, page)]
    findings.push(failed('answer', `GET ${page}: ${message} [${code}]`, adviceFor(code)))
  }
  return findings
}

/** Whoever listens has answered neither the question for its limits nor a request. */
function silence(target: Target, page: string): Finding {
  const { socketPath } = target
  const who = socketPath?.startsWith('/')
    ? `ss -xlp | grep ${quote(path.basename(socketPath))}`
    : `ss -tlp 'sport = :${String(target.port)}'`
  return failed(
    'protocol',
    `somebody listens there, and says nothing: not to FCGI_GET_VALUES, and not to GET ${page}. The app hangs, or another program has the address`,
    `who is it? As root: ${who}\nThe app: start it again, and fastcgi doctor app.fcgi; another program: take another address for --listen`,
  )
}

function connectFinding(error: unknown, file: string | undefined): Finding {
  const { code, message, cause } = error as ClientError & { cause?: { code?: string } }
  if (cause?.code === 'ECONNREFUSED' && file !== undefined) {
    return failed(
      'stale-socket',
      `nobody listens on ${file}: the app has ended and left its socket behind (502 or 503 at the web server)`,
      `start the app again: it replaces the file by itself (node app.fcgi --listen ${file})\nand find out in its log why it ended: fastcgi doctor app.fcgi`,
    )
  }
  if (cause?.code === 'ECONNREFUSED') {
    return failed(
      'protocol',
      `nobody listens there: ${message}`,
      'start the app, with --listen and this address',
    )
  }
  if (cause?.code === 'EACCES') {
    return failed(
      'protocol',
      `you may not connect: ${message}`,
      'run the doctor as root, or as a user of the socket’s group',
    )
  }
  if (code === 'FCGI_CONNECT' || code === 'FCGI_CONNECT_TIMEOUT')
    return failed('protocol', message, adviceFor(code))
  return failed(
    'protocol',
    `what listens there does not speak FastCGI: ${message}`,
    'does it speak HTTP? Then proxy_pass would be right for it, or the app calls listen() itself: @fastcgi/core/register',
  )
}

function adviceFor(code: string): string {
  if (code === 'FCGI_TIMEOUT')
    return 'the handler for that path never answers, or waits for something that does not come'
  if (code === 'FCGI_CUT' || code === 'FCGI_CLOSED')
    return 'the process may have crashed: look at its log'
  return 'look at the log of the app'
}
