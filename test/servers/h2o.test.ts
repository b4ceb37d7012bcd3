/** The conformance cases through h2o, with the files of examples/servers/h2o. */
import { describeConformance } from './conformance.ts'
import { h2o, h2oSetups } from './programs/h2o.ts'

describeConformance(h2o, h2oSetups)
