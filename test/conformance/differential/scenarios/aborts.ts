/** Requests and responses that end before their time, by the client's hand or the app's. */
import { addAbortSignal, finished, PassThrough, pipeline, Readable, Writable } from 'node:stream'
import * as streams from 'node:stream/promises'

import type { Answer, Request } from '../answer.ts'
import type { Scenario } from '../scenario.ts'
import type { Side } from '../side.ts'
import { errorText, type Trace } from '../trace.ts'
import { attempt, filler, turn } from './common.ts'

/** The client goes away when the log has an entry that begins so. */
function abortAt(start: string, request: Request = {}, body?: string): Scenario['client'] {
  return async (open: Side['open'], trace: Trace): Promise<Answer> => {
    const answer = open(request)
    if (body !== undefined) answer.send(body)
    await trace.logged(start)
    answer.abort()
    return answer
  }
}

/** The client goes away when it has so much of the body. */
function abortAfter(bytes: number): Scenario['client'] {
  return async (open: Side['open']): Promise<Answer> => {
    const answer = open({})
    await answer.received(bytes)
    answer.abort()
    return answer
  }
}

const upload: Request = { method: 'POST', framing: 1000 }

/** Has something to say, and never ends. */
function endless(): Readable {
  const source = new Readable({ read() {} })
  source.push('xyz')
  return source
}

