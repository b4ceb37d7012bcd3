import { STATUS_CODES } from 'node:http'
import { describe, expect, it } from 'vitest'
import { errorPage, reasonPhrase, statusLine } from './response-head.ts'

describe('statusLine', () => {
  it('has a reason always', () => {
    expect(statusLine(200, 'OK')).toBe('Status: 200 OK\r\n')
    expect(statusLine(404, '')).toBe('Status: 404 Not Found\r\n')
    expect(statusLine(404, 'Gone Fishing')).toBe('Status: 404 Gone Fishing\r\n')
    expect(statusLine(299, '')).toBe('Status: 299 Unknown\r\n')
    expect(statusLine(500, ' \t\r\n')).toBe('Status: 500 Internal Server Error\r\n')
  })

  it('cannot become two lines, nor hold what is not latin1', () => {
    expect(statusLine(200, 'a\r\nSet-Cookie: x')).toBe('Status: 200 a Set-Cookie: x\r\n')
    expect(statusLine(200, 'a\0b\x7fc\nd')).toBe('Status: 200 a b c d\r\n')
    expect(statusLine(200, 'gr\xfcn € 😀')).toBe('Status: 200 gr\xfcn ? ??\r\n')
    for (let code = 0; code < 0x300; code++) {
      expect(statusLine(200, 'a' + String.fromCharCode(code) + 'b')).toMatch(
        /^Status: 200 [\t\x20-\x7e\x80-\xff]+\r\n$/,
      )
    }
  })

  it('knows the reasons node:http knows', () => {
    for (const [status, reason] of Object.entries(STATUS_CODES)) {
      expect(reasonPhrase(Number(status))).toBe(reason)
    }
  })
})

describe('errorPage', () => {
  it('is a CGI response with Status last and a length that is right', () => {
    const { head, body } = errorPage(503)
    expect(head).toMatch(/^(?:[A-Z][\w-]+: [^\r\n]+\r\n)+\r\n$/)
    expect(head).toMatch(/\r\nStatus: 503 Service Unavailable\r\n\r\n$/)
    expect(head).toContain('Content-Type: text/html; charset=utf-8\r\n')
    expect(head).toContain('Cache-Control: no-store\r\n')
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}\r\n`)
    expect(body).toContain('<h1>Service Unavailable</h1>')
    expect(body.length).toBeLessThan(600)
  })

  it('says nothing about the software', () => {
    for (const status of [400, 408, 431, 500, 502, 503, 504]) {
      const { head, body } = errorPage(status)
      expect(head + body).not.toMatch(/node|fastcgi|express/i)
    }
  })

  it('shows detail and reference', () => {
    const { body } = errorPage(500, 'Not today', 'The application could not be started.', 'a1b2')
    expect(body).toContain('<title>500 Not today</title>')
    expect(body).toContain('<p>The application could not be started.</p>')
    expect(body).toContain('500 &middot; a1b2')
  })

  it('escapes everything and stays ASCII', () => {
    const evil = '<script>alert("1")</script>&\'\0\x85\ud800é😀\u2028'
    const { head, body } = errorPage(500, evil, evil, evil, evil)
    expect(body).not.toContain('<script')
    expect(body).toMatch(/^[\n\x20-\x7e]*$/)
    expect(body).toContain(
      '&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#38;&#39;???&#233;&#128512;&#8232;',
    )
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}\r\n`)
  })

  it('keeps the lines of a trace', () => {
    expect(errorPage(500, '', '', '', 'Error: a\n\tat b').body).toContain(
      '<pre>Error: a\n\tat b</pre>',
    )
  })
})
