// Everything about watching that a process has: logs, figures, and who answers for the status.
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import type { Log } from '../log.ts'
import type { Server } from '../server.ts'
import { accessLine } from './access-log.ts'
import { FigureTaker } from './figures.ts'
import { openLines, type Lines, type LineTarget } from './lines.ts'
import { Observer } from './observer.ts'
import { resolveObserveOptions, type ObserveOptions } from './options.ts'
import { markConsole } from './request-id.ts'
import { addUp, answerStatus, type Status } from './status.ts'

/** Milliseconds: what counts as slow on a status page where `slowLog` does not say. */
const slowByDefault = 5000

/** The watch over one process that serves. */
export class Observation {
  readonly figures: FigureTaker
  readonly #observer: Observer
  readonly #lines: readonly Lines[]

  /**
   * @param status where the status is known; default: in this process, which is then the only one
   * @throws TypeError or RangeError for an option that cannot be
   */
  constructor(
    server: Server,
    options: ObserveOptions,
    log: Log,
    status?: () => Promise<Status> | Status,
  ) {
    const { ping, statusSecret, accessLog, slowLog, requestIds, ...resolved } =
      resolveObserveOptions(options)
    const figures = new FigureTaker(server, true)
    const lines: Lines[] = []
    const open = (target: LineTarget): Lines => {
      const opened = openLines(target, (message) => log.write(message))
      lines.push(opened)
      return opened
    }
    const wantsStatus = resolved.status !== undefined || statusSecret !== undefined
    const toLog: Lines = { write: (line) => log.write(line), reopen: () => {} }
    this.figures = figures
    this.#observer = new Observer({
      ping,
      status:
        statusSecret === undefined
          ? undefined
          : {
              secret: statusSecret,
              answer: statusAnswer(status ?? (() => this.status())),
            },
      requestIds,
      accessLog: accessLog && {
        line: accessLine(accessLog.format),
        lines: open(accessLog.to),
      },
      slow:
        slowLog || wantsStatus
          ? {
              threshold: slowLog?.threshold ?? slowByDefault,
              lines: slowLog && (slowLog.to === undefined ? toLog : open(slowLog.to)),
              note: (request) => figures.slow(request),
            }
          : undefined,
    })
    this.#lines = lines
    if (requestIds) markConsole()
    this.#observer.watch(server)
  }

  /** The app is loaded; `emitter` is a server that it brought along. */
  loaded(emitter: HttpServer | undefined): void {
    if (emitter) this.#observer.watch(emitter)
    this.#observer.loaded()
  }

  /** Opens log files anew. */
  reopen(): void {
    for (const lines of this.#lines) lines.reopen()
  }

  /** The status of a process that has no others beside it. */
  status(): Status {
    const figures = this.figures.take()
    return addUp({ processes: [{ pid: process.pid, state: 'ready', figures }] })
  }
}

/** A listener that answers every request with the status. */
export function statusAnswer(
  status: () => Promise<Status> | Status,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    Promise.resolve(status()).then(
      (known) => answerStatus(request, response, known),
      (error: unknown) => {
        response.statusCode = 503
        response.setHeader('Content-Type', 'text/plain; charset=utf-8')
        response.end(`The status is not known: ${(error as Error).message}\n`)
      },
    )
  }
}
