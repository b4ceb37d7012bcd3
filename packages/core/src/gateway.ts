/** The public names of `@fastcgi/core/gateway`: HTTP in, FastCGI out, for development and tests. */
export { GatewayError, type GatewayErrorCode } from './gateway/errors.ts'
export { type Gateway, type GatewayOptions, startGateway } from './gateway/gateway.ts'
export { WEB_SERVERS, type WebServer } from './gateway/web-servers.ts'
