// A process that leaves when its script or its restart file is another one than at the start: whoever has started it
// starts it anew, with the new code.
import { dirname, resolve } from 'node:path'
import type { Call } from './call.ts'
import { watchFiles } from './changed.ts'
import type { Mode } from './modes.ts'
import type { Server } from './server.ts'

/**
 * Ends the process once the script or the restart file has changed, where that is wanted.
 *
 * @param files to be looked at beside the script, in place of the restart file
 */
export function watchRestartFile(
  { options, script, shutdown }: Call,
  server: Server,
  mode: Mode,
  files?: readonly string[],
): void {
  if (script === undefined || !shutdown) return
  const restarted = mode.type === 'host' || (mode.type === 'spawned' && !isUnderH2o())
  const file = options.restartFile ?? (restarted ? 'tmp/restart.txt' : false)
  if (file === false) return
  const paths = [...(files ?? [resolve(dirname(script), file)]), script]
  const watch = watchFiles(paths, (path) => {
    void shutdown.begin(`${path} has changed: finishing what runs, then ending`, 0)
  })
  server.once('close', () => watch.close())
}

/** h2o starts its processes once and never again. */
export function isUnderH2o(): boolean {
  return Object.keys(process.env).some((name) => /^(H2O|SERVER_STARTER)_/.test(name))
}
