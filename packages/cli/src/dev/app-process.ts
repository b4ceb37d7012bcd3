/** The app under `fastcgi dev`: a process of its own, ended and started anew when its files change. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** How to start the app. */
export interface AppCommand {
  /** Arguments of node. */
  readonly arguments: readonly string[]
  readonly socket: string
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

/** What the process loads first, to end when this one is gone. */
const endWithParent = fileURLToPath(new URL('../../bin/end-with-parent.cjs', import.meta.url))
/** Kept of what an app wrote before it ended, in characters. */
const keptOutput = 8_000
/** An app that does not end by itself is killed, after so many milliseconds. */
const killAfter = 3_000

/** A process that listens, or why there is none. */
export type AppState =
  | { readonly type: 'listening' }
  | { readonly type: 'ended'; readonly status: string; readonly output: string }

/** The app's process, and its successors. */
export class AppProcess {
  readonly #command: AppCommand
  readonly #show: (text: string) => void
  #child: ChildProcess | undefined
  #stopping = false
  #state: Promise<AppState>

  /** @param show takes what the app writes to its outputs */
  constructor(command: AppCommand, show: (text: string) => void) {
    this.#command = command
    this.#show = show
    this.#state = this.#start()
  }

  /** Settles when the process listens, or has ended before it did. */
  get state(): Promise<AppState> {
    return this.#state
  }

  /** A connection to the process, once it listens. @throws Error when it has ended; the message says how */
  async connect(): Promise<Socket> {
    const state = await this.#state
    if (state.type === 'ended') throw new Error(`the app has ended (${state.status})`)
    return connect(this.#command.socket)
  }

  /** Ends the process and starts the next; requests that come meanwhile wait. */
  restart(): void {
    // Whoever is about to be started reads the files as they are then.
    if (this.#stopping) return
    this.#stopping = true
    this.#state = this.stop().then(() => {
      this.#stopping = false
      return this.#start()
    })
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), killAfter)
    await ended
    clearTimeout(timer)
  }

  #start(): Promise<AppState> {
    const { arguments: given, socket, cwd, env } = this.#command
    const child = spawn(process.execPath, ['--require', endWithParent, ...given], {
      cwd,
      // With shared only a web server could start it.
      env: {
        ...process.env,
        FASTCGI_SHARED: '0',
        FASTCGI_DEV_FOLDER: path.dirname(socket),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    this.#child = child
    let output = ''
    return new Promise((resolve) => {
      const take = (text: string): void => {
        output = (output + text).slice(-keptOutput)
        // What the core says of its socket and of its end concerns nobody here.
        const shown = text.replaceAll(
          /^fastcgi: (?:listening on|SIGTERM:|shared is switched off:) .*\n/gm,
          '',
        )
        if (shown !== '') this.#show(shown)
        if (/^fastcgi: listening on /m.test(output)) resolve({ type: 'listening' })
      }
      child.stdout!.setEncoding('utf8').on('data', (text: string) => this.#show(text))
      child.stderr!.setEncoding('utf8').on('data', take)
      child.once('error', (error) => resolve({ type: 'ended', status: error.message, output }))
      child.once('close', (code, signal) => {
        const status = code === null ? `by ${String(signal)}` : `with exit code ${code}`
        const said = output.replaceAll(/^fastcgi: listening on .*\n/gm, '')
        const ended: AppState = { type: 'ended', status, output: said }
        if (this.#child === child) {
          this.#state = Promise.resolve(ended)
          this.#show(`the app has ended ${status}; waiting for a change\n`)
        }
        resolve(ended)
      })
    })
  }
}
