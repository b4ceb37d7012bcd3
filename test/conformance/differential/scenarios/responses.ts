/** Responses, in every form in which node:http lets one be made. */
import { Readable } from 'node:stream'

import type { Scenario } from '../scenario.ts'
import { errorText } from '../trace.ts'
import { attempt, filler, turn } from './common.ts'

type Handler = Scenario['handler']

function answered(name: string, handler: Handler, more: Partial<Scenario> = {}): Scenario {
  return { name, handler, ...more }
}

const head = { request: { method: 'HEAD' } } as const

export const responseScenarios: readonly Scenario[] = [
  answered('end alone', (_req, res) => res.end()),
  answered('end with text', (_req, res) => res.end('text')),
  answered('end with bytes', (_req, res) => res.end(Buffer.from([0, 255, 10, 13]))),
  answered('end with a Uint8Array', (_req, res) => res.end(new Uint8Array([1, 2, 3]))),
  answered('write and end', (_req, res) => {
    res.write('one ')
    res.end('two')
  }),
  answered('many writes', (_req, res) => {
    for (let at = 0; at < 50; at++) res.write(`line ${at}\n`)
    res.end()
  }),
  answered('writes in several turns', async (_req, res) => {
    for (let at = 0; at < 5; at++) {
      res.write(`line ${at}\n`)
      await turn()
    }
    res.end()
  }),
  answered('writes and bytes mixed', (_req, res) => {
    res.write('text ')
    res.write(Buffer.from('bytes '))
    res.write('grüße ', 'utf8')
    res.end('end')
  }),
  answered('writeHead with headers', (_req, res) => {
    res.writeHead(201, { 'X-A': '1', Location: '/new' })
    res.end('made')
  }),
  answered('writeHead with a reason', (_req, res) => {
    res.writeHead(404, 'Nothing Here', { 'X-A': '1' })
    res.end('none')
  }),
  answered('writeHead with a flat array', (_req, res) => {
    res.writeHead(200, ['X-A', '1', 'X-B', '2', 'X-A', '3'])
    res.end('flat')
  }),
  answered('writeHead over setHeader', (_req, res) => {
    res.setHeader('X-A', 'set')
    res.setHeader('X-B', 'kept')
    res.writeHead(200, { 'x-a': 'written', 'X-C': 'new' })
    res.end('merged')
  }),
  answered('writeHead over setHeader with a flat array', (_req, res) => {
    res.setHeader('X-A', 'set')
    res.writeHead(200, ['x-a', 'written', 'X-C', 'new'])
    res.end('merged')
  }),
  answered('writeHead with lists', (_req, res) => {
    res.writeHead(200, { 'Set-Cookie': ['a=1', 'b=2'], Vary: ['a', 'b'] })
    res.end()
  }),
  answered('writeHead returns the response', (_req, res) => {
    res.writeHead(202).end('chained')
  }),
  answered('writeHead twice', (_req, res, trace) => {
    res.writeHead(200)
    attempt(trace, 'again', () => res.writeHead(404))
    res.end('once')
  }),
  answered('setHeader with lists', (_req, res) => {
    res.setHeader('Set-Cookie', ['a=1; Path=/', 'b=2'])
    res.setHeader('X-List', ['1', '2'])
    res.setHeader('Link', ['<a>', '<b>'])
    res.end('lists')
  }),
  answered('setHeader with a number', (_req, res) => {
    res.setHeader('X-Number', 42)
    res.end()
  }),
  answered('appendHeader', (_req, res) => {
    res.appendHeader('Set-Cookie', 'a=1')
    res.appendHeader('Set-Cookie', ['b=2', 'c=3'])
    res.appendHeader('X-One', '1')
    res.appendHeader('X-One', '2')
    res.end()
  }),
  answered('setHeaders', (_req, res) => {
    res.setHeaders(
      new Map([
        ['X-A', '1'],
        ['X-B', '2'],
      ]),
    )
    res.setHeaders(new Headers({ 'X-C': '3' }))
    res.end()
  }),
  answered('headers asked back', (_req, res, trace) => {
    res.setHeader('X-A', '1')
    res.setHeader('Content-Type', 'text/plain')
    res.removeHeader('x-a')
    res.setHeader('x-B', ['1', '2'])
    trace.value('names', res.getHeaderNames())
    trace.value('raw', (res as unknown as { getRawHeaderNames(): string[] }).getRawHeaderNames())
    trace.value('headers', { ...res.getHeaders() })
    trace.value('has', [res.hasHeader('X-A'), res.hasHeader('content-TYPE')])
    trace.value('get', [res.getHeader('X-B'), res.getHeader('none')])
    res.end()
    trace.value('after', [res.getHeader('x-b'), res.headersSent])
  }),
  answered('statusCode and statusMessage', (_req, res) => {
    res.statusCode = 418
    res.statusMessage = 'Short and Stout'
    res.end()
  }),
  answered('statusMessage asked back', (_req, res, trace) => {
    trace.value('before', res.statusMessage)
    res.statusCode = 404
    res.end()
    trace.value('after', res.statusMessage)
  }),
  answered('status 299', (_req, res) => res.writeHead(299).end('odd')),
  answered('status 599', (_req, res) => res.writeHead(599).end('odd')),
  answered('status 999', (_req, res) => res.writeHead(999).end('odd')),
  answered('status 204', (_req, res) => res.writeHead(204).end()),
  answered('status 204 with a body', (_req, res) => {
    res.statusCode = 204
    res.end('not sent')
  }),
  answered('status 204 with writes', (_req, res) => {
    res.statusCode = 204
    res.write('not')
    res.end('sent')
  }),
  answered('status 205', (_req, res) => res.writeHead(205).end()),
  answered('status 304', (_req, res) => res.writeHead(304, { ETag: '"a"' }).end()),
  answered('status 304 with a length', (_req, res) => {
    res.writeHead(304, { 'Content-Length': '10' })
    res.end()
  }),
  answered('redirect', (_req, res) => res.writeHead(302, { Location: '/else?a=b' }).end()),
  answered('HEAD with end', (_req, res) => res.end('not sent'), head),
  answered(
    'HEAD with a length',
    (_req, res) => {
      res.setHeader('Content-Length', 1000)
      res.end()
    },
    head,
  ),
  answered(
    'HEAD with writes',
    (_req, res, trace) => {
      trace.value('write', res.write('not'))
      res.write('sent')
      res.end('at all')
    },
    head,
  ),
  answered('HEAD with a 404', (_req, res) => res.writeHead(404).end('none'), head),
  answered(
    'interim responses',
    (_req, res, trace) => {
      res.writeContinue()
      res.writeProcessing()
      res.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' })
      res.writeEarlyHints(
        { link: ['</b.css>; rel=preload', '</c.js>; rel=preload'], 'x-t': '1' },
        () => trace.note('hints sent'),
      )
      trace.note(`headersSent ${res.headersSent}`)
      res.end('final')
    },
    { settled: (trace) => trace.log.includes('hints sent'), differs: ['interim responses'] },
  ),
  answered('early hints that are none', (_req, res, trace) => {
    attempt(trace, 'bad link', () => res.writeEarlyHints({ link: 'nonsense' }))
    attempt(trace, 'no link', () => res.writeEarlyHints({}))
    attempt(trace, 'no object', () => res.writeEarlyHints('x' as never))
    res.end()
  }),
  answered(
    'interim responses after the head',
    (_req, res, trace) => {
      res.write('first')
      attempt(trace, 'continue', () => res.writeContinue())
      attempt(trace, 'processing', () => res.writeProcessing())
      attempt(trace, 'hints', () => res.writeEarlyHints({ link: '</a>; rel=preload' }))
      res.end('last')
    },
    { differs: ['lost in node:http'] },
  ),
  answered(
    'flushHeaders',
    async (_req, res, trace) => {
      res.setHeader('X-A', '1')
      res.flushHeaders()
      trace.note(`headersSent ${res.headersSent}`)
      await trace.logged('client has the head')
      res.end('body')
    },
    {
      client: async (open, trace) => {
        const answer = open({})
        await answer.headArrived()
        trace.note('client has the head')
        await answer.ended()
        return answer
      },
    },
  ),
  answered(
    'a first part before the rest',
    async (_req, res, trace) => {
      res.write('first')
      await trace.logged('client has it')
      res.end('rest')
    },
    {
      client: async (open, trace) => {
        const answer = open({})
        await answer.received(5)
        trace.note('client has it')
        await answer.ended()
        return answer
      },
    },
  ),
  answered(
    'an event stream',
    async (_req, res, trace) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
      for (let at = 1; at <= 3; at++) {
        res.write(`data: ${at}\n\n`)
        await trace.logged(`event ${at}`)
      }
      res.end()
    },
    {
      client: async (open, trace) => {
        const answer = open({})
        for (let at = 1; at <= 3; at++) {
          await answer.received(at * 9)
          trace.note(`event ${at}`)
        }
        await answer.ended()
        return answer
      },
    },
  ),
  answered('cork', (_req, res, trace) => {
    res.cork()
    res.write('a')
    res.write('b')
    trace.value('corked', [res.writableCorked, res.headersSent])
    res.cork()
    res.uncork()
    res.uncork()
    trace.value('uncorked', res.writableCorked)
    res.end('c')
  }),
  answered('cork over a turn', (_req, res) => {
    res.cork()
    res.write('a')
    setImmediate(() => {
      res.write('b')
      res.uncork()
      setImmediate(() => res.end('c'))
    })
  }),
  answered(
    'cork, and end without uncork',
    (_req, res) => {
      // node:http spoils the connection here.
      res.setHeader('Connection', 'close')
      res.cork()
      res.write('a')
      res.end('b')
    },
    { differs: ['lost in node:http'] },
  ),
  answered('encodings', (_req, res) => {
    res.write('gr\xfc\xdfe ', 'latin1')
    res.write('aGk=', 'base64')
    res.write('206869', 'hex')
    res.write('a', 'utf16le')
    res.write('x', 'ascii')
    res.end('IQ', 'base64url')
  }),
  answered('end with an encoding', (_req, res) => res.end('ff00', 'hex')),
  answered('UTF-8', (_req, res) => {
    res.setHeader('Content-Type', 'text/plain; charset=utf-8')
    res.end('grüße 世界 🎉')
  }),
  answered('UTF-8 in writes', (_req, res) => {
    res.write('grüße ')
    res.write('世界')
    res.end(' 🎉')
  }),
  answered('empty writes', (_req, res, trace) => {
    trace.value('results', [res.write(''), res.write(Buffer.alloc(0))])
    res.end('')
  }),
  answered('callbacks', (_req, res, trace) => {
    res.write('a', () => trace.note('write a'))
    res.write('b', 'utf8', () => trace.note('write b'))
    res.end('c', 'utf8', () => trace.note('end'))
    process.nextTick(() => trace.note('next tick'))
  }),
  answered('callback of end alone', (_req, res, trace) => {
    res.end(() => trace.note('end'))
  }),
  answered(
    'callback of end when it is over',
    (_req, res, trace) => {
      res.end('body')
      res.on('finish', () => res.end((error?: Error) => trace.note(`again ${errorText(error)}`)))
    },
    { settled: (trace) => trace.log.some((line) => line.startsWith('again')) },
  ),
  answered('write after end', (_req, res, trace) => {
    res.end('body')
    trace.value(
      'result',
      res.write('late', (error) => trace.note(`write ${errorText(error)}`)),
    )
  }),
  answered('end twice', (_req, res, trace) => {
    res.end('body')
    res.end('late', () => trace.note('second end'))
  }),
  answered('setHeader after the head', (_req, res, trace) => {
    res.write('body')
    attempt(trace, 'set', () => res.setHeader('X-Late', '1'))
    attempt(trace, 'append', () => res.appendHeader('X-Late', '1'))
    attempt(trace, 'remove', () => res.removeHeader('X-Late'))
    attempt(trace, 'writeHead', () => res.writeHead(500))
    attempt(trace, 'flush', () => res.flushHeaders())
    res.statusCode = 500
    res.end()
  }),
  answered('values that cannot be headers', (_req, res, trace) => {
    attempt(trace, 'line feed', () => res.setHeader('X-A', 'a\nb'))
    attempt(trace, 'carriage return', () => res.setHeader('X-A', 'a\r\nSet-Cookie: x'))
    attempt(trace, 'NUL', () => res.setHeader('X-A', 'a\0b'))
    attempt(trace, 'beyond latin1', () => res.setHeader('X-A', '世'))
    attempt(trace, 'undefined', () => res.setHeader('X-A', undefined as never))
    attempt(trace, 'name', () => res.setHeader('X A', 'a'))
    attempt(trace, 'empty name', () => res.setHeader('', 'a'))
    attempt(trace, 'name with a colon', () => res.setHeader('X:A', 'a'))
    attempt(trace, 'list', () => res.setHeader('X-B', ['a', 'b\n']))
    attempt(trace, 'writeHead', () => res.writeHead(200, { 'X-C': 'a\nb' }))
    res.end('safe')
  }),
  answered('statuses that are none', (_req, res, trace) => {
    attempt(trace, '99', () => res.writeHead(99))
    attempt(trace, '1000', () => res.writeHead(1000))
    attempt(trace, 'NaN', () => res.writeHead(Number.NaN))
    attempt(trace, 'text', () => res.writeHead('abc' as never))
    attempt(trace, 'reason', () => res.writeHead(200, 'a\r\nb'))
    res.statusCode = 200
    res.statusMessage = ''
    res.end('safe')
  }),
  answered(
    'statusCode that is none',
    (_req, res, trace) => {
      res.statusCode = 12
      attempt(trace, 'end', () => res.end('x'))
      res.statusCode = 200
      attempt(trace, 'end again', () => res.end('y'))
    },
    {},
  ),
  answered('bodies that are none', (_req, res, trace) => {
    attempt(trace, 'null', () => res.write(null as never))
    attempt(trace, 'number', () => res.write(1 as never))
    attempt(trace, 'object', () => res.write({} as never))
    attempt(trace, 'undefined', () => res.write(undefined as never))
    attempt(trace, 'end number', () => res.end(1 as never))
    if (!res.writableEnded) res.end('ok')
  }),
  answered('a length set by the app', (_req, res) => {
    res.setHeader('Content-Length', '4')
    res.write('ab')
    res.end('cd')
  }),
  answered('a length of 0', (_req, res) => {
    res.setHeader('Content-Length', '0')
    res.end()
  }),
  answered(
    'strictContentLength met',
    (_req, res) => {
      res.strictContentLength = true
      res.setHeader('Content-Length', '4')
      res.end('abcd')
    },
    {
      // 20.19.0 throws: "of 4 byte(s) does not match … of 4 byte(s)".
      since: [20, 20],
    },
  ),
  answered(
    'strictContentLength broken by write',
    (_req, res, trace) => {
      res.strictContentLength = true
      res.setHeader('Content-Length', '4')
      attempt(trace, 'write', () => res.write('abcdef'))
      res.destroy()
    },
    { differs: ['page for a reset'] },
  ),
  answered(
    'strictContentLength broken by end',
    (_req, res, trace) => {
      res.strictContentLength = true
      res.setHeader('Content-Length', '4')
      attempt(trace, 'short', () => res.end('ab'))
      res.destroy()
    },
    { differs: ['page for a reset'] },
  ),
  answered('Transfer-Encoding set by the app', (_req, res) => {
    res.setHeader('Transfer-Encoding', 'chunked')
    res.write('one ')
    res.end('two')
  }),
  answered('Transfer-Encoding written by the app, and one end', (_req, res) => {
    res.writeHead(200, { 'Transfer-Encoding': 'chunked', 'X-A': '1' })
    res.end('body')
  }),
  answered('Connection set by the app', (_req, res) => {
    res.setHeader('Connection', 'keep-alive')
    res.setHeader('Keep-Alive', 'timeout=3')
    res.end('body')
  }),
  answered(
    'trailers',
    (_req, res) => {
      res.setHeader('Trailer', 'X-Sum')
      res.write('body')
      res.addTrailers({ 'X-Sum': '1' })
      res.end()
    },
    { differs: ['trailers'] },
  ),
  answered(
    'trailers without the header',
    (_req, res, trace) => {
      res.write('body')
      attempt(trace, 'bad', () => res.addTrailers({ 'X-Sum': 'a\nb' }))
      res.addTrailers({ 'X-Sum': '1' })
      res.end()
    },
    { differs: ['trailers'] },
  ),
  answered('Trailer with a length', (_req, res, trace) => {
    res.setHeader('Trailer', 'X-Sum')
    res.setHeader('Content-Length', '4')
    attempt(trace, 'write', () => res.write('body'))
    res.removeHeader('Trailer')
    res.end('body')
  }),
  answered('no Date', (_req, res) => {
    res.sendDate = false
    res.end('body')
  }),
  answered('a Date of the app', (_req, res) => {
    res.setHeader('Date', 'Sat, 01 Jan 2000 00:00:00 +0000')
    res.end('body')
  }),
  answered('latin1 in a header', (_req, res) => {
    res.setHeader('X-Latin', 'gr\xfc\xdfe')
    res.setHeader('Content-Disposition', 'attachment; filename="\xe4.txt"')
    res.end('body')
  }),
  answered('latin1 in a header, UTF-8 in the body', (_req, res) => {
    res.setHeader('X-Latin', 'gr\xfc\xdfe')
    res.end('世界')
  }),
  answered('latin1 in a header, a part of UTF-8', (_req, res) => {
    res.setHeader('X-Latin', 'gr\xfc\xdfe')
    res.write('世')
    res.end('界')
  }),
  answered('latin1 in the reason', (_req, res) => {
    res.writeHead(200, 'Gr\xfc\xdfe')
    res.end('body')
  }),
  answered(
    'a long header',
    (_req, res) => {
      res.setHeader('X-Long', 'x'.repeat(30_000))
      res.end('body')
    },
    { differs: ['finished early'] },
  ),
  answered('many headers', (_req, res) => {
    for (let at = 0; at < 200; at++) res.setHeader(`X-Number-${at}`, `${at}`)
    res.end('body')
  }),
  answered('1 MB at once', (_req, res) => res.end(filler(1024 * 1024)), {
    differs: ['finished early'],
  }),
  answered('1 MB of text', (_req, res) => res.end('ü'.repeat(512 * 1024)), {
    differs: ['finished early'],
  }),
  answered('1 MB of latin1 text', (_req, res) => res.end('x'.repeat(1024 * 1024)), {
    differs: ['finished early'],
  }),
  answered(
    '65535, 65528 and 65536 bytes',
    (_req, res) => {
      res.write('a'.repeat(65_535))
      res.write('b'.repeat(65_528))
      res.write(Buffer.alloc(65_536, 'c'))
      res.end()
    },
    { differs: ['finished early'] },
  ),
  answered(
    '4 MB by drain',
    (_req, res, trace) => {
      const chunk = filler(64 * 1024)
      let left = 64
      const more = (): void => {
        while (left-- > 0) if (!res.write(chunk)) return void res.once('drain', more)
        trace.value('needDrain', res.writableNeedDrain)
        res.end()
      }
      more()
    },
    { quiet: true },
  ),
  answered('a stream piped', (_req, res) => {
    Readable.from(['one ', 'two ', 'three']).pipe(res)
  }),
  answered('write results and lengths', (_req, res, trace) => {
    trace.value('high-water mark', res.writableHighWaterMark)
    trace.value('small', res.write('small'))
    trace.value('large', res.write(Buffer.alloc(res.writableHighWaterMark + 1)))
    trace.value('needDrain', res.writableNeedDrain)
    res.once('drain', () => {
      trace.value('drained', res.writableNeedDrain)
      res.end()
    })
  }),
  answered('flags of a response', (_req, res, trace) => {
    const flags = (): unknown[] => [
      res.headersSent,
      res.finished,
      res.writable,
      res.writableEnded,
      res.writableFinished,
      res.writableLength > 0,
      res.destroyed,
    ]
    trace.value('before', flags())
    res.write('a')
    trace.value('written', flags())
    res.end('b')
    trace.value('ended', flags())
    res.on('finish', () => trace.value('finish', flags()))
    res.on('close', () => trace.value('close', flags()))
  }),
  answered('socket at the end', (req, res, trace) => {
    const { socket } = req
    res.end('body')
    res.on('finish', () => trace.value('finish', [res.socket === null, req.socket === socket]))
    res.on('close', () => {
      trace.value('close', [res.socket === null, req.socket === socket, res.connection === null])
    })
  }),
  answered(
    'a Status header of the app',
    (_req, res) => {
      res.setHeader('Status', '500 No')
      res.end('body')
    },
    { differs: ['Status header'] },
  ),
  answered('names of headers like those of the connection', (_req, res) => {
    res.setHeader('X-Connection', '1')
    res.setHeader('Connection-Info', '2')
    res.setHeader('X-Status', '3')
    res.setHeader('Statuses', '4')
    res.end('connection: close\r\nstatus: 500\r\n')
  }),
  answered('headers within a value', (_req, res) => {
    res.setHeader('X-A', 'connection: close')
    res.end('body')
  }),
  answered('an end within a write callback', (_req, res) => {
    res.write('a', () => res.end('b'))
  }),
  answered('an end in the next tick', (_req, res) => {
    res.write('a')
    process.nextTick(() => res.end('b'))
  }),
  answered('an end in a microtask', (_req, res) => {
    res.write('a')
    queueMicrotask(() => res.end('b'))
  }),
  answered('listeners of finish and close in order', (req, res, trace) => {
    res.on('finish', () => trace.note('finish 1'))
    res.on('finish', () => process.nextTick(() => trace.note('tick after finish')))
    res.on('close', () => trace.note('close 1'))
    req.on('close', () => trace.note('request close 1'))
    res.once('prefinish', () => trace.note('prefinish 1'))
    res.end('x')
  }),
  answered('prototypes replaced, as Express does', (req, res) => {
    const request = Object.create(Object.getPrototypeOf(req) as object) as object
    const response = Object.create(Object.getPrototypeOf(res) as object) as object
    Object.setPrototypeOf(req, request)
    Object.setPrototypeOf(res, response)
    res.setHeader('X-A', '1')
    res.write('a')
    res.end('b')
  }),
  answered('methods replaced, as compression does', (_req, res, trace) => {
    const { end, write, writeHead } = res
    res.writeHead = ((...args: Parameters<typeof writeHead>) => {
      trace.note('writeHead')
      res.setHeader('X-Wrapped', '1')
      return writeHead.apply(res, args)
    }) as typeof writeHead
    res.write = ((...args: Parameters<typeof write>) => {
      trace.note('write')
      return write.apply(res, args)
    }) as typeof write
    res.end = ((...args: Parameters<typeof end>) => {
      trace.note('end')
      return end.apply(res, args)
    }) as typeof end
    res.write('a')
    res.end('b')
  }),
]
