/** The conformance cases through lighttpd, with the files of examples/servers/lighttpd. */
import { describeConformance } from './conformance.ts'
import { lighttpd, lighttpdSetups } from './programs/lighttpd.ts'

describeConformance(lighttpd, lighttpdSetups)
