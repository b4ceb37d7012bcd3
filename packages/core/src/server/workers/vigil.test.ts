import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Member } from './member.ts'
import { Vigil } from './vigil.ts'

let vigil: Vigil | undefined
let stood = 0

beforeEach(() => {
  vi.useFakeTimers()
  const now = performance.now.bind(performance)
  stood = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now() + stood)
})
afterEach(() => {
  vigil?.stop()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

interface Watched {
  readonly member: Member
  readonly kill: ReturnType<typeof vi.fn>
}

/** Watches a worker that gives no sign of life. */
function watch(
  settings: { hangTimeout?: number; loadTimeout?: number },
  state: Member['state'] = 'ready',
): Watched {
  const kill = vi.fn()
  const member = {
    pid: 1,
    state,
    lastBeat: performance.now(),
    worker: { process: { kill } },
  } as unknown as Member
  const silent = { log: () => {}, looked: () => {} }
  vigil = new Vigil(new Set([member]), {
    hangTimeout: 3000,
    loadTimeout: 10_000,
    ...silent,
    ...settings,
  })
  vigil.start()
  return { member, kill }
}

/** The primary gets no processor for so long: nothing of what is due is done. */
function standStill(milliseconds: number): void {
  stood += milliseconds
}

describe('Vigil', () => {
  it('kills one that gives no sign of life for so long', () => {
    const { kill } = watch({})
    vi.advanceTimersByTime(3000)
    expect(kill).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1000)
    expect(kill).toHaveBeenCalledWith('SIGKILL')
    expect(vigil?.hung).toBe(1)
  })

  it('leaves one alone that gives them', () => {
    const { member, kill } = watch({})
    for (let n = 0; n < 20; n += 1) {
      member.lastBeat = performance.now()
      vi.advanceTimersByTime(1000)
    }
    expect(kill).not.toHaveBeenCalled()
  })

  it('does not count a time in which the primary could not have heard it', () => {
    const { member, kill } = watch({})
    standStill(60_000)
    vi.advanceTimersByTime(1000)
    member.lastBeat = performance.now()
    vi.advanceTimersByTime(1000)
    expect(kill).not.toHaveBeenCalled()
  })

  it('kills one all the same where the primary is late each time', () => {
    const { kill } = watch({})
    for (let n = 0; n < 5; n += 1) {
      standStill(2500)
      vi.advanceTimersByTime(1000)
    }
    expect(kill).toHaveBeenCalledWith('SIGKILL')
  })

  it('gives one that loads its app the longer of the two times', () => {
    const { kill } = watch({}, 'starting')
    vi.advanceTimersByTime(10_000)
    expect(kill).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1000)
    expect(kill).toHaveBeenCalledOnce()
  })

  it('kills nobody with 0', () => {
    const { kill } = watch({ hangTimeout: 0 })
    vi.advanceTimersByTime(100_000)
    expect(kill).not.toHaveBeenCalled()
  })
})
