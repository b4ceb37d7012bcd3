/** The conformance cases through nginx, with the files of examples/servers/nginx. */
import { describeConformance } from './conformance.ts'
import { nginx, nginxSetups } from './programs/nginx.ts'

describeConformance(nginx, nginxSetups)
