// The folder of the private sockets: ours alone, looked at without following links at each use, because everybody may
// write into the folder above, /tmp.
import {
  chmodSync,
  constants,
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'

/** Names the folder; for hosts where none of the usual places will do. */
export const folderVariable = 'FASTCGI_SHARED_DIR'

/** Name of the file with the key. */
export const keyFile = 'key'
const keyBytes = 32
/** `/0123456789abcdef.` and a generation. */
const longestName = 32
/** A socket's address ends at 107 bytes, on macOS at 103. */
const longestPath = 103

/** A folder or key that cannot be trusted. */
export class FolderError extends Error {
  override name = 'FolderError'
}

/**
 * Finds or makes the folder: FASTCGI_SHARED_DIR, or the first that can be trusted of `$XDG_RUNTIME_DIR/fastcgi`,
 * `/tmp/fastcgi-UID` and `~/.fastcgi`.
 *
 * @throws FolderError when there is none, with the reason for each
 */
export function openFolder(env: Readonly<Record<string, string | undefined>>): string {
  const reasons: string[] = []
  for (const folder of candidates(env)) {
    try {
      if (Buffer.byteLength(folder) + longestName > longestPath) {
        throw new FolderError(`${folder} is too long for the address of a socket`)
      }
      make(folder)
      checkFolder(folder)
      return folder
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  throw new FolderError(reasons.join('; '))
}

/** The folders that are there already and can be trusted: where a host may be found. */
export function existingFolders(env: Readonly<Record<string, string | undefined>>): string[] {
  return [...new Set(candidates(env))].filter((folder) => {
    try {
      checkFolder(folder)
      return true
    } catch {
      return false
    }
  })
}

function* candidates(env: Readonly<Record<string, string | undefined>>): Iterable<string> {
  const named = env[folderVariable]
  if (named) {
    yield named
    return
  }
  if (env['XDG_RUNTIME_DIR']) yield join(env['XDG_RUNTIME_DIR'], 'fastcgi')
  yield join(tmpdir(), `fastcgi-${uid()}`)
  const home = homeFolder()
  if (home !== undefined) yield join(home, '.fastcgi')
}

/** Undefined for a user number without an account, as in containers. */
function homeFolder(): string | undefined {
  try {
    return userInfo().homedir
  } catch {
    return undefined
  }
}

function make(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
    // Whatever the umask took away; nobody else could have got in between.
    chmodSync(folder, 0o700)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/**
 * Looks whether a folder is a folder, ours, closed to everybody else, and not in the hands of somebody who could put
 * another in its place.
 *
 * @throws FolderError that says what is wrong
 */
export function checkFolder(folder: string): void {
  const found = lstatSync(folder, { bigint: true })
  if (!found.isDirectory()) throw new FolderError(`${folder} is no folder`)
  if (found.uid !== BigInt(uid())) throw new FolderError(`${folder} belongs to user ${found.uid}`)
  if ((found.mode & 0o77n) !== 0n) throw new FolderError(`${folder} is open to others: chmod 700`)
  const above = statSync(dirname(folder), { bigint: true })
  if ((above.mode & 0o22n) !== 0n && (above.mode & 0o1000n) === 0n) {
    throw new FolderError(`${dirname(folder)} may be written by others: chmod o-w, or chmod +t`)
  }
}

/**
 * The key with which relays and host know each other; made where there is none.
 *
 * @throws FolderError when the file is not ours alone
 */
export function readKey(folder: string): string {
  const path = join(folder, keyFile)
  for (;;) {
    const key = findKey(folder)
    if (key !== undefined) return key
    // Not imported: node:crypto is 0.4 MB more for each relay, and most find a key.
    const { randomBytes } = process.getBuiltinModule('node:crypto')
    const temporary = join(folder, `.${randomBytes(8).toString('hex')}`)
    writeFileSync(temporary, randomBytes(keyBytes).toString('hex'), { mode: 0o600, flag: 'wx' })
    try {
      // Whole from the first moment, and of several that make one at once the first counts.
      linkSync(temporary, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      unlinkSync(temporary)
    }
  }
}

/**
 * The key, where there is one.
 *
 * @throws FolderError when the file is not ours alone
 */
export function findKey(folder: string): string | undefined {
  return readPrivate(join(folder, keyFile))
}

function readPrivate(path: string): string | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new FolderError(`${path} cannot be read: ${(error as Error).message}`)
  }
  try {
    const found = fstatSync(fd, { bigint: true })
    if (!found.isFile() || found.uid !== BigInt(uid()) || (found.mode & 0o77n) !== 0n) {
      throw new FolderError(`${path} is not a file that we alone can read: delete it`)
    }
    const bytes = Buffer.alloc(keyBytes * 2)
    const length = readSync(fd, bytes, 0, bytes.length, 0)
    if (length !== bytes.length) throw new FolderError(`${path} is not complete: delete it`)
    return bytes.toString('latin1')
  } finally {
    closeSync(fd)
  }
}

/**
 * The number of our user.
 *
 * @throws FolderError on a system without such
 */
export function uid(): number {
  const own = process.getuid?.()
  if (own === undefined) throw new FolderError('this system has no user numbers')
  return own
}
