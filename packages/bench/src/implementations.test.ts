import { afterEach, expect, test, vi } from 'vitest'
import { IMPLEMENTATIONS } from './implementations.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

test.each(['go', 'php-fpm', 'libfcgi', 'passenger'])(
  'where %s is not installed, that is what is said of it, with the package to install',
  (id) => {
    vi.stubEnv('PATH', '/nowhere')
    const found = IMPLEMENTATIONS.find((one) => one.id === id)?.detect()
    expect(found).toEqual({ missing: expect.stringMatching(/^not installed \([a-z-]+\)$/) })
  },
)
