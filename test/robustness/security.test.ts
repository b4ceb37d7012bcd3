/** What SECURITY.md promises and no other test shows as a whole: from the bytes of a web server to what the app sees. */
import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'

import {
  abort,
  pair,
  record,
  begin,
  paramsEnd,
  request,
  stdin,
  stdinEnd,
  params,
} from '../support/raw.ts'
import { bodyOf, requestParams, statusOf } from '../support/raw-peer.ts'
import { serving } from './serving.ts'

/** Sends requests one after the other on one connection; gives what the app was handed and what came back. */
async function exchange(
  requests: Buffer[],
  listener: Parameters<typeof serving>[0] = (_req, res) => res.end('well'),
) {
  const seen: IncomingMessage[] = []
  const { connect, log } = await serving((req, res) => {
    seen.push(req)
    listener(req, res)
  })
  const peer = await connect()
  const answers = []
  for (const bytes of requests) {
    peer.clear()
    peer.write(bytes)
    answers.push(await peer.answer(1))
  }
  return { seen, answers, log, peer }
}

const plain = (more: Record<string, string> = {}, method = 'GET'): Buffer =>
  request(1, { params: requestParams('/', method, more), keep: true })

describe('between requests', () => {
  it('nothing is shared: headers, params, user, address (CVE-2011-2766)', async () => {
    const { seen } = await exchange([
      plain({
        HTTP_AUTHORIZATION: 'Basic c2VjcmV0',
        HTTP_COOKIE: 'a=b',
        REMOTE_USER: 'me',
        REMOTE_ADDR: '10.1.1.1',
        SERVER_SOFTWARE: 'Apache/2.4.62',
        CONTENT_TYPE: 'text/x',
      }),
      request(1, { params: requestParams(), keep: true }),
    ])
    const second = seen[1]!
    expect(second.headers).toEqual({})
    expect(Object.keys(second.fastcgi.params).sort()).toEqual(Object.keys(requestParams()).sort())
    expect(second.fastcgi.remoteUser).toBeUndefined()
    expect(second.socket.remoteAddress).toBeUndefined()
    expect(seen[0]!.fastcgi.params).not.toBe(second.fastcgi.params)
  })

  it('a body longer than it claims does not become the next request', async () => {
    const inner = plain({ REQUEST_URI: '/smuggled' })
    const { seen, answers } = await exchange(
      [
        Buffer.concat([
          begin(1, 1, 1),
          params(1, requestParams('/', 'POST', { CONTENT_LENGTH: '3' })),
          stdin(1, Buffer.concat([Buffer.from('abc'), inner])),
          stdinEnd(1),
        ]),
      ],
      (req, res) => void req.pipe(res),
    )
    expect(bodyOf(answers[0]!)).toBe('abc')
    expect(seen.map(({ url }) => url)).toEqual(['/'])
  })

  it.each(['aborted', 'answered'] as const)(
    'nothing that a handler writes late, of a request that is %s, comes under its id when that is used again',
    async (how) => {
      let late = 0
      let second: (() => void) | undefined
      const { connect } = await serving((req, res) => {
        if (req.url === '/second') return void (second = () => res.end('second'))
        res.on('error', () => {})
        if (how === 'answered') res.end('first')
        const writing = setInterval(() => {
          if (how === 'aborted') res.write('late')
          req.fastcgi.stderr.write('late')
          if (second !== undefined && ++late === 20) {
            res.end('late')
            clearInterval(writing)
            second()
          }
        }, 1)
      })
      const peer = await connect()
      peer.write(request(1, { params: requestParams('/first'), keep: true }))
      if (how === 'aborted') {
        await peer.when(() => peer.has(7, 1), 'its first words')
        peer.write(abort(1))
      }
      await peer.answer(1)
      peer.clear()
      peer.write(request(1, { params: requestParams('/second'), keep: true }))
      const answer = await peer.answer(1)
      expect(bodyOf(answer)).toBe('second')
      expect(answer.stderr).toBe('')
    },
  )

  it('what is left of a body comes too late for the next request under its id', async () => {
    const { connect } = await serving((req, res) => {
      if (req.url === '/early') res.end('early')
      else req.pipe(res)
    })
    const peer = await connect()
    const variables = requestParams('/early', 'POST', { CONTENT_LENGTH: '6' })
    peer.write(begin(1, 1, 1), params(1, variables), stdin(1, 'abc'))
    expect(bodyOf(await peer.answer(1))).toBe('early')
    peer.clear()
    const next = { params: requestParams('/echo', 'POST', { CONTENT_LENGTH: '3' }), body: 'new' }
    peer.write(stdin(1, 'def'), stdinEnd(1), request(1, { ...next, keep: true }))
    expect(bodyOf(await peer.answer(1))).toBe('new')
  })
})

