/** The conformance cases through caddy, with the files of examples/servers/caddy. */
import { describeConformance } from './conformance.ts'
import { caddy, caddySetups } from './programs/caddy.ts'

describeConformance(caddy, caddySetups)
