/** Asks an application what it can do (GET_VALUES, §4.1); also the lightest sign of life there is. */
import { ClientConnection } from '../protocol/client-connection.ts'
import { getValues as getValuesRecord } from '../protocol/record-writer.ts'
import { ClientError, ClientErrorCode } from './errors.ts'
import { openStream } from './link.ts'
import { checkTarget, DEFAULT_CONNECT_TIMEOUT, type Target, wholeNumber } from './options.ts'

/** Options of {@link getValues}. */
export interface GetValuesOptions extends Target {
  /** Variables to ask for. Default: FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS. */
  names?: readonly string[]
  /** Longest wait for the connection, and again for the answer, in milliseconds. Default 10000. 0: none. */
  timeout?: number
  /** Gives up; the reason is thrown. */
  signal?: AbortSignal
}

const NAMES = ['FCGI_MAX_CONNS', 'FCGI_MAX_REQS', 'FCGI_MPXS_CONNS']

/**
 * Asks for variables of the application.
 *
 * @returns the values of those names that the application knows
 * @throws {ClientError} FCGI_CONNECT, FCGI_TIMEOUT (php-fpm and others never answer in some states), FCGI_CLOSED
 */
export async function getValues(options: GetValuesOptions): Promise<ReadonlyMap<string, string>> {
  const target = checkTarget(options)
  const timeout = wholeNumber('timeout', options.timeout, DEFAULT_CONNECT_TIMEOUT)
  const stream = await openStream(target, timeout, options.signal)
  const protocol = new ClientConnection<undefined>()
  let timer: NodeJS.Timeout | undefined
  let onAbort: (() => void) | undefined
  try {
    return await new Promise((resolve, reject) => {
      const closed = (cause?: unknown): void =>
        reject(
          new ClientError(ClientErrorCode.Closed, 'The connection closed before the values came', {
            cause,
          }),
        )
      onAbort = () => reject(options.signal?.reason as Error)
      options.signal?.addEventListener('abort', onAbort, { once: true })
      if (timeout > 0) {
        timer = setTimeout(() => {
          reject(
            new ClientError(
              ClientErrorCode.Timeout,
              `No answer to GET_VALUES within ${timeout} ms`,
            ),
          )
        }, timeout)
      }
      stream.on('error', closed)
      stream.on('end', closed)
      stream.on('close', closed)
      stream.on('data', (chunk: Buffer) => {
        for (const event of protocol.receive(chunk)) {
          if (event.type === 'values') resolve(event.values)
          else if (event.type === 'error') {
            const message = `What came is not FastCGI: ${event.error.message}`
            reject(new ClientError(ClientErrorCode.Protocol, message, { cause: event.error }))
          }
        }
      })
      stream.write(getValuesRecord(options.names ?? NAMES))
    })
  } finally {
    clearTimeout(timer)
    if (onAbort !== undefined) options.signal?.removeEventListener('abort', onAbort)
    stream.destroy()
  }
}
