// What an inherited descriptor is. A FastCGI application is started with a listening socket as descriptor 0 (§2.2); a CGI
// script may be started with a connected one, so "it is a socket" is not enough.
import { fstatSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { createServer } from 'node:net'

/** A listening socket, some other socket, or anything else: pipe, file, terminal, null device, closed. */
export type DescriptorKind = 'listening' | 'socket' | 'other'

/** A socket as the kernel's tables show it. */
export interface InheritedSocket {
  readonly kind: DescriptorKind
  /** The file of a unix socket as it was bound, `@name` when abstract; undefined for TCP or when the kernel does not say. */
  readonly path?: string
}

// __SO_ACCEPTCON in the flags column of /proc/net/unix; state TCP_LISTEN in /proc/net/tcp.
const acceptingFlag = 0x10000
const tcpListen = '0A'

/**
 * Looks at a descriptor without side effects where there is a /proc. Elsewhere descriptor 0 is tried by listening on it,
 * which fails on anything but a socket that can; other descriptors count as listening when they are sockets.
 */
export function inspectDescriptor(fd: number): InheritedSocket {
  try {
    // bigint, because Node's realpathSync mistakes a stat of a socket or pipe in its one array for the last of its own,
    // and stops resolving links: an import() after it then does not find the packages of a package (Node 20 to 26).
    if (!fstatSync(fd, { bigint: true }).isSocket()) return { kind: 'other' }
  } catch {
    return { kind: 'other' }
  }
  return lookUp(fd) ?? { kind: fd !== 0 || canListen(fd) ? 'listening' : 'socket' }
}

function lookUp(fd: number): InheritedSocket | undefined {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
    if (inode === undefined) return undefined
    return lookUpUnix(inode) ?? lookUpTcp(inode, 'tcp') ?? lookUpTcp(inode, 'tcp6')
  } catch {
    return undefined
  }
}

function lookUpUnix(inode: string): InheritedSocket | undefined {
  // Num RefCount Protocol Flags Type St Inode Path; the path may hold blanks.
  const row = /^\S+: \S+ \S+ (\S+) \S+ \S+ +(\d+)(?: (.*))?$/
  for (const line of readFileSync('/proc/self/net/unix', 'utf8').split('\n')) {
    const found = row.exec(line)
    if (found?.[2] !== inode) continue
    const listening = (parseInt(found[1] ?? '', 16) & acceptingFlag) !== 0
    return {
      kind: listening ? 'listening' : 'socket',
      ...(found[3] === undefined ? {} : { path: found[3] }),
    }
  }
  return undefined
}

function lookUpTcp(inode: string, table: string): InheritedSocket | undefined {
  for (const line of readFileSync(`/proc/self/net/${table}`, 'latin1').split('\n')) {
    const columns = line.trim().split(/ +/)
    if (columns[9] === inode) return { kind: columns[3] === tcpListen ? 'listening' : 'socket' }
  }
  return undefined
}

/** Only for descriptor 0: Node never closes 0 to 2, so the socket survives the trial. */
function canListen(fd: number): boolean {
  const trial = createServer()
  trial.on('error', () => {})
  trial.listen({ fd })
  const { listening } = trial
  trial.close()
  return listening
}

/** Whether a descriptor leads to the null device: what is written there is lost. Closed descriptors count, Node opens them on it. */
export function isNullDevice(fd: number): boolean {
  try {
    const own = fstatSync(fd, { bigint: true })
    return own.isCharacterDevice() && own.rdev === statSync('/dev/null', { bigint: true }).rdev
  } catch {
    return true
  }
}
