/** Starts a script as a web server would, and tells what becomes of its process. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { User } from './access.ts'
import type { End } from './explain.ts'
import { findProgram } from './interpreter.ts'
import { serverPath } from './script.ts'

/** What to start, and how. */
export interface Trial {
  readonly file: string
  /** The Node.js to run it, with its options; undefined: this one. */
  readonly node: string | undefined
  readonly options?: readonly string[]
  /** Start the file itself, as the system would. */
  readonly startable?: boolean
  /** The user to run it; only root can. */
  readonly user?: User | undefined
  /** PATH of the web server. */
  readonly searchPath: string
  /** Path of the page to ask for. */
  readonly page: string
  /** For it to listen, and then to answer, in milliseconds. */
  readonly patience: number
}

/** How a process ended, or that it could not be started. */
export type Ending = End | { readonly refused: NodeJS.ErrnoException }

/** As a web server would, where nothing that has been found stands against it. */
export function launch(trial: Trial, socket: string): ChildProcess {
  const own = fileURLToPath(new URL('../../bin/fastcgi.js', import.meta.url))
  const node = [trial.node ?? process.execPath, ...(trial.options ?? [])]
  const words = trial.file.endsWith('.fcgi')
    ? [...(trial.startable === true ? [] : node), trial.file, '--listen', socket]
    : [...node, own, 'serve', trial.file, '--listen', socket, '--no-restart-file']
  const [program, ...rest] = [...asUser(trial), ...words]
  return spawn(program!, rest, {
    cwd: path.dirname(trial.file),
    // With shared only a web server could start it; that is tried apart. Who calls process.exit() shall be known.
    env: { PATH: trial.searchPath, FASTCGI_SHARED: '0', NODE_OPTIONS: '--trace-exit' },
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(trial.user !== undefined && !hasMoreGroups(trial.user)
      ? { uid: trial.user.uid, gid: trial.user.gid }
      : {}),
  })
}

/** A user's further groups are lost on the way of `spawn`. */
function asUser({ user, searchPath }: Trial): string[] {
  if (user === undefined || !hasMoreGroups(user)) return []
  const setpriv = findProgram('setpriv', `${serverPath}:${searchPath}`)
  return setpriv === undefined
    ? []
    : [setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', '--']
}

const hasMoreGroups = (user: User): boolean => user.groups.size > 1

/** Settles when a process has ended, or could not be started; never rejects. */
export function endOf(child: ChildProcess, file: string): Promise<Ending> {
  return new Promise((resolve) => {
    child.once('error', (refused) => resolve({ refused }))
    child.once('close', (code, signal) => resolve({ code, signal, servesNot: servesNot(file) }))
  })
}

/** Whether a script calls neither `serve` nor `register`, as far as its text tells. */
export function servesNot(file: string): boolean {
  return !/\bserve\w*\s*\(|core\/register/.test(readFileSync(file, 'utf8'))
}

/** Whether a process computes without a pause: whenever looked at, it runs or waits for the processor. Linux tells. */
export async function isBusy({ pid }: ChildProcess): Promise<boolean> {
  for (let look = 0; look < 3; look++) {
    await pause(100)
    try {
      const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      if (!/\) R [^)]*$/.test(text)) return false
    } catch {
      return false
    }
  }
  return true
}
