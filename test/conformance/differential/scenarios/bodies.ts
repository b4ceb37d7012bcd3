/** The body of a request, read in every way, or not at all. */
import { PassThrough, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

import type { Answer } from '../answer.ts'
import { checksum } from '../run.ts'
import type { Scenario } from '../scenario.ts'
import type { Side } from '../side.ts'
import { errorText, type Trace } from '../trace.ts'
import { bodyOf, filler, turn } from './common.ts'

const post = { method: 'POST', body: 'the body of a request' }
const parts = ['first ', 'second ', 'third'] as const
const partsLength = parts.join('').length

/** Sends each part when the handler has noted the one before. */
function stepwise(framing: 'chunked' | number): Scenario['client'] {
  return async (open: Side['open'], trace: Trace): Promise<Answer> => {
    const answer = open({ method: 'POST', framing })
    await trace.logged('handler')
    for (const part of parts) {
      answer.send(part)
      await trace.logged(`data ${part}`)
    }
    answer.sendEnd()
    await answer.ended()
    return answer
  }
}

/** A body of which the second half never comes. */
const partly: Scenario['client'] = async (open) => {
  const answer = open({ method: 'POST', framing: 20 })
  answer.send('the half')
  await answer.ended()
  return answer
}

const big = filler(1024 * 1024)

export const bodyScenarios: readonly Scenario[] = [
  {
    name: 'data as it comes, of known length',
    client: stepwise(partsLength),
    handler: (request, response, trace) => {
      trace.note('handler')
      request.on('data', (chunk: Buffer) => trace.note(`data ${chunk}`))
      request.on('end', () => response.end('thanks'))
    },
  },
  {
    name: 'data as it comes, of unknown length',
    client: stepwise('chunked'),
    handler: (request, response, trace) => {
      trace.note('handler')
      request.on('data', (chunk: Buffer) => trace.note(`data ${chunk}`))
      request.on('end', () => response.end('thanks'))
    },
  },
  {
    name: 'an echo of each part while more is to come',
    client: async (open) => {
      const answer = open({ method: 'POST', framing: 'chunked' })
      let length = 0
      for (const part of parts) {
        answer.send(part)
        length += part.length
        await answer.received(length)
      }
      answer.sendEnd()
      await answer.ended()
      return answer
    },
    handler: (request, response) => {
      request.pipe(response)
    },
  },
  {
    name: 'iterated',
    request: post,
    handler: async (request, response) => {
      response.end(await bodyOf(request))
    },
  },
  {
    name: 'iterated in part',
    client: async (open, trace) => {
      const answer = open({ method: 'POST', framing: 10 })
      answer.send('first')
      await trace.logged('left')
      await answer.ended()
      return answer
    },
    handler: async (request, response, trace) => {
      for await (const part of request) {
        trace.note(`part ${part}`)
        break
      }
      trace.note('left')
      response.end('enough')
    },
  },
  {
    name: 'iterated in part, left open',
    client: partly,
    handler: async (request, response, trace) => {
      for await (const part of request.iterator({ destroyOnReturn: false })) {
        trace.note(`part ${part}`)
        break
      }
      response.end('enough')
    },
  },
  {
    name: 'with an encoding that cuts characters',
    client: async (open, trace) => {
      const body = Buffer.from('grüße 世界')
      const answer = open({ method: 'POST', framing: body.length })
      for (const at of [0, 3, 9, body.length]) {
        if (at === 0) await trace.logged('handler')
        else {
          const start = at === 3 ? 0 : at === 9 ? 3 : 9
          answer.send(body.subarray(start, at))
          await trace.logged(`upto ${at}`)
        }
      }
      await answer.ended()
      return answer
    },
    handler: (request, response, trace) => {
      request.setEncoding('utf8')
      trace.note('handler')
      let all = ''
      let bytes = 0
      request.on('data', (part: string) => {
        all += part
        bytes = Buffer.byteLength(all)
        trace.note(`upto ${bytes <= 3 ? 3 : bytes <= 9 ? 9 : 14} ${part}`)
      })
      request.on('end', () => response.end(all))
    },
  },
  {
    name: 'text()',
    request: post,
    handler: async (request, response) => {
      response.end(await text(request))
    },
  },
  {
    name: 'as a web stream',
    request: post,
    handler: async (request, response, trace) => {
      const { Readable } = await import('node:stream')
      const reader = Readable.toWeb(request).getReader()
      const { value, done } = await reader.read()
      trace.value('first', [Buffer.from(value as Uint8Array).toString(), done])
      trace.value('second', (await reader.read()).done)
      response.end('read')
    },
  },
  {
    name: 'paused mode',
    request: post,
    handler: (request, response, trace) => {
      const read: Buffer[] = []
      request.on('readable', () => {
        let chunk: Buffer | null
        while ((chunk = request.read(5) as Buffer | null) !== null) read.push(chunk)
      })
      request.on('end', () => {
        trace.value('chunks', read.map(String))
        response.end('read')
      })
    },
  },
  {
    name: 'piped',
    request: post,
    handler: (request, response) => {
      const through = new PassThrough()
      request.pipe(through).pipe(response)
    },
  },
  {
    name: 'by pipeline into a writable',
    request: post,
    handler: async (request, response, trace) => {
      let length = 0
      const sink = new Writable({
        write(chunk: Buffer, _encoding, done) {
          length += chunk.length
          done()
        },
      })
      await pipeline(request, sink)
      trace.note(`pipeline done ${length}`)
      response.end('stored')
    },
  },
  {
    name: 'by pipeline into a writable that fails',
    client: partly,
    handler: async (request, response, trace) => {
      const sink = new Writable({
        write(_chunk, _encoding, done) {
          done(new Error('disk full'))
        },
      })
      await pipeline(request, sink).catch((error: unknown) => trace.note(errorText(error)))
      response.statusCode = 507
      response.end('full')
    },
  },
  {
    name: 'large',
    request: { method: 'PUT', body: big },
    handler: async (request, response) => {
      response.end(checksum(await bodyOf(request)))
    },
  },
  {
    name: 'large, of unknown length',
    client: async (open) => {
      const answer = open({ method: 'PUT', framing: 'chunked' })
      for (let at = 0; at < big.length; at += 50_000) answer.send(big.subarray(at, at + 50_000))
      answer.sendEnd()
      await answer.ended()
      return answer
    },
    handler: async (request, response) => {
      response.end(checksum(await bodyOf(request)))
    },
  },
  {
    name: 'large, and its reader slow',
    request: { method: 'PUT', body: big },
    handler: async (request, response) => {
      let sum = 0
      for await (const part of request) {
        await turn()
        sum += (part as Buffer).length
      }
      response.end(String(sum))
    },
  },
  {
    name: 'large, paused and resumed',
    request: { method: 'PUT', body: big },
    handler: (request, response, trace) => {
      let sum = 0
      let paused = false
      request.on('data', (chunk: Buffer) => {
        sum += chunk.length
        if (paused || sum < 200_000) return
        paused = true
        request.pause()
        trace.note(`paused ${request.isPaused()} ${request.readableFlowing}`)
        setImmediate(() => {
          request.resume()
          trace.note(`resumed ${request.isPaused()} ${request.readableFlowing}`)
        })
      })
      request.on('end', () => response.end(String(sum)))
    },
  },
  {
    name: 'empty, chunked',
    client: async (open) => {
      const answer = open({ method: 'POST', framing: 'chunked' })
      answer.sendEnd()
      await answer.ended()
      return answer
    },
    handler: async (request, response, trace) => {
      trace.value('length', (await bodyOf(request)).length)
      trace.value('encoding', request.headers['transfer-encoding'])
      response.end()
    },
  },
  {
    name: 'not there, iterated',
    handler: async (request, response, trace) => {
      trace.value('length', (await bodyOf(request)).length)
      response.end()
    },
  },
  {
    name: 'not there, resumed',
    handler: (request, response) => {
      request.resume()
      response.end('ok')
    },
  },
  {
    name: 'not there, never looked at, nobody listens',
    quiet: true,
    handler: (_request, response) => response.end('ok'),
  },
  {
    name: 'not there, never looked at, answered later',
    handler: (_request, response) => {
      setImmediate(() => response.end('ok'))
    },
  },
  {
    name: 'not there, never looked at, answered later, nobody listens',
    quiet: true,
    handler: (_request, response) => {
      setImmediate(() => response.end('ok'))
    },
  },
  {
    name: 'not there, end heard after the response',
    quiet: true,
    handler: (request, response, trace) => {
      response.end('ok')
      response.on('close', () => request.on('end', () => trace.note('end')))
    },
    differs: ['end heard too late'],
  },
  {
    name: 'unread',
    request: post,
    handler: (_request, response) => response.end('not interested'),
  },
  {
    name: 'unread, nobody listens',
    request: post,
    quiet: true,
    handler: (_request, response) => response.end('not interested'),
  },
  {
    name: 'unread, answered later',
    request: post,
    handler: (_request, response) => {
      setImmediate(() => response.end('not interested'))
    },
  },
  {
    name: 'unread, answered later, nobody listens',
    request: post,
    quiet: true,
    handler: (_request, response) => {
      setImmediate(() => response.end('not interested'))
    },
  },
  {
    name: 'answered before it has come',
    client: async (open) => {
      const answer = open({ method: 'POST', framing: partsLength })
      await answer.ended()
      for (const part of parts) answer.send(part)
      answer.sendEnd()
      return answer
    },
    handler: (_request, response) => response.end('no need'),
    settled: (trace) => trace.log.some((line) => line.startsWith('req close')),
    kept: true,
  },
  {
    name: 'answered when half of it has come, the rest read',
    client: async (open, trace) => {
      const answer = open({ method: 'POST', framing: 'chunked' })
      answer.send('first half, ')
      await trace.logged('data first')
      answer.send('second half')
      answer.sendEnd()
      await answer.ended()
      return answer
    },
    handler: (request, response, trace) => {
      request.on('data', (chunk: Buffer) => {
        trace.note(`data ${chunk}`)
        if (!response.headersSent) response.write('early ')
      })
      request.on('end', () => response.end('late'))
    },
  },
  {
    name: 'still read when the response is complete',
    client: async (open, trace) => {
      const answer = open({ method: 'POST', framing: partsLength })
      await trace.logged('handler')
      for (const part of parts) {
        answer.send(part)
        await trace.logged(`data ${part}`)
      }
      answer.sendEnd()
      await answer.ended()
      return answer
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('req close')),
    handler: (request, response, trace) => {
      trace.note('handler')
      request.on('data', (chunk: Buffer) => trace.note(`data ${chunk}`))
      response.end('done already')
    },
    kept: true,
  },
  {
    name: 'read late: listeners come after it is here',
    request: post,
    handler: (request, response) => {
      setImmediate(() => {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('end', () => response.end(Buffer.concat(chunks)))
      })
    },
  },
  {
    name: 'read by two listeners, one removed',
    request: post,
    handler: (request, response, trace) => {
      const first = (): void => trace.note('first')
      request.on('data', first)
      request.on('data', (chunk: Buffer) => {
        trace.note(`second ${chunk.length}`)
        request.off('data', first)
      })
      request.on('end', () => response.end())
    },
  },
  {
    name: 'put back by unshift',
    request: post,
    handler: (request, response, trace) => {
      request.once('data', (chunk: Buffer) => {
        request.unshift(chunk)
        request.once('data', (again: Buffer) => trace.note(`again ${again}`))
      })
      request.on('end', () => response.end('ok'))
    },
  },
  {
    name: 'shorter than said, the client gone',
    client: async (open, trace) => {
      const answer = open({ method: 'POST', framing: 100 })
      answer.send('only this')
      await trace.logged('data')
      answer.abort()
      return answer
    },
    handler: (request, _response, trace) => {
      request.on('data', (chunk: Buffer) => trace.note(`data ${chunk}`))
    },
  },
  {
    name: 'shorter than said, iterated, the client gone',
    client: async (open, trace) => {
      const answer = open({ method: 'POST', framing: 100 })
      answer.send('only this')
      await trace.logged('part')
      answer.abort()
      return answer
    },
    handler: async (request, _response, trace) => {
      for await (const part of request) trace.note(`part ${part}`)
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('handler rejected')),
  },
  {
    name: 'destroyed unread, then answered',
    client: partly,
    handler: (request, response) => {
      request.on('close', () => response.end('never'))
      request.destroy()
    },
    differs: ['page for a reset'],
  },
  {
    name: 'read flags while it comes',
    request: post,
    handler: (request, response, trace) => {
      const flags = (): unknown[] => [
        request.readable,
        request.readableEnded,
        request.readableFlowing,
        request.readableAborted,
        request.readableDidRead,
        request.complete,
        request.aborted,
        request.destroyed,
      ]
      trace.value('before', flags())
      request.on('data', () => trace.value('within', flags()))
      request.on('end', () => {
        trace.value('end', flags())
        response.end()
      })
      request.on('close', () => trace.value('close', flags()))
    },
  },
]
