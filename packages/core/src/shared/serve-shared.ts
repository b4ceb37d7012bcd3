// `serve` for a script whose process is mostly a relay: loads the few modules that a relay needs, and everything else
// only in a process that turns out to be no relay. Half of what a relay weighs is saved by that.
import { createServer, type Server, type Socket } from 'node:net'
import { isatty } from 'node:tty'

import { accessRule } from '../server/addresses.ts'
import { watchFiles } from '../server/changed.ts'
import { inspectDescriptor } from '../server/descriptor.ts'
import { entryScript } from '../server/entry.ts'
import { createLog } from '../server/log.ts'
import { cleanEnvironment, findMode, type Mode } from '../server/modes.ts'
import { removeOwnSocketFile } from '../server/own-socket-file.ts'
import { isUnderH2o } from '../server/restart-file.ts'
import type { AdapterOptions, ServeApp, ServeOptions } from '../server/serve-options.ts'
import type { AppLoader } from '../server/app.ts'
import { processShutdown } from '../server/shutdown.ts'
import { hostVariable } from './host-place.ts'
import { Relay } from './relay.ts'
import { sharedWanted } from './wanted.ts'

/** As of the full `serve`. */
const drainTimeout = 30_000

/**
 * Serves an app like `serve` of `@fastcgi/core` with option `shared`, which is true here unless set, and makes a relay
 * at half the cost.
 *
 * @param app a function without parameters that loads the app; see `serve`
 * @throws what `serve` throws
 */
export function serve(app: ServeApp, options?: ServeOptions): Promise<void>
export function serve<T>(app: T | AppLoader<T>, options: AdapterOptions<T>): Promise<void>
export async function serve(
  app: unknown,
  options: ServeOptions | AdapterOptions<never> = {},
): Promise<void> {
  if (options.signals !== false) {
    // The first act: without a listener Node opens its debugger on SIGUSR1.
    processShutdown().listen()
    const mode = spawnedMode(options)
    if (mode) {
      const say = (message: string): void => createLog(options.log).write(message)
      if (!sharedWanted(options.shared ?? true, options.arguments, process.env, say)) {
        return serveAlone(app, { ...options, shared: false })
      }
      // Under h2o, which starts its processes once, a changed script must not end them.
      if (await openRelay(options, mode.path, isUnderH2o())) return undefined
      return serveAlone(app, { ...options, shared: false })
    }
  }
  return serveAlone(app, { ...options, shared: options.shared ?? true })
}

async function serveAlone(app: unknown, options: ServeOptions): Promise<void> {
  const whole = await import('../index.ts')
  await whole.serve(app as ServeApp, options)
}

/** There where a web server has started this process, and it is neither the host nor a worker. */
function spawnedMode({
  listen,
  gateway,
  arguments: given,
}: ServeOptions): Extract<Mode, { type: 'spawned' }> | undefined {
  if (process.env[hostVariable] !== undefined || process.send !== undefined) return undefined
  try {
    const mode = findMode({
      env: process.env,
      arguments: given ?? process.argv.slice(2),
      pid: process.pid,
      listen,
      gateway,
      descriptor0: () => inspectDescriptor(0),
      interactive: isatty(0) && isatty(1),
    })
    return mode.type === 'spawned' ? mode : undefined
  } catch {
    // What is wrong is said by those who would have listened.
    return undefined
  }
}

async function openRelay(
  options: ServeOptions,
  path: string | undefined,
  once: boolean,
): Promise<boolean> {
  const log = createLog(options.log)
  const shutdown = processShutdown()
  shutdown.log = (message) => log.write(message)
  // As of the full `serve`: mod_fcgid sends SIGTERM twice.
  shutdown.patient = true
  const script = options.script ?? entryScript()
  cleanEnvironment(process.env)
  const relay = await Relay.open(script, (message) => log.write(message))
  if (!relay) return false
  shutdown.listen(() => log.reopen())
  const admits = admission(options, (message) => log.write(message))
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  await listen(server)
  let accepted = 0
  const { drain } = relay.serve(
    {
      divert: (taker) => {
        server.on('connection', (socket) => {
          accepted += 1
          if (admits(socket)) taker(socket)
          else socket.destroy()
        })
      },
      drain: async () => {
        // Whoever has connected already: a round of the event loop accepts one.
        let before = -1
        while (before !== accepted) {
          before = accepted
          await new Promise(setImmediate)
        }
        await new Promise((closed) => server.close(closed))
      },
    },
    options.accept,
  )
  shutdown.add({
    timeout: options.drainTimeout ?? drainTimeout,
    release: () => removeOwnSocketFile(path),
    drain,
  })
  if (script !== undefined && !once && options.restartFile !== false) {
    watchFiles([script], (path) => {
      void shutdown.begin(`${path} has changed: finishing what runs, then ending`, 0)
    })
  }
  return true
}

/** The relay knows the peer, so it decides who may connect. */
function admission(
  { allow }: ServeOptions,
  log: (message: string) => void,
): (socket: Socket) => boolean {
  const addresses = process.env.FCGI_WEB_SERVER_ADDRS
  if (allow === undefined && !addresses?.trim()) return () => true
  const { admits, warnings } = accessRule(allow, addresses)
  for (const warning of warnings) log(warning)
  return ({ remoteAddress }) => admits({ remoteAddress })
}

function listen(server: Server): Promise<void> {
  return new Promise((done, reject) => {
    server.once('error', reject)
    server.listen({ fd: 0 }, () => {
      server.removeListener('error', reject)
      // Out of descriptors for a moment: the next connection may fit again.
      server.on('error', () => {})
      done()
    })
  })
}
