// What systemd wants to hear (sd_notify(3)): ready, stopping, reloading, still alive. Node has no datagram sockets of the
// unix family, so systemd-notify is run for each message, some milliseconds of a processor's time; hence
// NotifyAccess=all in the unit, as it is not the main process that speaks.
import { spawn } from 'node:child_process'
import type { Log } from './log.ts'
import type { NotifySettings } from './notify-settings.ts'

/** Tells systemd. A message that cannot be sent costs a line in the log. */
export class Notifier {
  readonly #socket: string
  readonly #log: Log
  readonly #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> = Promise.resolve()
  #failed = false
  #ready = false

  constructor({ socket, watchdog }: NotifySettings, log: Log) {
    this.#socket = socket
    this.#log = log
    // Twice in the time, as sd_watchdog_enabled(3) advises. A hung event loop does not get here.
    if (watchdog !== undefined)
      this.#timer = setInterval(() => this.#send('WATCHDOG=1'), watchdog / 2).unref()
  }

  /** The app is loaded. Further calls say nothing, except after `reloading`. */
  ready(): void {
    if (this.#ready) return
    this.#ready = true
    this.#send('READY=1', 'STATUS=serving')
  }

  /** New code is being loaded; `ready` is to follow. */
  reloading(): void {
    this.#ready = false
    // Type=notify-reload wants to know when this was said.
    this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
  }

  /** The app could not be loaded. */
  failed(): void {
    this.#send('STATUS=the app could not be loaded: every request is answered 503')
  }

  /** The end has begun. */
  stopping(): void {
    clearInterval(this.#timer)
    this.#send('STOPPING=1', 'STATUS=finishing what runs')
  }

  /** Everything said so far has been sent. */
  get sent(): Promise<void> {
    return this.#sending
  }

  #send(...variables: string[]): void {
    // One after the other, so that they arrive in order.
    this.#sending = this.#sending.then(() => this.#run(variables))
  }

  #run(variables: string[]): Promise<void> {
    return new Promise((resolve) => {
      const child = spawn('systemd-notify', variables, {
        stdio: 'ignore',
        env: { PATH: process.env.PATH, NOTIFY_SOCKET: this.#socket },
      })
      child.once('error', (error) => {
        this.#report(error.message)
        resolve()
      })
      child.once('exit', (status) => {
        if (status !== 0) this.#report(`systemd-notify ended with status ${status}`)
        resolve()
      })
    })
  }

  #report(reason: string): void {
    if (this.#failed) return
    this.#failed = true
    this.#log.write(`systemd cannot be told how this process is: ${reason}`)
  }
}
