import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { Finished } from './log-fields.ts'
import { logFormat } from './log-format.ts'

function finished(more: {
  readonly url?: string
  readonly user?: string
  readonly params?: Record<string, string>
  readonly headers?: Record<string, string>
}): Finished {
  const { url = '/a/b?c=d', user, params = {}, headers = {} } = more
  return {
    request: {
      method: 'POST',
      url,
      httpVersion: '1.1',
      headers: { 'content-length': '12' },
      fastcgi: { params, remoteUser: user },
    } as unknown as IncomingMessage,
    response: { getHeader: (name: string) => headers[name] } as unknown as ServerResponse,
    startedAt: Date.UTC(2026, 10, 28, 9, 5, 7, 89),
    duration: 1234.5678,
    status: 201,
    aborted: false,
    bytes: 42,
    remoteAddress: '192.0.2.7',
    id: 'x1',
  }
}

describe('logFormat', () => {
  it('knows the letters of php-fpm’s access.format', () => {
    const line = logFormat('%R - %u %t "%m %r%Q%q" %s')
    expect(line(finished({}))).toBe('192.0.2.7 - - 28/Nov/2026:09:05:07 +0000 "POST /a/b?c=d" 201')
    expect(line(finished({ url: '/a', user: 'ann' }))).toBe(
      '192.0.2.7 - ann 28/Nov/2026:09:05:07 +0000 "POST /a" 201',
    )
  })

  it('knows durations, sizes, ids, variables of the web server, headers of the response, per cent', () => {
    const line = logFormat(
      '%d %{seconds}d %{milliseconds}d %{micro}d %l %b %L %H %{SERVER_NAME}e %{X-A}o %{iso}t 100%%',
    )
    const given = { params: { SERVER_NAME: 'example.org' }, headers: { 'X-A': 'one' } }
    expect(line(finished(given))).toBe(
      '1.235 1.235 1234.568 1234568 12 42 x1 HTTP/1.1 example.org one 2026-11-28T09:05:07.089Z 100%',
    )
    expect(logFormat('%p')(finished({}))).toBe(String(process.pid))
    expect(logFormat('%{NONE}e %{None}o')(finished({}))).toBe('- -')
  })

  it('lets nothing a client or app wrote end a field, bare or quoted, or the line', () => {
    const line = logFormat('%u [%r] "%r" "%q" %{UA}e "%{UA}e" %{X}o')
    const text = line(
      finished({
        url: '/a b"]\n1?x=" 200',
        user: 'a b',
        params: { UA: 'say "hi"\\\u001b[31m' },
        headers: { X: 'a\u2028b' },
      }),
    )
    expect(text).toBe(
      'a\\x20b [/a\\x20b\\x22\\x5d\\x0a1] "/a b\\x22]\\x0a1" "x=\\x22 200" ' +
        'say\\x20\\x22hi\\x22\\x5c\\x1b\\x5b31m "say \\x22hi\\x22\\x5c\\x1b[31m" a\\u2028b',
    )
  })

  it.each([
    ['%z', '%z'],
    ['%r %', '%'],
    ['%{%Y}t', '%{%Y}t'],
    ['%{fortnights}d', '%{fortnights}d'],
    ['%{constructor}d', '%{constructor}d'],
    ['%{}e', '%{}e'],
    ['%{A}x', '%{A}x'],
  ])('names what it does not know: %s', (format, unknown) => {
    expect(() => logFormat(format)).toThrow(`option accessLog: unknown ${unknown} in`)
  })

  it('is one line', () => {
    expect(() => logFormat('%r\n%s')).toThrow(/one line of printable ASCII/)
  })
})
