/** All scenarios. */
import type { Scenario } from './scenario.ts'
import { abortScenarios } from './scenarios/aborts.ts'
import { bodyScenarios } from './scenarios/bodies.ts'
import { requestScenarios } from './scenarios/requests.ts'
import { responseScenarios } from './scenarios/responses.ts'
import { surroundingScenarios } from './scenarios/surroundings.ts'
import { usageScenarios } from './scenarios/usage.ts'

export const scenarios: readonly Scenario[] = [
  ...requestScenarios,
  ...bodyScenarios,
  ...responseScenarios,
  ...abortScenarios,
  ...surroundingScenarios,
  ...usageScenarios,
]
