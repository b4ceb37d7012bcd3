import { describe, expect, it } from 'vitest'
import { accessRule, addressTest } from './addresses.ts'

describe('addressTest', () => {
  const cases: [list: string[], address: string, on: boolean][] = [
    [['192.0.2.1'], '192.0.2.1', true],
    [['192.0.2.1'], '192.0.2.2', false],
    [[' 192.0.2.1 '], '192.0.2.1', true],
    [['192.0.2.1'], '::ffff:192.0.2.1', true],
    [['192.0.2.1'], '::FFFF:192.0.2.1', true],
    [['::ffff:192.0.2.1'], '192.0.2.1', true],
    [['::ffff:192.0.2.0/120'], '192.0.2.77', true],
    [['::ffff:192.0.2.0/120'], '192.0.3.77', false],
    [['192.0.2.0/24'], '192.0.2.255', true],
    [['192.0.2.0/24'], '192.0.3.0', false],
    [['0.0.0.0/0'], '203.0.113.9', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['2001:db8::1'], '2001:db8:0:0::1', true],
    [['2001:db8::/32'], '2001:db8:ffff::1', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['fe80::1'], 'fe80::1%eth0', true],
    [[], '127.0.0.1', false],
    [['127.0.0.1'], '', false],
    [['127.0.0.1'], 'localhost', false],
  ]
  it.each(cases)('%j and %s: %s', (list, address, on) => {
    expect(addressTest(list, 'list')(address)).toBe(on)
  })

  it.each([
    'localhost',
    '',
    '192.0.2.1/33',
    '192.0.2.1/',
    '192.0.2.1/x',
    '192.0.2',
    '::1/129',
    '::ffff:1.2.3.4/95',
  ])('refuses %j', (entry) => {
    expect(() => addressTest([entry], 'option allow')).toThrow(/^option allow: /)
  })
})

describe('accessRule', () => {
  const tcp = (remoteAddress: string) => ({ remoteAddress })
  const unix = {}

  it('admits everybody when nothing is set', () => {
    for (const blank of [undefined, '', '  ']) {
      const rule = accessRule(undefined, blank)
      expect([rule.admits(tcp('192.0.2.9')), rule.admits(unix), rule.warnings]).toEqual([
        true,
        true,
        [],
      ])
    }
  })

  it('holds TCP peers to FCGI_WEB_SERVER_ADDRS, blanks and mapped addresses included, and refuses unix sockets', () => {
    const rule = accessRule(undefined, ' 127.0.0.2 , 192.0.2.1')
    expect(rule.admits(tcp('127.0.0.2'))).toBe(true)
    expect(rule.admits(tcp('::ffff:192.0.2.1'))).toBe(true)
    expect(rule.admits(tcp('127.0.0.1'))).toBe(false)
    expect(rule.admits(unix)).toBe(false)
    expect(rule.warnings).toEqual([])
  })

  it('reports a malformed entry and admits the others only', () => {
    const rule = accessRule(undefined, 'web.example,127.0.0.2,,10.0.0.0/8')
    expect(rule.admits(tcp('127.0.0.2'))).toBe(true)
    expect(rule.admits(tcp('10.1.1.1'))).toBe(false)
    expect(rule.warnings).toHaveLength(2)
  })

  it('refuses everybody when the variable names no address at all', () => {
    const rule = accessRule(undefined, 'nonsense')
    expect(rule.admits(tcp('127.0.0.1'))).toBe(false)
    expect(rule.warnings.join()).toContain('every connection is refused')
  })

  it('holds TCP peers to allow and leaves unix sockets to their file mode', () => {
    const rule = accessRule(['192.0.2.0/24'], undefined)
    expect([
      rule.admits(tcp('192.0.2.9')),
      rule.admits(tcp('127.0.0.1')),
      rule.admits(unix),
    ]).toEqual([true, false, true])
  })

  it('asks for both where both are set', () => {
    const rule = accessRule(['127.0.0.0/8'], '127.0.0.2,192.0.2.1')
    expect([
      rule.admits(tcp('127.0.0.2')),
      rule.admits(tcp('127.0.0.1')),
      rule.admits(tcp('192.0.2.1')),
    ]).toEqual([true, false, false])
  })
})
