// Whether systemd wants to hear how a process is (sd_notify(3), sd_watchdog_enabled(3)).

import type { Log } from './log.ts'
import type { Notifier } from './notify.ts'
import type { Shutdown } from './shutdown.ts'

/** What systemd has put into the environment. */
export interface NotifySettings {
  readonly socket: string
  /** Milliseconds within which systemd wants a sign of life; undefined for never. */
  readonly watchdog: number | undefined
}

/** Takes the settings from an environment; undefined where nobody wants to hear anything. */
export function notifySettings(
  env: Readonly<Record<string, string | undefined>>,
  pid: number = process.pid,
): NotifySettings | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: whose } = env
  if (socket === undefined || !/^[/@]/.test(socket)) return undefined
  const ours = whose === undefined || whose === String(pid)
  const watchdog = ours && /^\d+$/.test(microseconds ?? '') ? Number(microseconds) / 1000 : 0
  return { socket, watchdog: watchdog > 0 ? watchdog : undefined }
}

/** Milliseconds that systemd-notify has to say that the end has begun. */
const lastWord = 1000

/** Makes what tells systemd, and has it tell of the end. Nothing of it is loaded where nobody wants to hear. */
export async function startNotifier(
  settings: NotifySettings,
  log: Log,
  shutdown: Shutdown | undefined,
): Promise<Notifier> {
  const { Notifier } = await import('./notify.ts')
  const notifier = new Notifier(settings, log)
  if (shutdown) {
    shutdown.started = () => notifier.stopping()
    shutdown.add({ timeout: lastWord, drain: () => notifier.sent })
  }
  return notifier
}
