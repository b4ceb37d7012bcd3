/** Every scenario on node:http and over FastCGI: nothing may differ but what is named. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { overrideProbe } from '../../../packages/core/src/http/node-private.ts'
import { differences, type Difference } from './differences.ts'
import { FastcgiSide } from './fastcgi-side.ts'
import { HttpSide } from './http-side.ts'
import { Stage } from './run.ts'
import type { Observation } from './scenario.ts'
import { scenarios } from './scenarios.ts'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

function isSince([leastMajor, leastMinor]: readonly [number, number]): boolean {
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
}

const passes = [
  { name: 'on a kept connection', kept: true, hook: true },
  { name: 'each on a connection of its own', kept: false, hook: true },
  { name: 'without the private hook of Node', kept: true, hook: false },
]

describe.each(passes)('scenarios $name', ({ kept, hook }) => {
  const httpStage = new Stage()
  const fastcgiStage = new Stage()
  let http: HttpSide
  let fastcgi: FastcgiSide

  beforeAll(async () => {
    if (!hook) overrideProbe({ hook: false, needDrain: undefined })
    http = await HttpSide.start(httpStage.listener, { kept })
    fastcgi = await FastcgiSide.start(fastcgiStage.listener, { kept })
  })

  afterAll(async () => {
    await http.close()
    await fastcgi.close()
    overrideProbe(undefined)
  })

  it.each(
    scenarios.filter((each) => isSince(each.since ?? [0, 0]) && (kept || each.kept !== true)),
  )('$name', async (scenario) => {
    const expected = await httpStage.run(scenario, http)
    const actual = await fastcgiStage.run(scenario, fastcgi)
    const listed: readonly Difference[] = (scenario.differs ?? []).map((name) => differences[name])
    const without = (observation: Observation): Observation =>
      listed.reduce((left, difference) => difference.without(left), observation)
    expect(without(actual)).toEqual(without(expected))
    for (const name of scenario.differs ?? []) {
      const difference: Difference = differences[name]
      if (difference.sometimes === true) continue
      const others = listed.filter((each) => each !== difference)
      const rest = (observation: Observation): Observation =>
        others.reduce((left, each) => each.without(left), observation)
      expect(rest(actual), `"${name}" shows no more: take it from the list`).not.toEqual(
        rest(expected),
      )
    }
  })
})
