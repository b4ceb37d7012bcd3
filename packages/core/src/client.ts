/**
 * The public names of `@fastcgi/core/client`: the web server's side of FastCGI, for health checks, tests and tools.
 */
export { ClientError, ClientErrorCode, type ClientErrorDetails } from './client/errors.ts'
export type {
  PoolOptions,
  RequestBody,
  RequestHeaders,
  RequestInit,
  RequestOptions,
  RequestParams,
  Target,
} from './client/options.ts'
export { Pool } from './client/pool.ts'
export { request } from './client/request.ts'
export { parseResponseHead, type ResponseHead } from './client/response-head.ts'
export { ClientResponse } from './client/response.ts'
export { getValues, type GetValuesOptions } from './client/values.ts'
