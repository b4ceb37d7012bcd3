/**
 * What an app in production goes through, in seconds: see deploys.ts. `npm run test:long -- deploys` takes a minute, with
 * twenty reloads of four workers, and tells figures.
 */
import { describe, expect, it } from 'vitest'

import { deploys, ways, type Plan } from './deploys.ts'
import type { Tally } from './numbered-load.ts'

const long = process.env['FASTCGI_TEST_DEPLOYS'] !== undefined
const plan: Plan = long
  ? {
      workers: 4,
      reloads: Number(process.env['FASTCGI_TEST_DEPLOYS']),
      kills: 5,
      width: 4,
      pace: 2750,
      wrk: true,
    }
  : { workers: 2, reloads: 4, kills: 2, width: 2, pace: 0, wrk: true }

describe('deploys under load, a connection for each request', () => {
  it.each(ways.filter(({ kept }) => !kept))('lose nothing: $name', async (way) => {
    const alone = { workers: 2, reloads: 5, kills: 0, width: 16, pace: 0, wrk: false }
    const { ways: tallies, versions } = await deploys(alone, [way])
    const { well, ...rest } = tallies.get(way.name) as Tally
    expect(rest).toEqual({ killed: 0, windowGet: 0, windowPost: 0, repeated: 0, wrong: [] })
    expect(well).toBeGreaterThan(alone.width * alone.reloads)
    expect([...versions].sort()).toEqual(['v0', 'v1', 'v2', 'v3', 'v4', 'v5'])
  })
})

describe('deploys, kills and a broken deploy under load', () => {
  it('answer every request once and rightly, but for what a killed worker had and what FastCGI cannot close', async () => {
    const outcome = await deploys(plan)
    if (long) console.log(figures(outcome))
    for (const [name, { wrong, well, windowGet, windowPost, killed }] of outcome.ways) {
      expect(wrong, name).toEqual([])
      expect(well, name).toBeGreaterThan(plan.width * plan.reloads)
      // nginx and HAProxy send a GET again.
      expect(windowGet, name).toBeLessThanOrEqual(1)
      // At each reload what was sent in the moment in which a kept connection closed.
      expect(windowPost, name).toBeLessThanOrEqual(plan.reloads * plan.width)
      expect(killed, name).toBeLessThanOrEqual(plan.kills * plan.width)
    }
    expect(outcome.kills).toBe(plan.kills)
    for (let n = 0; n <= plan.reloads; n += 1) expect(outcome.versions).toContain(`v${n}`)
  }, 600_000)
})

function figures({
  ways,
  kills,
  beside,
  seconds,
  reloads,
}: Awaited<ReturnType<typeof deploys>>): string {
  const lines = [...ways].map(
    ([name, { well, killed, windowGet, windowPost, repeated, wrong }]) =>
      `${name}: ${well} well, ${repeated} sent again by the server, ${killed} lost with a killed worker, ` +
      `${windowGet} GET and ${windowPost} POST lost in the window, ${wrong.length} wrong`,
  )
  const sorted = reloads.toSorted((a, b) => a - b)
  const at = (part: number): string =>
    `${Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0)} ms`
  const head =
    `${plan.reloads} reloads, ${kills} kills, 1 failed deploy in ${seconds.toFixed(0)} s; ` +
    `a reload took ${at(0.5)}, the longest ${at(1)}`
  return [head, ...lines, ...beside].join('\n')
}