describe('what a client says', () => {
  it('never becomes environment (httpoxy)', async () => {
    const before = { ...process.env }
    const { seen } = await exchange([
      plain({ HTTP_PROXY: 'http://evil:8080', HTTP_NODE_OPTIONS: 'x' }),
    ])
    expect(process.env).toEqual(before)
    expect(seen[0]!.headers).not.toHaveProperty('proxy')
  })

  it('names no key of a prototype', async () => {
    const block = Buffer.concat([
      ...Object.entries(requestParams()).map(([name, value]) => pair(name, value)),
      pair('__proto__', 'polluted'),
      pair('HTTP___PROTO__', 'polluted'),
      pair('HTTP_CONSTRUCTOR', 'polluted'),
      pair('constructor', 'polluted'),
    ])
    const { seen } = await exchange([
      Buffer.concat([begin(1, 1, 1), record(4, 1, block), paramsEnd(1), stdinEnd(1)]),
    ])
    const { headers, fastcgi } = seen[0]!
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype)
    expect(headers.constructor).toBe('polluted')
    expect(Object.getPrototypeOf(fastcgi.params)).toBeNull()
    expect(fastcgi.params['__proto__']).toBe('polluted')
  })

  it('is no length, no type and no user', async () => {
    const { seen } = await exchange([
      plain({
        HTTP_CONTENT_LENGTH: '5',
        HTTP_REMOTE_USER: 'admin',
        HTTP_HTTPS: 'on',
        HTTP_SSL_CLIENT_VERIFY: 'SUCCESS',
      }),
    ])
    const { headers, fastcgi, socket } = seen[0]!
    expect(headers['content-length']).toBeUndefined()
    expect(fastcgi.remoteUser).toBeUndefined()
    expect((socket as { encrypted?: boolean }).encrypted).toBeUndefined()
    expect((socket as { authorized?: boolean }).authorized).toBeFalsy()
  })

  it.each([
    ['both lengths', { CONTENT_LENGTH: '3', HTTP_TRANSFER_ENCODING: 'chunked' }, 200],
    ['another encoding', { HTTP_TRANSFER_ENCODING: 'gzip' }, 400],
    ['a length that is none', { CONTENT_LENGTH: '3, 3' }, 400],
    ['a length with a sign', { CONTENT_LENGTH: '+3' }, 400],
  ])('has one meaning of where its body ends: %s', async (_name, more, status) => {
    const { seen, answers } = await exchange([
      request(1, { params: requestParams('/', 'POST', more), body: 'abc', keep: true }),
    ])
    expect(statusOf(answers[0]!)).toBe(status)
    for (const { headers } of seen)
      expect([headers['content-length'], headers['transfer-encoding']]).toEqual(['3', undefined])
  })

  it.each(['/a\0b', '/a b', '/a\r\nSet-Cookie: x', '/a\x7fb'])(
    'with a control byte in its path never reaches the app: %j',
    async (path) => {
      const { seen, answers } = await exchange([plain({ REQUEST_URI: path, PATH_INFO: path })])
      expect(seen).toEqual([])
      expect(statusOf(answers[0]!)).toBe(400)
    },
  )
})

describe('what an app says', () => {
  it('cannot split a response: Node refuses it, and none of it goes out', async () => {
    const refused: string[] = []
    const { answers } = await exchange([plain()], (_req, res) => {
      for (const attempt of [
        () => res.setHeader('X-A', 'a\r\nSet-Cookie: b'),
        () => res.setHeader('X-A\r\nSet-Cookie', 'b'),
        () => res.appendHeader('X-A', 'a\nb'),
        () => res.writeHead(200, { 'X-A': 'a\0b' }),
        () => res.writeHead(200, 'OK\r\nSet-Cookie: b'),
      ]) {
        try {
          attempt()
        } catch (error) {
          refused.push((error as NodeJS.ErrnoException).code ?? '')
        }
      }
      res.statusMessage = ''
      res.end('well')
    })
    expect(refused).toHaveLength(5)
    expect(answers[0]!.stdout).not.toMatch(/set-cookie/i)
  })

  it('gets no content type it has not chosen (CVE-2020-24553)', async () => {
    const { answers } = await exchange([plain()], (_req, res) => res.end('<script>'))
    expect(answers[0]!.stdout).not.toMatch(/content-type/i)
  })
})
