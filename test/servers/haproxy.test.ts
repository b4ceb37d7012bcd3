/** The conformance cases through haproxy, with the files of examples/servers/haproxy. */
import { describeConformance } from './conformance.ts'
import { haproxy, haproxySetups } from './programs/haproxy.ts'

describeConformance(haproxy, haproxySetups)
