// Pages and log lines for a request the app could not answer: it failed to load, or a handler threw.
import type { IncomingMessage } from 'node:http'
import { isNullDevice } from './descriptor.ts'
import type { Refusal } from './gate.ts'
import { describeError, logLines } from './log.ts'

/** HAProxy's log takes 1024 bytes a line; others cut as well. */
const maxStderrLine = 1000

/** Makes a page for a developer; see `gateway/failure-page.ts`. */
export type FailurePage = (
  status: number,
  error: unknown,
  request: {
    readonly method: string
    readonly url: string
    readonly params: Readonly<Record<string, string | undefined>>
  },
) => string

/**
 * The page when the app could not be loaded.
 *
 * @param page given in development: the answer then tells what the log tells, a browser gets this page
 * @param reference what the log names this failure by
 */
export function failedLoad(
  error: unknown,
  page: FailurePage | undefined,
  reference: string,
): Refusal {
  return refusal(
    503,
    `The application could not be started. The reason is in the error log: look for ${reference}.`,
    error,
    page,
  )
}

/** What a page and a log have in common, so that the one can be found by the other: eight hexadecimal digits. */
export function newReference(): string {
  const number = Math.floor(Math.random() * 2 ** 32)
  return number.toString(16).padStart(8, '0')
}

/** The page when a handler threw; see {@link failedLoad}. */
export function failedHandler(
  error: unknown,
  page: FailurePage | undefined,
  reference: string,
): Refusal {
  return refusal(
    500,
    `The application failed to answer. The reason is in the error log: look for ${reference}.`,
    error,
    page,
  )
}

function refusal(
  status: number,
  text: string,
  error: unknown,
  page: FailurePage | undefined,
): Refusal {
  return {
    status,
    text: page ? `${text}\n\n${describeError(error)}` : text,
    page: page && ((request) => page(status, error, described(request))),
    stderr: (request) => (takesStderr(request) ? stderrLines(describeError(error)) : []),
  }
}

function described(request: IncomingMessage): Parameters<FailurePage>[2] {
  const { method = '', url = '', fastcgi } = request
  return { method, url, params: fastcgi.params }
}

/**
 * Whether the error must go through the connection: where descriptor 2 leads nowhere (lighttpd) it is the only way to an
 * error log. Never to HAProxy, whose 2.6 crashes on it.
 */
function takesStderr(request: IncomingMessage): boolean {
  return isNullDevice(2) && !/^haproxy/i.test(request.fastcgi.params.SERVER_SOFTWARE ?? '')
}

function stderrLines(text: string): string[] {
  return logLines(text).flatMap((line) => {
    const bytes = Buffer.from(line)
    const parts: string[] = []
    for (let start = 0; start < bytes.length; start += maxStderrLine) {
      parts.push(bytes.toString('utf8', start, start + maxStderrLine))
    }
    return parts
  })
}
