/** Why a gateway does not start. */

/** The codes of {@link GatewayError}. */
export type GatewayErrorCode =
  /** NODE_ENV is `production`. */
  | 'FCGI_GATEWAY_PRODUCTION'
  /** The port is taken, or may not be bound; see `cause`. */
  | 'FCGI_GATEWAY_PORT'

/** The gateway cannot start; the message says what to do. */
export class GatewayError extends Error {
  override readonly name: string = 'GatewayError'
  /** Stable: compare this, not the message. */
  readonly code: GatewayErrorCode

  constructor(code: GatewayErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
