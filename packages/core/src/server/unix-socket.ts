// A unix socket's file: made under a temporary name, given its mode and owner there, and renamed over the path, so that
// nobody meets it half made; removed only while it is still ours. A socket that another process answers on is left alone.
import {
  chmodSync,
  chownSync,
  lstatSync,
  renameSync,
  statSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs'
import { createConnection } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { maxSocketPathBytes } from './listen-address.ts'
import { lookUpId } from './owner.ts'

/** Who may connect through the file. */
export interface SocketFileOptions {
  /** Permission bits, as a number (`0o660`) or octal digits (`'660'`). Default 0660. */
  readonly mode?: number | string | undefined
  /** User that owns the file, by number or name. Default: the user of the process. */
  readonly owner?: number | string | undefined
  /** Group of the file, by number or name; the web server's group is the usual choice. Default: the process's group. */
  readonly group?: number | string | undefined
}

/** Owner and group may connect; the web server is commonly put into the group. */
export const defaultSocketMode = 0o660

/** What is made to listen: a net.Server or our own. */
export interface Listener {
  listen(options: { path: string }): unknown
  once(event: 'listening' | 'error', listener: (error?: Error) => void): unknown
  removeListener(event: 'listening' | 'error', listener: (error?: Error) => void): unknown
  close(): unknown
}

/** The file of a socket that listens. */
export interface SocketFile {
  readonly path: string
  /** Whether the path still leads to this socket. False after somebody deleted or replaced the file. */
  isOurs(): boolean
  /** Deletes the file if it is still ours; a successor's stays. Never throws. */
  remove(): void
}

/** A socket file that cannot be made. `code` is the system's (EADDRINUSE, EACCES, …) or FCGI_SOCKET_FILE. */
export class SocketFileError extends Error {
  override name = 'SocketFileError'
  /** The system's error code, or FCGI_SOCKET_FILE. */
  readonly code: string

  /** @internal */
  constructor(path: string, reason: string, cause?: unknown) {
    super(`cannot listen on ${path}: ${reason}`, { cause })
    this.code = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'FCGI_SOCKET_FILE'
  }
}

/**
 * Makes a server listen on a path.
 *
 * @throws SocketFileError when somebody answers on the path, when the path is no socket, or when the system refuses
 */
export async function listenOnSocketFile(
  server: Listener,
  path: string,
  options: SocketFileOptions = {},
): Promise<SocketFile> {
  const mode = parseMode(path, options.mode)
  const { uid, gid } = await lookUpOwner(path, options)
  await refuseIfTaken(path)
  const temporary = await bind(server, path)
  try {
    if (uid !== undefined || gid !== undefined) chownSync(temporary, uid ?? -1, gid ?? -1)
    chmodSync(temporary, mode)
    const made = lstatSync(temporary, { bigint: true })
    renameSync(temporary, path)
    return new OwnSocketFile(path, made)
  } catch (error) {
    server.close()
    removeQuietly(temporary)
    throw new SocketFileError(path, (error as Error).message, error)
  }
}

class OwnSocketFile implements SocketFile {
  readonly path: string
  readonly #made: BigIntStats

  constructor(path: string, made: BigIntStats) {
    this.path = path
    this.#made = made
  }

  isOurs(): boolean {
    // An inode number is soon given out again, so the time of birth must agree as well.
    const found = statQuietly(this.path)
    return (
      found !== undefined &&
      found.ino === this.#made.ino &&
      found.dev === this.#made.dev &&
      found.birthtimeNs === this.#made.birthtimeNs
    )
  }

  remove(): void {
    if (this.isOurs()) removeQuietly(this.path)
  }
}

function parseMode(path: string, given: number | string | undefined): number {
  if (given === undefined) return defaultSocketMode
  const mode =
    typeof given === 'string' && /^(0o)?[0-7]+$/.test(given)
      ? parseInt(given.replace('0o', ''), 8)
      : given
  if (typeof mode === 'number' && Number.isInteger(mode) && mode >= 0 && mode <= 0o777) return mode
  throw new SocketFileError(path, `mode ${given} is none; write it as 0o660 or '660'`)
}

async function lookUpOwner(
  path: string,
  { owner, group }: SocketFileOptions,
): Promise<{ uid: number | undefined; gid: number | undefined }> {
  try {
    return {
      uid: owner === undefined ? undefined : await lookUpId('user', owner),
      gid: group === undefined ? undefined : await lookUpId('group', group),
    }
  } catch (error) {
    throw new SocketFileError(path, (error as Error).message)
  }
}

/** Nobody may lose a live socket or a file to us: only a socket that refuses connections is stale. */
async function refuseIfTaken(path: string): Promise<void> {
  const found = statQuietly(path)
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new SocketFileError(
      path,
      'there is a file of that name which is no socket; it is left alone: remove it, or name another path',
    )
  }
  const error = await connectError(path)
  if (error?.code === 'ECONNREFUSED' || error?.code === 'ENOENT') return
  if (error === undefined || error.code === 'EAGAIN') {
    const inUse = Object.assign(new Error('address already in use'), { code: 'EADDRINUSE' })
    throw new SocketFileError(path, 'EADDRINUSE: another process answers there', inUse)
  }
  throw new SocketFileError(
    path,
    `whether the socket there is in use cannot be told: ${error.message}`,
    error,
  )
}

