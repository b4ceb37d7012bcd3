/** What apps and libraries do with a request, a response and their socket beside the plain way. */
import domain from 'node:domain'
import events, { once, type EventEmitter } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import stream, { finished, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { buffer, json } from 'node:stream/consumers'
import * as streams from 'node:stream/promises'
import { inspect } from 'node:util'
import zlib from 'node:zlib'

import type { Scenario } from '../scenario.ts'
import { errorText } from '../trace.ts'
import { attempt, turn } from './common.ts'

// Names that are newer than the types, or not in them at all.
// oxlint-disable-next-line typescript/no-explicit-any
type Anything = any

function used(
  name: string,
  handler: (
    request: Anything,
    response: Anything,
    trace: Parameters<Scenario['handler']>[2],
  ) => unknown,
  more: Partial<Scenario> = {},
): Scenario {
  return { name: `use: ${name}`, handler, ...more }
}

const post = { request: { method: 'POST', body: 'the body of a request' } } as const

/** The second half of the body comes when the handler has noted the first. */
const halves: Partial<Scenario> = {
  client: async (open, trace) => {
    const answer = open({ method: 'POST', framing: 20 })
    await trace.logged('handler')
    answer.send('0123456789')
    await trace.logged('half')
    answer.send('abcdefghij')
    await answer.ended()
    return answer
  },
}

const noted = (start: string): Partial<Scenario> => ({
  settled: (trace) => trace.log.some((line) => line.startsWith(start)),
})

export const usageScenarios: readonly Scenario[] = [
  used(
    'read(5) in readable',
    (req, res, trace) => {
      const parts: string[] = []
      req.on('readable', () => {
        for (let part = req.read(5); part !== null; part = req.read(5)) {
          parts.push(String(part))
          trace.note(`read ${part}`)
        }
      })
      req.on('end', () => res.end(parts.join('|')))
    },
    post,
  ),
  used(
    'readable, in two halves',
    (req, res, trace) => {
      trace.note('handler')
      req.on('readable', () => {
        const part = req.read()
        trace.note(`read ${part}`)
        if (String(part) === '0123456789') trace.note('half')
      })
      req.on('end', () => res.end('x'))
    },
    halves,
  ),
  used(
    'setEncoding base64, in halves that do not end at a character',
    (req, res, trace) => {
      req.setEncoding('base64')
      trace.note('handler')
      let text = ''
      req.on('data', (part: string) => {
        text += part
        trace.note('half')
      })
      req.on('end', () => res.end(text))
    },
    halves,
  ),
  used(
    'setEncoding after the first part',
    (req, res, trace) => {
      trace.note('handler')
      req.once('data', (part: unknown) => {
        trace.note(`half ${typeof part}`)
        req.setEncoding('utf8')
        req.on('data', (next: unknown) => trace.note(`then ${typeof next} ${next}`))
      })
      req.on('end', () => res.end('x'))
    },
    halves,
  ),
  used(
    'pause in data, resume later',
    (req, res, trace) => {
      trace.note('handler')
      req.on('data', (part: Buffer) => {
        trace.note(`data ${part}`)
        req.pause()
        trace.note(`half ${req.isPaused()} ${req.readableFlowing}`)
        setTimeout(() => req.resume(), 20)
      })
      req.on('end', () => res.end('x'))
    },
    halves,
  ),
  used(
    'unpipe in the middle',
    (req, res, trace) => {
      trace.note('handler')
      const first = new PassThrough()
      first.on('data', (part: Buffer) => {
        trace.note(`first ${part}`)
        req.unpipe(first)
        req.on('data', (rest: Buffer) => trace.note(`rest ${rest}`))
        req.resume()
        trace.note('half')
      })
      req.pipe(first)
      req.on('end', () => res.end('x'))
    },
    halves,
  ),
  used(
    'piped to two',
    async (req, res) => {
      const [one, two] = [new PassThrough(), new PassThrough()]
      req.pipe(one)
      req.pipe(two)
      const both = await Promise.all([buffer(one), buffer(two)])
      res.end(Buffer.concat(both))
    },
    post,
  ),
  used(
    'compose()',
    (req, res) => {
      const upper = new Transform({
        transform: (chunk, _encoding, done) => done(null, String(chunk).toUpperCase()),
      })
      req.compose(upper).pipe(res)
    },
    { ...post, differs: ["ticks at a body's end"] },
  ),
  used(
    'a pipeline through transforms into the response',
    (req, res) => streams.pipeline(req, zlib.createGzip(), zlib.createGunzip(), res),
    post,
  ),
  used(
    'map() and toArray()',
    async (req, res) => {
      res.end(JSON.stringify(await req.map((chunk: Buffer) => chunk.length).toArray()))
    },
    post,
  ),
  used('json()', async (req, res) => res.end(JSON.stringify(await json(req))), {
    request: { method: 'POST', body: '{"a":[1,2]}' },
  }),
  used(
    'as the body of a Request',
    async (req, res) => {
      const init = { method: 'POST', body: Readable.toWeb(req), duplex: 'half' }
      res.end(await new Request('http://example.test/', init as RequestInit).text())
    },
    post,
  ),
  used(
    'an async listener of data that rejects',
    async (req, res) => {
      req.on('data', async () => {
        throw new Error('rejected')
      })
      await turn()
      await turn()
      res.end()
    },
    { ...post, differs: ["ticks at a body's end"] },
  ),
  used(
    'events.on()',
    async (req, res) => {
      let text = ''
      for await (const [part] of events.on(req, 'data', { close: ['end'] } as object)) text += part
      res.end(text)
    },
    post,
  ),
  used(
    'events.once()',
    async (req, res, trace) => {
      req.resume()
      await once(req, 'end')
      trace.note('ended')
      res.end('x')
      await once(res, 'finish')
      trace.note('finished')
    },
    { ...post, ...noted('finished') },
  ),
  used(
    'Writable.toWeb()',
    async (_req, res, trace) => {
      const writer = Writable.toWeb(res).getWriter()
      await writer.write('one ')
      await writer.write('two')
      await writer.close()
      trace.note('closed')
    },
    noted('closed'),
  ),
  used('a web Response piped', async (_req, res) => {
    const answer = new Response('web body', { headers: { 'x-a': '1' } })
    res.writeHead(answer.status, Object.fromEntries(answer.headers))
    await streams.pipeline(Readable.fromWeb(answer.body as never), res)
  }),
  used('pipe() without end', (_req, res) => {
    const source = Readable.from(['a', 'b'])
    source.pipe(res, { end: false })
    source.on('end', () => res.end('!'))
  }),
  used(
    'callbacks of interim responses',
    (_req, res, trace) => {
      res.writeProcessing(() => trace.note('processing called back'))
      res.writeContinue(() => trace.note('continue called back'))
      setImmediate(() => res.end('x'))
    },
    { ...noted('continue called back'), differs: ['interim responses'] },
  ),
  used('appendHeader() to a list', (_req, res, trace) => {
    res.setHeader('X-A', ['1', '2'])
    res.appendHeader('x-a', '3')
    res.appendHeader('X-A', ['4'])
    trace.value('a', res.getHeader('x-a'))
    trace.value('names', res.getRawHeaderNames())
    res.end()
  }),
  used('setHeaders() of what is none, and of Headers', (_req, res, trace) => {
    attempt(trace, 'object', () => res.setHeaders({}))
    attempt(trace, 'array', () => res.setHeaders([['a', 'b']]))
    const headers = new Headers([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['x', '1'],
      ['x', '2'],
    ])
    res.setHeaders(headers)
    trace.value('headers', { ...res.getHeaders() })
    res.end()
  }),
  used('writeHead() with pairs', (_req, res, trace) => {
    attempt(trace, 'writeHead', () =>
      res.writeHead(200, [
        ['X-A', '1'],
        ['X-A', '2'],
      ]),
    )
    res.end('x')
  }),
  used('writeHead() with an odd list', (_req, res, trace) => {
    attempt(trace, 'writeHead', () => res.writeHead(200, ['X-A']))
    res.end('x')
  }),
  used('a reason with a tab', (_req, res) => {
    res.statusMessage = 'a\tb  c'
    res.end('x')
  }),
  used('a reason that is none', (_req, res, trace) => {
    res.statusMessage = 'a\nb'
    attempt(trace, 'end', () => res.end('x'))
    res.statusMessage = 'ok'
    attempt(trace, 'again', () => res.end('x'))
  }),
  used('a status that is text', (_req, res) => {
    res.statusCode = '201'
    res.end('x')
  }),
  used('a status nobody knows', (_req, res, trace) => {
    res.statusCode = 230
    res.end('x')
    trace.value('reason', res.statusMessage)
  }),
  used(
    'callbacks of three ends',
    (_req, res, trace) => {
      res.end('a', () => trace.note('first'))
      res.end(() => trace.note('second'))
      attempt(trace, 'third', () => {
        res.end('x', (error?: Error) => trace.note(`last ${errorText(error)}`))
      })
    },
    noted('last'),
  ),
  used(
    'callbacks when the client has gone',
    (_req, res, trace) => {
      res.write('a', (error?: Error) => trace.note(`written ${errorText(error)}`))
      res.on('close', () =>
        res.write('b', (error?: Error) => trace.note(`late ${errorText(error)}`)),
      )
    },
    {
      client: async (open) => {
        const answer = open({})
        await answer.received(1)
        answer.abort()
        return answer
      },
      ...noted('late'),
    },
  ),
  used('cork() within cork()', (req, res, trace) => {
    res.cork()
    res.cork()
    res.write('a')
    const counts = [[res.writableCorked, req.socket.writableCorked]]
    for (let left = 3; left > 0; left--) {
      res.uncork()
      counts.push([res.writableCorked, req.socket.writableCorked])
    }
    trace.value('counts', counts)
    res.end()
  }),
  used('cork() of the socket', (req, res) => {
    req.socket.cork()
    res.write('a')
    setImmediate(() => {
      req.socket.uncork()
      res.end('b')
    })
  }),
  used('what a stream says, of the socket', (req, res, trace) => {
    const names = [
      ...['destroyed', 'readable', 'writable', 'connecting', 'pending', 'allowHalfOpen', 'errored'],
      ...['closed', 'readyState', 'writableEnded', 'writableFinished', 'writableObjectMode'],
      ...['readableObjectMode', 'readableEnded', 'readableAborted', 'readableDidRead'],
      ...['writableNeedDrain', 'writableCorked', 'remoteFamily', 'readableEncoding'],
      ...['readableFlowing', 'readableLength', 'writableLength'],
    ]
    trace.value(
      'socket',
      names.map((name) => [name, req.socket[name]]),
    )
    res.end()
  }),
  used(
    'what the socket is',
    (req, res, trace) => {
      const kinds = [net.Socket, stream.Duplex, stream.Stream]
      trace.value(
        'instances',
        kinds.map((kind) => req.socket instanceof kind),
      )
      trace.value('emitter', req.socket instanceof events)
      res.end()
    },
    { differs: ['stand-in socket'] },
  ),
  used('what methods of the socket return', (req, res, trace) => {
    const { socket } = req
    trace.value('same', [
      socket.setKeepAlive(true, 10) === socket,
      socket.setNoDelay(true) === socket,
      socket.ref() === socket,
      socket.pause() === socket,
      socket.resume() === socket,
      socket.setTimeout(1000) === socket,
      req.setTimeout(1000) === req,
      res.setTimeout(1000) === res,
      socket.timeout,
    ])
    req.setTimeout(0)
    res.end()
  }),
  used('setTimeout() with what is none', (req, res, trace) => {
    attempt(trace, 'text', () => req.socket.setTimeout('x'))
    attempt(trace, 'negative', () => res.setTimeout(-1))
    attempt(trace, 'NaN', () => req.socket.setTimeout(Number.NaN))
    attempt(trace, 'callback', () => req.socket.setTimeout(10, 'x'))
    req.socket.setTimeout(0)
    res.end()
  }),
  used('how request, response and socket know each other', (req, res, trace) => {
    trace.value('same', [
      req.connection === req.socket,
      res.connection === res.socket,
      res.req === req,
      req.client === req.socket,
    ])
    res.end()
  }),
  used('properties of a request', (req, res, trace) => {
    trace.value('values', [
      ...[req.complete, req.aborted, req.statusCode, req.statusMessage, req.upgrade],
      ...[req.trailersDistinct, req.rawTrailers, req.readableHighWaterMark, req.readableLength],
      ...[req.readableFlowing, req.readableObjectMode, req.destroyed, req.closed, req.errored],
      ...[req.readableAborted, req.readableDidRead],
    ])
    res.end()
  }),
  used(
    'listeners at the start',
    (req, res, trace) => {
      const names = (emitter: EventEmitter): string[] =>
        emitter.eventNames().map((name) => `${String(name)} ${emitter.listenerCount(name)}`)
      trace.value('request', names(req).sort())
      trace.value('response', names(res).sort())
      res.end()
    },
    { quiet: true },
  ),
  used('inspect()', (req, res, trace) => {
    trace.value(
      'texts',
      [req, res, req.socket].map((each) => inspect(each).length > 10),
    )
    res.end()
  }),
  used('headers replaced', (req, res, trace) => {
    const prototypes = [req.headers, req.headersDistinct, req.trailers]
    trace.value(
      'plain',
      prototypes.map((each) => Object.getPrototypeOf(each) === Object.prototype),
    )
    req.headers = { a: 'b' }
    req.headersDistinct = { c: ['d'] }
    trace.value('headers', [req.headers, req.headersDistinct])
    res.end()
  }),
  used(
    'finished() of what is over',
    (req, res, trace) => {
      res.end('x')
      res.on('close', () => {
        finished(req, (error) => trace.note(`request ${errorText(error)}`))
        finished(res, (error) => trace.note(`response ${errorText(error)}`))
      })
    },
    noted('response'),
  ),
  used('what stream says of both', (req, res, trace) => {
    const { isReadable, isErrored, isDisturbed, isWritable } = stream as Anything
    const flags = (): unknown[] => [
      ...[isReadable?.(req), isErrored?.(req), isDisturbed?.(req)],
      ...[isWritable?.(res), isErrored?.(res)],
    ]
    trace.value('before', flags())
    req.resume()
    res.end('x')
    trace.value('ended', flags())
    res.on('close', () => trace.value('closed', flags()))
  }),
  used(
    'addAbortSignal()',
    async (_req, res, trace) => {
      const controller = new AbortController()
      attempt(trace, 'add', () => stream.addAbortSignal(controller.signal, res))
      res.write('a')
      await trace.logged('client has it')
      controller.abort()
    },
    {
      client: async (open, trace) => {
        const answer = open({})
        await answer.received(1)
        trace.note('client has it')
        return answer
      },
    },
  ),
  used(
    'a domain',
    (_req, res, trace) => {
      const own = domain.create()
      own.on('error', (error) => {
        trace.note(`domain ${error.message}`)
        res.end('caught')
      })
      own.run(() => {
        setImmediate(() => {
          throw new Error('thrown')
        })
      })
    },
    noted('domain'),
  ),
  used('an error emitted on the response', (_req, res) => {
    res.emit('error', new Error('emitted'))
    res.end('x')
  }),
  used(
    'destroy() with an error, then end()',
    (_req, res, trace) => {
      res.write('a')
      res.destroy(new Error('given up'))
      attempt(trace, 'end', () => res.end('b'))
      attempt(trace, 'write', () =>
        res.write('c', (error?: Error) => trace.note(`write ${errorText(error)}`)),
      )
    },
    { differs: ['page for a reset', 'finished early'] },
  ),
  used(
    'destroy() in the tick after a write',
    (_req, res) => {
      res.write('a')
      process.nextTick(() => res.destroy())
    },
    { differs: ['bytes on their way'] },
  ),
  used(
    'errors of socket and server when the client goes within the upload',
    (req, _res, trace) => {
      req.on('data', () => trace.note('data'))
      req.socket.on('error', (error: Error) => trace.note(`socket error ${errorText(error)}`))
      req.socket.on('close', (hadError: boolean) => trace.note(`socket close ${hadError}`))
    },
    {
      server: (server, trace) => {
        const listener = (error: Error, socket: Anything): void => {
          trace.note(`clientError ${errorText(error)}`)
          socket.destroy(error)
        }
        server.on('clientError', listener)
        return () => server.off('clientError', listener)
      },
      client: async (open, trace) => {
        const answer = open({ method: 'POST', framing: 10 })
        answer.send('part')
        await trace.logged('data')
        answer.abort()
        return answer
      },
    },
  ),
  used('no originalUrl', (req, res, trace) => {
    trace.value('has', 'originalUrl' in req)
    res.end()
  }),
  used('parts of arrays', (_req, res) => {
    res.write(new Uint8Array([65, 66, 67, 68]).subarray(1, 3))
    res.write(new Uint8Array(0))
    res.end(new Uint8Array([69]))
  }),
  used('other arrays', (_req, res, trace) => {
    attempt(trace, 'DataView', () => res.write(new DataView(new ArrayBuffer(2))))
    attempt(trace, 'ArrayBuffer', () => res.write(new ArrayBuffer(2)))
    attempt(trace, 'Uint16Array', () => res.write(new Uint16Array([1])))
    res.end('x')
  }),
  used('write() in a 304', (_req, res, trace) => {
    res.writeHead(304)
    trace.value('result', res.write('x'))
    res.end()
  }),
  used('flushHeaders() in answer to HEAD', (_req, res) => void (res.flushHeaders(), res.end()), {
    request: { method: 'HEAD' },
  }),
  used(
    'a length on a 204',
    (_req, res) => {
      res.setHeader('Content-Length', '3')
      res.statusCode = 204
      res.end()
    },
    { differs: ['length of a 204'] },
  ),
  used('Transfer-Encoding: identity', (_req, res) => {
    res.setHeader('Transfer-Encoding', 'identity')
    res.end('abc')
  }),
  used('headers of Node taken away', (_req, res) => {
    for (const name of ['date', 'connection', 'transfer-encoding']) res.removeHeader(name)
    res.write('abc')
    res.end()
  }),
  used('Content-Length taken away', (_req, res) => {
    res.removeHeader('content-length')
    res.end('abc')
  }),
  used('detachSocket() and assignSocket()', (req, res, trace) => {
    attempt(trace, 'twice', () => res.assignSocket(req.socket))
    res.detachSocket(req.socket)
    trace.value('detached', res.socket)
    res.assignSocket(req.socket)
    res.end('x')
  }),
  used('a ServerResponse of the app', (req, res, trace) => {
    const own = new http.ServerResponse(req)
    own.setHeader('X-Own', '1')
    trace.value('names', own.getHeaderNames())
    res.end('x')
  }),
  used('headersSent after an empty write', (_req, res, trace) => {
    const sent = [res.headersSent]
    for (const text of ['', 'x']) {
      res.write(text)
      sent.push(res.headersSent)
    }
    trace.value('sent', sent)
    res.end()
  }),
  used('what a response is', (_req, res, trace) => {
    trace.value('types', [
      ...['setDefaultEncoding', 'pipe', '_write', 'on'].map((name) => typeof res[name]),
      res instanceof Writable,
      res instanceof http.OutgoingMessage,
    ])
    res.once('error', () => {})
    attempt(trace, 'pipe', () => res.pipe(new PassThrough()))
    res.end('x')
  }),
]
