/** From what a caller asks for to what is sent. */
import { Role } from '../protocol/constants.ts'
import { toSource } from './body.ts'
import type { PreparedRequest } from './exchange.ts'
import {
  DEFAULT_MAX_HEADER_BYTES,
  DEFAULT_TIMEOUT,
  type RequestInit,
  wholeNumber,
} from './options.ts'
import { buildParams } from './params.ts'

const ROLES = {
  responder: Role.Responder,
  authorizer: Role.Authorizer,
  filter: Role.Filter,
} as const

/**
 * Checks the options of a request and makes its parts.
 *
 * @throws {TypeError | RangeError} for options that make no request
 */
export function prepareRequest(init: RequestInit): PreparedRequest {
  const body = toSource(init.body)
  const data = toSource(init.data)
  const role = init.role ?? 'responder'
  const roleNumber = typeof role === 'number' ? wholeNumber('role', role, 0) : ROLES[role]
  if (roleNumber === undefined || roleNumber > 65_535)
    throw new TypeError(`Not a role: ${String(role)}`)
  const params = buildParams(init, {
    body: Buffer.isBuffer(body) ? body.length : undefined,
    data: Buffer.isBuffer(data) ? data.length : undefined,
  })
  return {
    method: params.findLast(([name]) => name === 'REQUEST_METHOD')?.[1] ?? init.method ?? 'GET',
    role: roleNumber,
    params,
    body,
    data: roleNumber === Role.Filter ? (data ?? Buffer.alloc(0)) : undefined,
    destroyBody: init.destroyBody ?? true,
    timeout: wholeNumber('timeout', init.timeout, DEFAULT_TIMEOUT),
    maxHeaderBytes: wholeNumber('maxHeaderBytes', init.maxHeaderBytes, DEFAULT_MAX_HEADER_BYTES, 1),
    signal: init.signal,
    onStderr: init.onStderr,
    trace: init.trace,
  }
}
