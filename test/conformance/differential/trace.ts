/** What a handler sees, in order: events of request and response with their state at that moment. */
import type { IncomingMessage, ServerResponse } from 'node:http'

import { DEADLINE } from './answer.ts'

export class Trace {
  readonly log: string[] = []
  readonly values: Record<string, unknown> = {}
  request: IncomingMessage | undefined
  response: ServerResponse | undefined
  closed = false
  #waiting: { test: () => boolean; resolve: () => void }[] = []

  /** An entry of the log. */
  note(text: string): void {
    this.log.push(text)
    this.#look()
  }

  /** Something to be compared that is no event. */
  value(name: string, value: unknown): void {
    this.values[name] = value
    this.#look()
  }

  /** Resolves when the log has an entry that begins so. */
  logged(start: string): Promise<void> {
    return this.until(() => this.log.some((line) => line.startsWith(start)), start)
  }

  async until(test: () => boolean, what: string): Promise<void> {
    if (test()) return
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      new Promise<void>((resolve) => this.#waiting.push({ test, resolve })),
      new Promise<void>((_resolve, reject) => {
        timer = setTimeout(() => {
          reject(new Error(`waited ${DEADLINE} ms for ${what}; log: ${this.log.join(' | ')}`))
        }, DEADLINE)
      }),
    ])
    clearTimeout(timer)
  }

  #look(): void {
    this.#waiting = this.#waiting.filter(({ test, resolve }) => {
      if (!test()) return true
      resolve()
      return false
    })
  }

  /** Follows a request and its response; `quiet`: without a listener that node:http would notice. */
  watch(request: IncomingMessage, response: ServerResponse, quiet: boolean): void {
    this.request = request
    this.response = response
    response.on('close', () => {
      this.closed = true
      if (quiet) this.#look()
      else this.#event('res close')
    })
    if (quiet) return
    for (const name of ['end', 'close', 'aborted'])
      request.on(name, () => this.#event(`req ${name}`))
    request.on('error', (error: Error) => this.#event(`req error ${errorText(error)}`))
    for (const name of ['prefinish', 'finish', 'drain', 'pipe', 'unpipe']) {
      response.on(name, () => this.#event(`res ${name}`))
    }
    response.on('error', (error: Error) => this.#event(`res error ${errorText(error)}`))
  }

  #event(text: string): void {
    this.note(`${text} [${this.state()}]`)
  }

  /** The state of both objects, in words. */
  state(): string {
    const { request, response } = this
    if (request === undefined || response === undefined) return 'none'
    return `req: ${requestState(request)} | res: ${responseState(response)}`
  }
}

export function requestState(request: IncomingMessage): string {
  return words({
    complete: request.complete,
    ended: request.readableEnded,
    destroyed: request.destroyed,
    aborted: request.aborted,
    closed: request.closed,
    errored: request.errored !== null && request.errored !== undefined,
  })
}

export function responseState(response: ServerResponse): string {
  return words({
    headersSent: response.headersSent,
    ended: response.writableEnded,
    finished: response.writableFinished,
    destroyed: response.destroyed,
    closed: (response as { closed?: boolean }).closed,
    errored: (response as { errored?: unknown }).errored != null,
    needDrain: response.writableNeedDrain,
    socket: response.socket !== null,
  })
}

function words(flags: Record<string, boolean | undefined>): string {
  return Object.keys(flags)
    .filter((name) => flags[name] === true)
    .join(',')
}

/** An error's code, or its message. */
export function errorText(error: unknown): string {
  if (error === null || error === undefined) return 'none'
  const { code, message } = error as { code?: string; message?: string }
  return code ?? message ?? String(error)
}
