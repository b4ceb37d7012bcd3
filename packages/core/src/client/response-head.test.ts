import { describe, expect, it } from 'vitest'
import { parseResponseHead, ResponseHeadReader } from './response-head.ts'

const code = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'none'
}

describe('parseResponseHead', () => {
  it.each([
    ['Status first', 'Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\n', 404, 'Not Found'],
    ['Status last', 'Content-Type: text/plain\r\nStatus: 201 Made\r\n\r\n', 201, 'Made'],
    ['Status in lower case', 'status: 500\r\n\r\n', 500, 'Internal Server Error'],
    ['Status in odd case, LF alone', 'X: y\nSTATUS:403   Go away\n\n', 403, 'Go away'],
    ['no Status', 'Content-Type: text/plain\r\n\r\n', 200, 'OK'],
    ['Location without Status', 'Location: /x\r\n\r\n', 302, 'Found'],
    ['Location with Status', 'Location: /x\r\nStatus: 201\r\n\r\n', 201, 'Created'],
    ['a status line, as lighttpd takes it', 'HTTP/1.1 418 Teapot\r\nX: y\r\n\r\n', 418, 'Teapot'],
    ['an unusual status without reason', 'Status: 299\n\n', 299, ''],
  ])('%s', (_, text, status, statusText) => {
    const head = parseResponseHead(text)
    expect([head.status, head.statusText]).toEqual([status, statusText])
    expect(head.headers['status']).toBeUndefined()
  })

  it('keeps Set-Cookie lines apart, joins other repeated fields, trims values, and keeps the order', () => {
    const head = parseResponseHead(
      'Set-Cookie: a=1\r\nX-A:  1\t\r\nset-cookie: b=2\r\nx-a: 2\r\nStatus: 200 OK\r\n\r\n',
    )
    expect({ ...head.headers }).toEqual({ 'set-cookie': ['a=1', 'b=2'], 'x-a': '1, 2' })
    expect(head.rawHeaders).toEqual([
      'Set-Cookie',
      'a=1',
      'X-A',
      '1',
      'set-cookie',
      'b=2',
      'x-a',
      '2',
    ])
  })

  it('takes any header name for a name', () => {
    const head = parseResponseHead('__proto__: x\r\nconstructor: y\r\n\r\n')
    expect(head.headers['__proto__']).toBe('x')
    expect(head.headers['constructor']).toBe('y')
    expect(Object.getPrototypeOf(head.headers)).toBeNull()
  })

  it.each([
    ['a line without a colon', 'Status: 200\r\nhello\r\n\r\n'],
    ['a name that is no token', 'Bad Name: x\r\n\r\n'],
    ['a blank before the colon', 'X : y\r\n\r\n'],
    ['a folded line', 'X: y\r\n z\r\n\r\n'],
    ['a NUL in a value', 'X: a\0b\r\n\r\n'],
    ['a CR in a value', 'X: a\rb\r\n\r\n'],
    ['two Status lines', 'Status: 200\r\nStatus: 404\r\n\r\n'],
    ['a Status that is no number', 'Status: OK\r\n\r\n'],
    ['a Status of two digits', 'Status: 20\r\n\r\n'],
    ['a Status below 100', 'Status: 099\r\n\r\n'],
    ['two Content-Lengths', 'Content-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a Content-Length that is no number', 'Content-Length: -1\r\n\r\n'],
    ['no field', '\r\n'],
    ['a page without a head', '<!doctype html>\n\n'],
  ])('refuses %s', (_, text) => {
    expect(code(() => parseResponseHead(text))).toBe('FCGI_BAD_RESPONSE')
  })
})

describe('ResponseHeadReader', () => {
  const bytes = Buffer.from('X: y\r\nStatus: 201 Made\r\n\r\nbody\n\nmore', 'latin1')

  it('finds the end of the head however it is cut', () => {
    for (let first = 0; first <= bytes.length; first++) {
      const reader = new ResponseHeadReader(1000)
      const pieces = [bytes.subarray(0, first), bytes.subarray(first)]
      const rest: Buffer[] = []
      let status = 0
      for (const piece of pieces) {
        if (status > 0) {
          rest.push(piece)
          continue
        }
        const read = reader.push(piece)
        if (read === undefined) continue
        status = read.head.status
        rest.push(read.rest)
      }
      expect([status, Buffer.concat(rest).toString()], `cut at ${first}`).toEqual([
        201,
        'body\n\nmore',
      ])
    }
  })

  it('reads byte by byte from memory that is used again', () => {
    const reader = new ResponseHeadReader(1000)
    const one = Buffer.alloc(1)
    let status: number | undefined
    for (const byte of bytes.subarray(0, bytes.indexOf('body'))) {
      one[0] = byte
      status = reader.push(one)?.head.status
    }
    expect(status).toBe(201)
  })

  it('skips interim heads', () => {
    const reader = new ResponseHeadReader(1000)
    const read = reader.push(
      Buffer.from('Status: 103 Early Hints\nLink: </a>\n\nStatus: 100\n\nStatus: 204\n\nx'),
    )
    expect(read?.head.status).toBe(204)
    expect(read?.head.rawHeaders).toEqual([])
    expect(read?.rest.toString()).toBe('x')
  })

  it('bounds the block', () => {
    const reader = new ResponseHeadReader(100)
    expect(reader.push(Buffer.alloc(60, 'a'))).toBeUndefined()
    expect(code(() => reader.push(Buffer.alloc(41, 'a')))).toBe('FCGI_HEADER_TOO_LARGE')
    const whole = Buffer.from(`X: ${'a'.repeat(100)}\n\n`)
    expect(code(() => new ResponseHeadReader(100).push(whole))).toBe('FCGI_HEADER_TOO_LARGE')
    expect(new ResponseHeadReader(whole.length).push(whole)?.head.status).toBe(200)
  })
})
