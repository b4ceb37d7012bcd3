/** All scenarios. */
import type { Scenario } from './scenario.ts'
import { requestScenarios } from './scenarios/requests.ts'

export const scenarios: readonly Scenario[] = [...requestScenarios]
