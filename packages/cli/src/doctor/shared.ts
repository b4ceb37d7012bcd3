/**
 * Whether one process can run an app for all that a web server starts (option `shared`): some hosts forbid unix sockets, or
 * processes that outlive a request.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Finding, ok, unknown, warning } from './finding.ts'
import type { Trial } from './launch.ts'

/** Milliseconds for the process to be there; its starter gives it 30 s. */
const patience = 40_000
/** Milliseconds for it to end. */
const endPatience = 10_000

/** Where a process has said why. */
export function notShared(reason: string): Finding {
  return warning(
    'shared',
    `one process for all (shared) cannot be had, each serves by itself: ${reason}`,
    'a folder of your own for its socket (FASTCGI_SHARED_DIR), or ask the host about background processes;\nelse keep nothing in memory that another request must see',
  )
}

/** Starts the script with a listening socket on descriptor 0, as a web server does, and ends what it starts. */
export async function tryShared({ file, node, searchPath }: Trial): Promise<Finding> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastcgi-doctor-'))
  const server = createServer().listen(path.join(folder, 'app.sock'))
  await once(server, 'listening')
  const { FASTCGI_SHARED_DIR: own } = process.env
  // `spawn` takes the handle of a server as well as that of a stream; its types do not know.
  const { _handle: handle } = server as unknown as { _handle: unknown }
  const child = spawn(node ?? process.execPath, [file], {
    cwd: path.dirname(file),
    // The variable makes another process of it than the one of the site: see `socketName` of the core.
    env: { PATH: searchPath, FASTCGI_DOCTOR: '1', ...(own && { FASTCGI_SHARED_DIR: own }) },
    stdio: [handle as never, 'ignore', 'pipe'],
  })
  server.close()
  let output = ''
  let host: number | undefined
  // The host has the other end as well: this comes when both have ended.
  const ended = once(child, 'close').then(() => unknown('shared', 'the script has ended at once'))
  ended.catch(() => {})
  const found = new Promise<Finding>((resolve) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const [, pid] = /process (\d+) serves for all/.exec(output) ?? []
      const [, reason] = /serves by itself: (.*) \[FCGI_NOT_SHARED\]/.exec(output) ?? []
      if (reason !== undefined) resolve(notShared(reason))
      if (pid === undefined) return
      host = Number(pid)
      resolve(ok('shared', 'one process can run the app for all that a web server starts'))
    })
  })
  const late = pause(patience, unknown('shared', `not seen after ${patience / 1000} s`), {
    ref: false,
  })
  try {
    return await Promise.race([found, ended, late])
  } finally {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const pid of [child.pid, host]) end(pid, signal)
      if ((await Promise.race([ended, pause(endPatience)])) !== undefined) break
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

function end(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal)
  } catch {
    // Gone already.
  }
}