export const abortScenarios: readonly Scenario[] = [
  {
    name: 'the client goes before the head',
    client: abortAt('handler'),
    handler: (_request, _response, trace) => trace.note('handler'),
  },
  {
    name: 'the client goes before the head, nobody listens',
    client: abortAt('handler'),
    quiet: true,
    handler: (_request, _response, trace) => trace.note('handler'),
  },
  {
    name: 'the client goes before the head, which comes then',
    client: abortAt('handler'),
    handler: (_request, response, trace) => {
      trace.note('handler')
      response.on('close', () => {
        attempt(trace, 'setHeader', () => response.setHeader('X-A', '1'))
        attempt(trace, 'write', () => response.write('x', (e) => trace.note(`cb ${errorText(e)}`)))
        attempt(trace, 'end', () => response.end('y', () => trace.note('end cb')))
        trace.note(`sent ${response.headersSent}`)
      })
    },
  },
  {
    name: 'the client goes before the head, which comes a turn later',
    client: abortAt('handler'),
    settled: (trace) => trace.log.includes('answered'),
    handler: (_request, response, trace) => {
      trace.note('handler')
      response.on('close', () => {
        setImmediate(() => {
          response.writeHead(200, { 'X-A': '1' })
          response.end('late')
          trace.note('answered')
        })
      })
    },
  },
  {
    name: 'the client goes within the response',
    client: abortAfter(1),
    handler: (_request, response) => {
      response.write('x')
    },
  },
  {
    name: 'the client goes within the response, nobody listens',
    client: abortAfter(1),
    quiet: true,
    handler: (_request, response) => {
      response.write('x')
    },
  },
  {
    name: 'the client goes within the response, which goes on',
    client: abortAfter(1),
    settled: (trace) => trace.log.some((line) => line.startsWith('last')),
    handler: (_request, response, trace) => {
      response.write('x')
      response.on('close', () => {
        trace.note(`write ${response.write('y', (error) => trace.note(`y ${errorText(error)}`))}`)
        setImmediate(() => {
          response.end('z', () => trace.note('ended'))
          setImmediate(() => trace.note('last'))
        })
      })
    },
  },
  {
    name: 'the client goes within the upload',
    client: abortAt('data', upload, 'part'),
    handler: (request, _response, trace) => {
      request.on('data', (chunk: Buffer) => trace.note(`data ${chunk}`))
    },
  },
  {
    name: 'the client goes within the upload, nobody listens for errors',
    client: abortAt('data', upload, 'part'),
    quiet: true,
    handler: (request, _response, trace) => {
      request.on('data', (chunk: Buffer) => trace.note(`data ${chunk}`))
      request.on('close', () => trace.note('request close'))
      request.on('end', () => trace.note('request end'))
    },
  },
  {
    name: 'the client goes within the upload, nothing of it read',
    client: abortAt('handler', upload, 'part'),
    handler: (_request, _response, trace) => trace.note('handler'),
  },
  {
    name: 'the client goes within the upload, paused',
    client: abortAt('data', upload, 'part'),
    handler: (request, _response, trace) => {
      request.on('data', (chunk: Buffer) => {
        request.pause()
        trace.note(`data ${chunk}`)
      })
    },
  },
  {
    name: 'the client goes within the upload, after the head of the response',
    client: async (open, trace) => {
      const answer = open(upload)
      answer.send('part')
      await answer.received(5)
      await trace.logged('data')
      answer.abort()
      return answer
    },
    handler: (request, response, trace) => {
      request.on('data', (chunk: Buffer) => trace.note(`data ${chunk}`))
      response.write('early')
    },
  },
  {
    name: 'the client goes when body and request are complete',
    client: async (open, trace) => {
      const answer = open({ method: 'POST', body: 'whole' })
      await trace.logged('end of it')
      answer.abort()
      return answer
    },
    handler: (request, _response, trace) => {
      request.resume()
      request.on('end', () => trace.note('end of it'))
    },
  },
  {
    name: 'the client goes, the body iterated',
    client: abortAt('part', upload, 'part'),
    settled: (trace) => trace.log.some((line) => line.startsWith('handler rejected')),
    handler: async (request, _response, trace) => {
      for await (const part of request) trace.note(`part ${part}`)
      trace.note('not reached')
    },
  },
  {
    name: 'the client goes within a pipeline into the response',
    client: abortAfter(3),
    settled: (trace) => trace.log.some((line) => line.startsWith('pipeline')),
    handler: (_request, response, trace) => {
      const source = endless()
      source.on('close', () => trace.note('source closed'))
      pipeline(source, response, (error) => trace.note(`pipeline ${errorText(error)}`))
    },
  },
  {
    name: 'the client goes within a pipe into the response',
    client: abortAfter(3),
    handler: (_request, response) => {
      const source = endless()
      source.pipe(response)
      response.on('close', () => source.destroy())
    },
  },
  {
    name: 'the client goes within a pipeline out of the request',
    client: abortAt('chunk', upload, 'part'),
    settled: (trace) => trace.log.some((line) => line.startsWith('pipeline')),
    handler: (request, _response, trace) => {
      const sink = new Writable({
        write(chunk: Buffer, _encoding, done) {
          trace.note(`chunk ${chunk}`)
          done()
        },
      })
      pipeline(request, sink, (error) => trace.note(`pipeline ${errorText(error)}`))
    },
  },
  {
    name: 'the client goes within a pipeline from request to response',
    client: async (open) => {
      const answer = open(upload)
      answer.send('part')
      await answer.received(4)
      answer.abort()
      return answer
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('pipeline')),
    handler: (request, response, trace) => {
      pipeline(request, new PassThrough(), response, (error) =>
        trace.note(`pipeline ${errorText(error)}`),
      )
    },
  },
  {
    name: 'the client goes while drain is awaited',
    client: async (open, trace) => {
      const answer = open({})
      await answer.headArrived()
      answer.pause()
      await trace.logged('full')
      answer.abort()
      return answer
    },
    quiet: true,
    settled: (trace) => trace.log.includes('closed'),
    handler: async (_request, response, trace) => {
      const chunk = filler(1024 * 1024)
      response.on('drain', () => {})
      response.on('close', () => trace.note('closed'))
      response.flushHeaders()
      // Until neither kernel nor client takes more.
      for (let at = 0; at < 64 && !response.destroyed; at++) response.write(chunk)
      await turn()
      trace.note('full')
      trace.value('result', response.write('x'))
    },
    differs: ['bytes on their way'],
  },
  {
    name: 'finished() of a response that is completed',
    handler: (_request, response, trace) => {
      finished(response, (error) => trace.note(`finished ${errorText(error)}`))
      response.end('x')
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('finished')),
  },
  {
    name: 'finished() of a response whose client goes',
    client: abortAfter(1),
    handler: (_request, response, trace) => {
      finished(response, (error) => trace.note(`finished ${errorText(error)}`))
      response.write('x')
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('finished')),
  },
  {
    name: 'finished() of a request that is read',
    request: { method: 'POST', body: 'whole' },
    handler: (request, response, trace) => {
      finished(request, (error) => trace.note(`finished ${errorText(error)}`))
      request.resume()
      request.on('end', () => response.end())
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('finished')),
  },
  {
    name: 'finished() of a request whose client goes',
    client: abortAt('handler', upload, 'part'),
    handler: (request, _response, trace) => {
      finished(request, (error) => trace.note(`finished ${errorText(error)}`))
      request.resume()
      trace.note('handler')
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('finished')),
  },
  {
    name: 'finished() by promise, of both',
    handler: async (request, response, trace) => {
      const both = Promise.all([
        streams.finished(request).then(() => trace.note('request finished')),
        streams.finished(response).then(() => trace.note('response finished')),
      ])
      request.resume()
      response.end('x')
      await both
    },
    settled: (trace) =>
      trace.log.includes('request finished') && trace.log.includes('response finished'),
  },
  {
    name: 'an abort signal on the request',
    client: abortAt('handler', upload, 'part'),
    handler: (request, _response, trace) => {
      const controller = new AbortController()
      addAbortSignal(controller.signal, request)
      request.on('error', () => trace.note('heard'))
      trace.note('handler')
    },
  },
  {
    name: 'req.signal of a request that is completed',
    since: [24, 0],
    handler: (request, response, trace) => {
      const { signal } = request as unknown as { signal: AbortSignal }
      signal.addEventListener('abort', () => trace.note('signal'))
      response.end('x')
      response.on('close', () => trace.note(`aborted ${signal.aborted}`))
    },
  },
  {
    name: 'req.signal of a request whose client goes',
    since: [24, 0],
    client: abortAfter(1),
    handler: (request, response, trace) => {
      const { signal } = request as unknown as { signal: AbortSignal }
      signal.addEventListener('abort', () => {
        trace.note(`signal ${(signal.reason as Error).name}`)
      })
      response.write('x')
    },
  },
  {
    name: 'req.signal asked for when the client has gone',
    since: [24, 0],
    client: abortAfter(1),
    handler: (request, response, trace) => {
      response.write('x')
      response.on('close', () => {
        const { signal } = request as unknown as { signal: AbortSignal }
        trace.note(`aborted ${signal.aborted}`)
      })
    },
  },
  {
    name: 'res.destroy() before the head',
    handler: (_request, response) => response.destroy(),
    differs: ['page for a reset'],
  },
  {
    name: 'res.destroy() a turn later',
    handler: (_request, response) => {
      setImmediate(() => response.destroy())
    },
    differs: ['page for a reset'],
  },
  {
    name: 'res.destroy() with an error before the head',
    handler: (_request, response) => response.destroy(new Error('broken')),
    differs: ['page for a reset'],
  },
  {
    name: 'res.destroy() with an error, nobody listens',
    quiet: true,
    handler: (_request, response) => response.destroy(new Error('broken')),
    differs: ['page for a reset'],
  },
  {
    name: 'res.destroy() within the response',
    handler: async (_request, response, trace) => {
      response.write('x')
      await trace.logged('client has it')
      response.destroy()
    },
    client: async (open, trace) => {
      const answer = open({})
      await answer.received(1)
      trace.note('client has it')
      return answer
    },
  },
  {
    name: 'res.destroy() with an error within the response',
    handler: async (_request, response, trace) => {
      response.write('x')
      await trace.logged('client has it')
      response.destroy(new Error('broken'))
    },
    client: async (open, trace) => {
      const answer = open({})
      await answer.received(1)
      trace.note('client has it')
      return answer
    },
  },
  {
    name: 'res.destroy() after a write in the same turn',
    handler: (_request, response) => {
      response.write('x')
      response.destroy()
    },
    differs: ['page for a reset'],
  },
  {
    name: 'res.destroy() after end',
    handler: (_request, response, trace) => {
      response.end('whole')
      response.on('finish', () => {
        trace.note('destroyed after finish')
        response.destroy()
      })
    },
  },
  {
    name: 'req.destroy() before the head',
    handler: (request) => request.destroy(),
    differs: ['page for a reset'],
  },
  {
    name: 'req.destroy() with an error before the head',
    handler: (request) => request.destroy(new Error('broken')),
    differs: ['page for a reset'],
  },
  {
    name: 'req.destroy() with an error, nobody listens',
    quiet: true,
    handler: (request) => request.destroy(new Error('broken')),
    differs: ['page for a reset'],
  },
  {
    name: 'req.destroy() within the body',
    client: async (open) => {
      const answer = open(upload)
      answer.send('part')
      await answer.ended()
      return answer
    },
    handler: (request) => {
      request.on('data', () => request.destroy())
    },
    differs: ['page for a reset'],
  },
  {
    name: 'req.destroy() within the response',
    handler: async (request, response, trace) => {
      response.write('x')
      await trace.logged('client has it')
      request.destroy()
    },
    client: async (open, trace) => {
      const answer = open({})
      await answer.received(1)
      trace.note('client has it')
      return answer
    },
  },
  {
    name: 'req.destroy() after the response',
    handler: (request, response) => {
      response.end('whole')
      response.on('close', () => request.destroy())
    },
  },
  {
    name: 'socket.destroy() before the head',
    handler: (request, _response, trace) => {
      request.socket.on('close', (hadError: boolean) => trace.note(`socket close ${hadError}`))
      request.socket.destroy()
      trace.note(`destroyed ${request.socket.destroyed} ${request.socket.readyState}`)
    },
    differs: ['page for a reset'],
  },
  {
    name: 'socket.destroy() with an error before the head',
    handler: (request, _response, trace) => {
      request.socket.on('error', (error) => trace.note(`socket error ${errorText(error)}`))
      request.socket.on('close', (hadError: boolean) => trace.note(`socket close ${hadError}`))
      request.socket.destroy(new Error('broken'))
    },
    differs: ['page for a reset'],
  },
  {
    name: 'socket.destroy() with an error and a clientError listener',
    server: (server, trace) => {
      const listener = (error: Error): void => trace.note(`clientError ${errorText(error)}`)
      server.on('clientError', listener)
      return () => server.off('clientError', listener)
    },
    handler: (request) => {
      request.socket.destroy(new Error('broken'))
    },
    differs: ['page for a reset'],
  },
  {
    name: 'socket.destroy() within the response',
    handler: async (request, response, trace) => {
      response.write('x')
      await trace.logged('client has it')
      request.socket.destroy()
      response.write('y')
      response.end()
    },
    client: async (open, trace) => {
      const answer = open({})
      await answer.received(1)
      trace.note('client has it')
      return answer
    },
  },
  {
    name: 'socket close when the client goes',
    client: abortAfter(1),
    handler: (request, response, trace) => {
      const { socket } = request
      socket.on('close', (hadError: boolean) => {
        trace.note(`socket close ${hadError} ${socket.destroyed} ${socket.writable}`)
      })
      response.write('x')
    },
  },
  {
    name: 'a pipeline into the response whose source fails before the head',
    handler: (_request, response, trace) => {
      const source = new Readable({
        read() {
          this.destroy(new Error('no such file'))
        },
      })
      pipeline(source, response, (error) => trace.note(`pipeline ${errorText(error)}`))
    },
    differs: ['page for a reset'],
  },
  {
    name: 'a pipeline into the response whose source fails within',
    client: async (open, trace) => {
      const answer = open({})
      await answer.received(1)
      trace.note('client has it')
      return answer
    },
    handler: (_request, response, trace) => {
      const source = new Readable({ read() {} })
      source.push('x')
      void trace.logged('client has it').then(() => source.destroy(new Error('disk gone')))
      pipeline(source, response, (error) => trace.note(`pipeline ${errorText(error)}`))
    },
  },
  {
    name: 'a pipeline into the response',
    handler: (_request, response, trace) => {
      pipeline(Readable.from(['a', 'b', 'c']), response, (error) =>
        trace.note(`pipeline ${errorText(error)}`),
      )
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('pipeline')),
  },
  {
    name: 'a pipeline of a generator into the response, by promise',
    handler: async (_request, response, trace) => {
      await streams.pipeline(async function* generate() {
        yield 'a'
        await turn()
        yield 'b'
      }, response)
      trace.note('pipeline done')
    },
    settled: (trace) => trace.log.includes('pipeline done'),
  },
]
