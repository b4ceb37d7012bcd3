/** Whether another user may reach a file: mode bits along the path, without becoming that user. */
import { accessSync, constants, lstatSync, readFileSync, statSync, type Stats } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** A user of this machine. */
export interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly groups: ReadonlySet<number>
}

/** Users that web servers run as, by system. */
const webServers = [
  'www-data',
  'apache',
  'nginx',
  'http',
  '_www',
  'www',
  'lighttpd',
  'caddy',
  'nobody',
]

/** Looks a user up in /etc/passwd and /etc/group; undefined where there is none. */
export function findUser(name: string): User | undefined {
  const line = rows('/etc/passwd').find((fields) => fields[0] === name || fields[2] === name)
  if (line === undefined) return undefined
  const groups = rows('/etc/group')
    .filter((fields) => (fields[3] ?? '').split(',').includes(line[0]!))
    .map((fields) => Number(fields[2]))
  const gid = Number(line[3])
  return { name: line[0]!, uid: Number(line[2]), gid, groups: new Set([gid, ...groups]) }
}

/** The user that a web server here most likely runs as. */
export function webServerUser(): User | undefined {
  for (const name of webServers) {
    const user = findUser(name)
    if (user !== undefined) return user
  }
  return undefined
}

function rows(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(':'))
  } catch {
    return []
  }
}

/** The name of a user, or its number. */
export function userName(uid: number): string {
  return rows('/etc/passwd').find((fields) => Number(fields[2]) === uid)?.[0] ?? String(uid)
}

/** Bits of a mode: 4 read, 2 write, 1 execute or pass. */
export function allows(
  user: User,
  stat: Pick<Stats, 'mode' | 'uid' | 'gid'>,
  bits: number,
): boolean {
  if (user.uid === 0) return true
  const shift = stat.uid === user.uid ? 6 : user.groups.has(stat.gid) ? 3 : 0
  return ((stat.mode >> shift) & bits) === bits
}

/** Why a user cannot reach a path. */
export interface Obstacle {
  readonly path: string
  readonly isTarget: boolean
  readonly stat: Stats
}

/**
 * The first folder on the way, or the thing itself, that keeps a user out; undefined when there is none.
 *
 * @param bits what is needed of the thing itself; of the folders above it, to pass
 */
export function findObstacle(user: User, target: string, bits: number): Obstacle | undefined {
  const full = path.resolve(target)
  const parts = full.split(path.sep)
  for (let count = 1; count < parts.length; count++) {
    const folder = parts.slice(0, count).join(path.sep) || path.sep
    const stat = statSync(folder)
    if (!allows(user, stat, 1)) return { path: folder, isTarget: false, stat }
  }
  const stat = lstatSync(full).isSymbolicLink() ? statSync(full) : lstatSync(full)
  return allows(user, stat, bits) ? undefined : { path: full, isTarget: true, stat }
}

/**
 * The folder that we ourselves may not pass on the way to a path, as a sentence; undefined when none is in the way, or
 * one does not exist.
 */
export function ownObstacle(target: string): string | undefined {
  const full = path.resolve(target)
  for (let end = full.indexOf(path.sep, 1); end !== -1; end = full.indexOf(path.sep, end + 1)) {
    const folder = full.slice(0, end)
    try {
      accessSync(folder, constants.X_OK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') return undefined
      const me = userName(os.userInfo().uid)
      return `${me}, who runs the doctor, cannot pass ${folder} (${describeMode(statSync(folder))})`
    }
  }
  return undefined
}

/** `drwx------ ann:ann`. */
export function describeMode(stat: Stats): string {
  const letters = 'rwxrwxrwx'
  const mode = letters
    .split('')
    .map((letter, i) => ((stat.mode >> (8 - i)) & 1 ? letter : '-'))
    .join('')
  return `${mode} ${userName(stat.uid)}:${groupName(stat.gid)}`
}

/** The name of a group, or its number. */
export function groupName(gid: number): string {
  return rows('/etc/group').find((fields) => Number(fields[2]) === gid)?.[0] ?? String(gid)
}
