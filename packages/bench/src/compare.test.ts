import { describe, expect, it } from 'vitest'
import { regressions } from './compare.ts'
import { FIGURES, type Figures, type Measurement, type Results } from './results.ts'
import { spread, type Spread } from './statistics.ts'

function results(implementation: string, ratios: readonly number[]): Results {
  const all = Object.fromEntries(FIGURES.map((name) => [name, spread(ratios)])) as {
    [name in keyof Figures]: Spread
  }
  const one: Measurement = {
    caseId: 'hello',
    mode: 'nginx',
    implementation,
    unit: 'request',
    figures: all,
    ratios: all,
  }
  return { measurements: [one], circumstances: {} as Results['circumstances'] }
}

describe('regressions', () => {
  const recorded = results('ours-raw', [0.84, 0.85, 0.86])

  it('names a ratio that is worse by more than the noise', () => {
    const worse = regressions(results('ours-raw', [1.04, 1.05, 1.06]), recorded)
    expect(worse).toHaveLength(1)
    expect(worse[0]).toContain('ours-raw, hello, nginx: 1.05 × node:http, recorded 0.85')
  })

  it('says nothing about a difference inside the noise', () => {
    expect(regressions(results('ours-raw', [0.89, 0.9, 0.91]), recorded)).toEqual([])
    expect(regressions(results('ours-raw', [0.7, 1, 1.4]), recorded)).toEqual([])
  })

  it('does not watch rivals', () => {
    const theirs = results('go', [1, 1, 1])
    expect(regressions(results('go', [9, 9, 9]), theirs)).toEqual([])
  })
})
