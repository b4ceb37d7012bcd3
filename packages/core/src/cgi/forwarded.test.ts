import { describe, expect, it } from 'vitest'
import { headOptions } from '../../../../test/support/head-options.ts'
import { pair } from '../../../../test/support/raw.ts'
import { readRequestHead, type HeadOptions, type RequestHead } from './request-head.ts'

const request = [
  ['REQUEST_METHOD', 'GET'],
  ['REQUEST_URI', '/'],
  ['HTTP_HOST', 'www.example.com:8080'],
  ['REMOTE_ADDR', '192.0.2.7'],
  ['SERVER_PORT', '8080'],
] as const

function read(
  more: readonly (readonly [string, string])[],
  options: Partial<HeadOptions> = {},
): RequestHead {
  const list = [...request, ...more]
  return readRequestHead(Buffer.concat(list.map(([n, v]) => pair(n, v))), headOptions(options))
}

const forged = [
  ['HTTP_X_FORWARDED_FOR', '10.0.0.1'],
  ['HTTP_X_FORWARDED_PROTO', 'https'],
  ['HTTP_X_FORWARDED_HOST', 'evil.example'],
  ['HTTP_X_FORWARDED_PORT', '443'],
  ['HTTP_FORWARDED', 'for=10.0.0.1;host=evil.example;proto=https'],
] as const

describe('forwarding headers', () => {
  it('of a client are set right', () => {
    const { headers } = read(forged)
    expect(headers).toEqual({
      host: 'www.example.com:8080',
      'x-forwarded-for': '10.0.0.1, 192.0.2.7',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'www.example.com:8080',
      'x-forwarded-port': '8080',
      forwarded: 'for=192.0.2.7;host="www.example.com:8080";proto=http',
    })
  })

  it.each([
    '192.0.2.7\r\nX: y',
    '192.0.2.7, 10.0.0.9',
    '"192.0.2.7"',
    '1 2',
    '1;proto=https',
    '[::1]',
    'a@b',
    'a\\b',
  ])('take no REMOTE_ADDR that is no address: %j', (address) => {
    const { headers, remoteAddress } = read([...forged, ['REMOTE_ADDR', address]])
    expect(remoteAddress).toBeUndefined()
    expect(headers['x-forwarded-for']).toBe('10.0.0.1, unknown')
    expect(headers['forwarded']).toMatch(/^for=unknown;/)
  })

  it.each(['::1', '2001:db8::7', 'fe80::1%eth0', '::ffff:10.0.0.1', 'client.example'])(
    'know the address %s',
    (address) => {
      expect(read([['REMOTE_ADDR', address]]).remoteAddress).toBe(address)
    },
  )

  it('are set right in rawHeaders too, each name once', () => {
    const { rawHeaders } = read([...forged, ...forged])
    expect(rawHeaders).toEqual([
      'Host',
      'www.example.com:8080',
      'X-Forwarded-For',
      '10.0.0.1',
      'X-Forwarded-Proto',
      'http',
      'X-Forwarded-Host',
      'www.example.com:8080',
      'X-Forwarded-Port',
      '8080',
      'Forwarded',
      'for=192.0.2.7;host="www.example.com:8080";proto=http',
      'X-Forwarded-For',
      '10.0.0.1, 192.0.2.7',
    ])
    expect(read([...forged, ...forged]).headers['x-forwarded-for']).toBe(
      '10.0.0.1, 10.0.0.1, 192.0.2.7',
    )
  })

  it('are never invented', () => {
    expect(read([]).headers).toEqual({ host: 'www.example.com:8080' })
    expect(read([['HTTP_X_FORWARDED_FOR', '']]).headers['x-forwarded-for']).toBe('192.0.2.7')
    const one = read([['HTTP_X_FORWARDED_PROTO', 'https']]).headers
    expect(Object.keys(one)).toEqual(['host', 'x-forwarded-proto'])
  })

  it('say https when the server says so', () => {
    const { headers } = read([
      ['HTTPS', 'on'],
      ['HTTP_X_FORWARDED_PROTO', 'http'],
      ['HTTP_FORWARDED', 'proto=http'],
    ])
    expect(headers['x-forwarded-proto']).toBe('https')
    expect(headers['forwarded']).toContain('proto=https')
  })

  it('go where the server has nothing to say', () => {
    const list = [
      ['REQUEST_METHOD', 'GET'],
      ['REQUEST_URI', '/'],
      ['REMOTE_ADDR', 'unix:'],
      ...forged,
    ] as const
    const block = Buffer.concat(list.map(([n, v]) => pair(n, v)))
    const { headers, rawHeaders } = readRequestHead(block, headOptions())
    expect(headers).toEqual({
      'x-forwarded-for': '10.0.0.1, unknown',
      'x-forwarded-proto': 'http',
      forwarded: 'for=unknown;proto=http',
    })
    expect(rawHeaders.filter((_, i) => i % 2 === 0)).toEqual([
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'Forwarded',
    ])
  })

  it('quote an IPv6 address, and cannot be broken out of by a Host', () => {
    const six = read([
      ['REMOTE_ADDR', '2001:db8::1'],
      ['HTTP_FORWARDED', 'for=x'],
    ])
    expect(six.headers['forwarded']).toBe(
      'for="[2001:db8::1]";host="www.example.com:8080";proto=http',
    )
    const list = [
      ...request.filter(([name]) => name !== 'HTTP_HOST'),
      ['HTTP_HOST', 'a";proto=https'],
      ['HTTP_FORWARDED', 'for=x'],
    ] as const
    const { headers } = readRequestHead(
      Buffer.concat(list.map(([n, v]) => pair(n, v))),
      headOptions(),
    )
    expect(headers['forwarded']).toBe('for=192.0.2.7;proto=http')
  })

  it('of a trusted proxy pass unchanged', () => {
    const asked: string[] = []
    const trustedProxies = (address: string): boolean => asked.push(address) > 0
    const { headers } = read(forged, { trustedProxies })
    expect(headers['x-forwarded-for']).toBe('10.0.0.1')
    expect(headers['x-forwarded-proto']).toBe('https')
    expect(headers['x-forwarded-host']).toBe('evil.example')
    expect(headers['forwarded']).toBe('for=10.0.0.1;host=evil.example;proto=https')
    expect(asked).toEqual(['192.0.2.7'])
    expect(read([], { trustedProxies }).headers).toEqual({ host: 'www.example.com:8080' })
    expect(asked.length).toBe(1)
  })

  it('are recognised by what they become, however the param is spelled', () => {
    const { headers } = read([
      ['HTTP_X-FORWARDED-PROTO', 'https'],
      ['HTTP_x_forwarded_host', 'evil.example'],
    ])
    expect(headers['x-forwarded-proto']).toBe('http')
    expect(headers['x-forwarded-host']).toBe('www.example.com:8080')
  })
})
