/**
 * The one list of HTTP cases. Every web server and mount style of `examples/servers/` runs it; what
 * one cannot do is said in the case, with the reason, by `not`.
 */
import { bodyCases } from './bodies.ts'
import type { HttpCase } from './case.ts'
import { requestCases } from './requests.ts'
import { responseCases } from './responses.ts'
import { targetCases } from './targets.ts'

export const cases: readonly HttpCase[] = [
  ...targetCases,
  ...requestCases,
  ...bodyCases,
  ...responseCases,
]
