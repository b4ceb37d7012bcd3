/** One request on a connection of its own. */
import { openLink } from './link.ts'
import {
  checkTarget,
  DEFAULT_CONNECT_TIMEOUT,
  type RequestOptions,
  wholeNumber,
} from './options.ts'
import { prepareRequest } from './prepare.ts'
import type { ClientResponse } from './response.ts'

/**
 * Asks a FastCGI application, on a connection that is closed afterwards.
 *
 * ```js
 * const response = await request({ socketPath: '/run/app.sock', path: '/health' })
 * console.log(response.status, await response.text())
 * ```
 *
 * @returns once the head of the response has come; the body is a stream
 * @throws {TypeError | RangeError} for options that make no request
 * @throws {ClientError} when there is no connection or no proper answer
 * @throws the reason of `signal` when it aborts
 */
export async function request(options: RequestOptions): Promise<ClientResponse> {
  const target = checkTarget(options)
  const prepared = prepareRequest(options)
  const timeout = wholeNumber('connectTimeout', options.connectTimeout, DEFAULT_CONNECT_TIMEOUT)
  const link = await openLink(target, timeout, prepared.signal)
  return link.run(prepared, false)
}
