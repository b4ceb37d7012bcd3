import { describe, expect, it } from 'vitest'
import { pairedRatio, spread } from './statistics.ts'

describe('spread', () => {
  it('gives median, quartiles and ends, whatever the order', () => {
    expect(spread([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 2, high: 4, min: 1, max: 5 })
  })

  it('takes the middle between two', () => {
    expect(spread([1, 2]).median).toBe(1.5)
  })

  it('leaves out rounds that were not run', () => {
    expect(spread([1, Number.NaN, 3]).median).toBe(2)
  })

  it('is NaN when there is nothing', () => {
    expect(spread([]).median).toBeNaN()
  })
})

describe('pairedRatio', () => {
  it('divides round by round, so that a slow moment of the machine cancels', () => {
    expect(pairedRatio([1, 10, 1], [2, 20, 2])).toMatchObject({ median: 0.5, min: 0.5, max: 0.5 })
  })

  it('leaves out a round that one of the two has not', () => {
    expect(pairedRatio([1, 9, 1], [2, Number.NaN, 2]).max).toBe(0.5)
  })
})
