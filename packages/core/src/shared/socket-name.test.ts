import { describe, expect, it } from 'vitest'
import { socketName } from './socket-name.ts'

describe('socketName', () => {
  it('is one for the same app, and another for another script or setting', () => {
    const name = socketName('/srv/app.fcgi', { PATH: '/bin', NODE_ENV: 'production' })
    expect(name).toMatch(/^[0-9a-f]{16}$/)
    expect(socketName('/srv/app.fcgi', { NODE_ENV: 'production', PATH: '/bin' })).toBe(name)
    expect(socketName('/srv/app.fcgi', { PATH: '/bin', NODE_ENV: 'test' })).not.toBe(name)
    expect(socketName('/srv/b.fcgi', { PATH: '/bin', NODE_ENV: 'production' })).not.toBe(name)
  })

  it('does not depend on what differs from start to start', () => {
    const name = socketName('/srv/app.fcgi', { PATH: '/bin' })
    const volatile = { PATH: '/bin', INVOCATION_ID: '1', SHLVL: '2', H2O_ROOT: '/', _: '/bin/node' }
    expect(socketName('/srv/app.fcgi', volatile)).toBe(name)
  })

  it('is another one for each of many that differ by little', () => {
    const names = Array.from({ length: 20_000 }, (_, i) => socketName(`/srv/${i}/app.fcgi`, {}))
    expect(new Set(names).size).toBe(names.length)
    // Each half is as good as chance: 20,000 of 2^32 meet 0.05 times.
    for (const half of [
      names.map((name) => name.slice(0, 8)),
      names.map((name) => name.slice(8)),
    ]) {
      expect(names.length - new Set(half).size).toBeLessThan(5)
    }
  })
})
