/** Public names of @fastcgi/core. */
export { createServer, Server, type ServerStatistics } from './server/server.ts'
export type { Handler, ServerOptions } from './server/options.ts'
export { FastcgiRequest, type RoleName } from './http/fastcgi-request.ts'
export { ProtocolError, type ProtocolErrorCode } from './protocol/errors.ts'
