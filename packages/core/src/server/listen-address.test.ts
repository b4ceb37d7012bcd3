import { describe, expect, it } from 'vitest'
import {
  exposureWarning,
  formatListenAddress,
  isLoopback,
  parseListenAddress,
  type ListenAddress,
} from './listen-address.ts'

describe('parseListenAddress', () => {
  const tcp = (host: string, port: number): ListenAddress => ({ type: 'tcp', host, port })
  const cases: [written: string | number, address: ListenAddress, formatted: string][] = [
    ['/run/app.sock', { type: 'unix', path: '/run/app.sock' }, '/run/app.sock'],
    [' /run/app.sock ', { type: 'unix', path: '/run/app.sock' }, '/run/app.sock'],
    ['./app.sock', { type: 'unix', path: './app.sock' }, './app.sock'],
    ['/run/app:9000', { type: 'unix', path: '/run/app:9000' }, '/run/app:9000'],
    ['unix:app.sock', { type: 'unix', path: 'app.sock' }, 'app.sock'],
    ['unix:/run/app.sock', { type: 'unix', path: '/run/app.sock' }, '/run/app.sock'],
    ['unix:///run/app.sock', { type: 'unix', path: '/run/app.sock' }, '/run/app.sock'],
    ['@app', { type: 'abstract', path: '\0app' }, '@app'],
    ['\0app', { type: 'abstract', path: '\0app' }, '@app'],
    ['unix:@app', { type: 'abstract', path: '\0app' }, '@app'],
    [':9000', tcp('127.0.0.1', 9000), '127.0.0.1:9000'],
    ['9000', tcp('127.0.0.1', 9000), '127.0.0.1:9000'],
    [9000, tcp('127.0.0.1', 9000), '127.0.0.1:9000'],
    ['192.0.2.1:0', tcp('192.0.2.1', 0), '192.0.2.1:0'],
    ['[::1]:9000', tcp('::1', 9000), '[::1]:9000'],
    ['app.example:9000', tcp('app.example', 9000), 'app.example:9000'],
    ['*:9000', tcp('::', 9000), '[::]:9000'],
    ['fd:0', { type: 'fd', fd: 0 }, 'fd:0'],
    ['fd:12', { type: 'fd', fd: 12 }, 'fd:12'],
  ]
  it.each(cases)('%j', (written, address, formatted) => {
    expect(parseListenAddress(written)).toEqual(address)
    expect(formatListenAddress(address)).toBe(formatted)
  })

  it.each([
    '',
    ' ',
    'unix:',
    '@',
    'app.sock',
    ':65536',
    ':-1',
    '::1:9000',
    '[127.0.0.1]:9000',
    'a b:9000',
    'fd:',
    'fd:x',
    'fd:-1',
    '/run/a\0b',
    'http://127.0.0.1:',
    -1,
    1.5,
  ])('refuses %j', (written) => {
    expect(() => parseListenAddress(written)).toThrow(
      expect.objectContaining({ code: 'FCGI_LISTEN_ADDRESS' }),
    )
  })

  it('counts the path in bytes: 107 pass, 108 do not', () => {
    expect(parseListenAddress(`/${'a'.repeat(106)}`)).toMatchObject({ type: 'unix' })
    expect(() => parseListenAddress(`/${'a'.repeat(107)}`)).toThrow(/107 bytes, this one has 108/)
    expect(() => parseListenAddress(`/${'ä'.repeat(54)}`)).toThrow(/107 bytes, this one has 109/)
    expect(() => parseListenAddress(`@${'a'.repeat(107)}`)).toThrow(/107 bytes/)
  })
})

describe('exposureWarning', () => {
  it('speaks of TCP beyond loopback unless a list guards it', () => {
    const open = parseListenAddress('*:9000')
    expect(exposureWarning(open, false)).toMatch(/no authentication.*allow/)
    expect(exposureWarning(open, true)).toBeUndefined()
    for (const local of [':9000', '[::1]:9000', 'localhost:9000', '/run/app.sock', 'fd:3']) {
      expect(exposureWarning(parseListenAddress(local), false)).toBeUndefined()
    }
  })

  it('speaks of abstract sockets, which have no mode', () => {
    expect(exposureWarning(parseListenAddress('@app'), true)).toMatch(/^@app has no file mode/)
  })
})

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost', 'LOCALHOST', '::ffff:127.0.0.1'])(
    '%s is',
    (host) => expect(isLoopback(host)).toBe(true),
  )
  it.each(['0.0.0.0', '::', '192.0.2.1', '127.example.com', '1270.0.0.1', ''])(
    '%j is not',
    (host) => expect(isLoopback(host)).toBe(false),
  )
})
