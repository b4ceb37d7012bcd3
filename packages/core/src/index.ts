/** Public names of @fastcgi/core. */
export { createServer, Server, type ServerStatistics } from './server/server.ts'
export type { Handler, ServerOptions } from './server/options.ts'
export { FastcgiRequest, type RoleName } from './http/fastcgi-request.ts'
export { ProtocolError, type ProtocolErrorCode } from './protocol/errors.ts'
export { serve } from './server/serve.ts'
export {
  loadApp,
  isLoader,
  whyNoApp,
  type AppLoader,
  type AppModule,
  type RequestTaker,
} from './server/app.ts'
export { NoAppError } from './server/no-app.ts'
export type { AdapterOptions, ServeApp, ServeOptions } from './server/serve-options.ts'
export { currentRequestId } from './server/observe/request-id.ts'
export type {
  AccessLogOptions,
  ObserveOptions,
  SlowLogOptions,
  StatusOptions,
} from './server/observe/options.ts'
export type { LogTarget } from './server/log.ts'
export type { SocketFileOptions } from './server/unix-socket.ts'
export { findSharedHosts, type FoundHosts, type SharedHost } from './shared/find-hosts.ts'
export type { HostStatus, HostWorker } from './shared/greeting.ts'
export { ListenAddressError } from './server/listen-address.ts'
export { SocketFileError } from './server/unix-socket.ts'
export { ServeError } from './server/usage.ts'
