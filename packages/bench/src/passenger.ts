/**
 * Phusion Passenger without a web server of its own: its core, as `passenger start --engine builtin` starts it, without
 * the watchdog. The core listens on the socket like any HTTP server, starts the app with the first request, and passes requests on to it.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { programPath } from './program.ts'

function about(what: string): string {
  const args = ['about', what]
  return execFileSync('passenger-config', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
}

function agent(): string {
  return join(about('support-binaries-dir'), 'PassengerAgent')
}

/** The installed Passenger's version, or undefined, also where the program that does the work is not there. */
export function passengerVersion(): string | undefined {
  try {
    return existsSync(agent()) ? /\d\S*/.exec(about('version'))?.[0] : undefined
  } catch {
    return undefined
  }
}

/** What starts the core: it runs in the foreground, and the app is its child. */
export function passengerCore(
  folder: string,
  socket: string,
  node: string,
): { file: string; args: string[] } {
  const root = join(folder, 'passenger')
  mkdirSync(root, { recursive: true })
  // Passenger's loader takes the startup file by `require`, which takes no ES module with a top-level await.
  const app = pathToFileURL(programPath('apps/passenger-app')).href
  const startup = join(root, 'app.js')
  writeFileSync(startup, `import(${JSON.stringify(app)})\n`)
  return {
    file: agent(),
    args: [
      'core',
      ...['--passenger-root', about('root')],
      ...['--listen', `unix:${socket}`],
      ...['--app-type', 'node', '--startup-file', startup],
      ...['--nodejs', node.includes('/') ? resolve(node) : node],
      // One process for the app, as everyone else has.
      ...['--max-pool-size', '1'],
      // As whoever runs this: started by root it would make the app nobody, who may not enter the folder.
      ...['--no-user-switching', '--default-user', userInfo().username],
      ...['--ctl', `spawn_dir=${root}`],
      // It would wait for the connections that nginx keeps.
      '--no-graceful-exit',
      // Errors and worse: it warns of each connection that nginx still has at the end.
      ...['--log-level', '1'],
      '--disable-security-update-check',
      '--disable-anonymous-telemetry',
      root,
    ],
  }
}