function connectError(path: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', (error) => {
      socket.destroy()
      resolve(error)
    })
  })
}

const nameCharacters = 'abcdefghijklmnopqrstuvwxyz0123456789'
const nameLength = 16
const attempts = 20

async function bind(server: Listener, path: string): Promise<string> {
  // The temporary name must fit into a socket address too; beside a short name in a long folder it is as short.
  const folder = dirname(path)
  const room = maxSocketPathBytes - Buffer.byteLength(join(folder, 'x')) + 1
  const length = Math.min(nameLength, Math.max(room, Buffer.byteLength(basename(path))))
  for (let attempt = 1; ; attempt += 1) {
    const temporary = join(folder, randomName(length))
    try {
      await listen(server, temporary)
      return temporary
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === attempts) {
        throw new SocketFileError(path, whyNot(folder, error as Error), error)
      }
    }
  }
}

/** The system names a file of ours that nobody knows, and says "permission denied" of a folder that is not there. */
function whyNot(folder: string, error: Error): string {
  const stat = statSync(folder, { throwIfNoEntry: false })
  if (stat === undefined) {
    return `the folder ${folder} does not exist: make it, for this user to write in (under systemd RuntimeDirectory= does)`
  }
  const user = process.geteuid?.()
  if ((error as NodeJS.ErrnoException).code === 'EACCES' && user !== undefined) {
    return `EACCES: user ${user} may not make a file in ${folder}, which belongs to user ${stat.uid} (mode ${(stat.mode & 0o7777).toString(8)})`
  }
  return error.message
}

function randomName(length: number): string {
  let name = ''
  while (name.length < length)
    name += nameCharacters[Math.floor(Math.random() * nameCharacters.length)]
  return length > 4 ? `.${name.slice(1)}` : name
}

function listen(server: Listener, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      server.removeListener('listening', settle)
      server.removeListener('error', settle)
      if (error) reject(error)
      else resolve()
    }
    server.once('listening', settle)
    server.once('error', settle)
    // Until its mode is set the file is closed to everybody else. Worker threads cannot set the umask.
    const umask = setUmask(0o177)
    try {
      server.listen({ path })
    } catch (error) {
      settle(error as Error)
    } finally {
      if (umask !== undefined) setUmask(umask)
    }
  })
}

function setUmask(mask: number): number | undefined {
  try {
    return process.umask(mask)
  } catch {
    return undefined
  }
}

function statQuietly(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true })
  } catch {
    return undefined
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Gone already, or the folder is read-only now: the next start finds the socket stale.
  }
}
