import { describe, expect, it } from 'vitest'
import { probe } from './node-private.ts'

describe('probe', () => {
  // Where this fails a new Node has moved one of the names: requests are still served, by the text fallback, but dearer.
  it('finds on this Node all that the fast way needs', () => {
    const { hook, needDrain } = probe()
    expect(hook).toBe(true)
    expect(needDrain?.description).toBe('kNeedDrain')
  })
})
