// The start of a process: its mode, and what must be taken away from the app before it is loaded.
import { isatty } from 'node:tty'
import type { CgiCaller } from './cgi.ts'
import { takeCgiCaller } from './cgi-process.ts'
import { inspectDescriptor } from './descriptor.ts'
import { cleanEnvironment, findMode, type Mode } from './modes.ts'
import { takeHostPlace, takeWorkerFolder } from '../shared/host-place.ts'
import type { ServeOptions } from './serve-options.ts'
import { notifySettings, type NotifySettings } from './notify-settings.ts'
import { takeWorkerPlace } from './workers/messages.ts'

/** How a process was started, and what of that the app must not see. */
export interface Start {
  readonly mode: Mode
  /** There in CGI mode. */
  readonly cgi?: CgiCaller | undefined
  /** There where systemd wants to hear how this process is. */
  readonly notify?: NotifySettings | undefined
}

/**
 * Finds the mode and takes away what belongs to it: used variables from the environment, descriptor 1 in CGI mode. Once
 * a process.
 */
export function findStart(options: ServeOptions): Start {
  const name = takeWorkerPlace()
  if (name !== undefined) return { mode: { type: 'worker', name, folder: takeWorkerFolder() } }
  const place = takeHostPlace()
  if (place !== undefined) return { mode: { type: 'host', place } }
  const mode = modeOf(options)
  if (mode.type === 'usage') return { mode }
  // A web server that starts us may have been started by systemd, and then it is the one that is asked.
  const asked = mode.type === 'listen' || mode.type === 'systemd'
  const notify = asked ? notifySettings(process.env) : undefined
  cleanEnvironment(process.env)
  return mode.type === 'cgi' ? { mode, cgi: takeCgiCaller() } : { mode, notify }
}

function modeOf({ listen, gateway, arguments: given }: ServeOptions): Mode {
  try {
    return findMode({
      env: process.env,
      arguments: given ?? process.argv.slice(2),
      pid: process.pid,
      listen,
      gateway,
      descriptor0: () => inspectDescriptor(0),
      interactive: isatty(0) && isatty(1),
    })
  } catch (error) {
    return { type: 'usage', reason: (error as Error).message }
  }
}
