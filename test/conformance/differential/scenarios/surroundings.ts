/** What surrounds a request: async context, errors of the handler, timeouts, other requests. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { once, type EventEmitter } from 'node:events'
import type { RequestListener } from 'node:http'
import type { Duplex } from 'node:stream'

import type { Scenario } from '../scenario.ts'
import { errorText } from '../trace.ts'
import { bodyOf, turn } from './common.ts'

const storage = new AsyncLocalStorage<string>()
const post = { method: 'POST', body: 'the body of a request' }

/** The client waits for an entry of the log and goes. */
function leaveAt(start: string): Scenario['client'] {
  return async (open, trace) => {
    const answer = open({})
    await trace.logged(start)
    answer.abort()
    return answer
  }
}

/** Answers as Fastify does. */
const answeringServer: Scenario['server'] = (server, trace) => {
  const listener = (error: Error, socket: Duplex): void => {
    trace.note(`clientError ${errorText(error)} ${socket.writable}`)
    socket.write(
      'HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}',
    )
    socket.destroy(error)
  }
  server.on('clientError', listener)
  return () => server.off('clientError', listener)
}

export const surroundingScenarios: readonly Scenario[] = [
  {
    name: 'AsyncLocalStorage.run() through a response',
    handler: (_request, response, trace) => {
      storage.run('store', () => {
        response.on('finish', () => trace.note(`finish ${storage.getStore()}`))
        response.on('close', () => trace.note(`close ${storage.getStore()}`))
        process.nextTick(() => trace.note(`tick ${storage.getStore()}`))
        setImmediate(() => {
          trace.note(`immediate ${storage.getStore()}`)
          response.end('x', () => trace.note(`end ${storage.getStore()}`))
        })
      })
    },
  },
  {
    name: 'AsyncLocalStorage.run() through a body',
    request: post,
    handler: (request, response, trace) => {
      storage.run('store', () => {
        request.on('data', () => trace.note(`data ${storage.getStore()}`))
        request.on('end', () => {
          trace.note(`end ${storage.getStore()}`)
          response.end('x')
        })
      })
    },
  },
  {
    name: 'AsyncLocalStorage.run() through an awaited body',
    request: post,
    handler: async (request, response, trace) => {
      await storage.run('store', async () => {
        trace.note(`before ${storage.getStore()}`)
        await bodyOf(request)
        trace.note(`after ${storage.getStore()}`)
        response.end('x')
        await once(response, 'close')
        trace.note(`closed ${storage.getStore()}`)
      })
    },
  },
  {
    name: 'AsyncLocalStorage.enterWith() does not reach the next request',
    client: async (open, trace) => {
      const first = open({ target: '/first' })
      await first.ended()
      const second = open({ target: '/second' })
      await second.ended()
      await trace.logged('/second')
      return second
    },
    quiet: true,
    handler: (request, response, trace) => {
      trace.note(`${request.url} ${storage.getStore()}`)
      storage.enterWith(`store of ${request.url}`)
      setImmediate(() => {
        trace.note(`${request.url} later ${storage.getStore()}`)
        response.end('x')
      })
    },
    settled: (trace) => trace.log.some((line) => line.startsWith('/second later')),
    differs: ['async context of a kept connection'],
  },
  {
    name: 'a handler that throws',
    client: leaveAt('uncaughtException'),
    handler: () => {
      throw new Error('thrown')
    },
    differs: ['after an exception'],
  },
  {
    name: 'a handler that throws after the head',
    client: async (open, trace) => {
      const answer = open({})
      await answer.received(1)
      await trace.logged('uncaughtException')
      answer.abort()
      return answer
    },
    handler: (_request, response) => {
      response.write('x')
      throw new Error('thrown')
    },
    differs: ['after an exception'],
  },
  {
    name: 'a handler that rejects',
    client: leaveAt('handler rejected'),
    handler: async () => {
      await turn()
      throw new Error('rejected')
    },
  },
  {
    name: 'a data listener that throws',
    client: async (open, trace) => {
      const answer = open(post)
      await trace.logged('uncaughtException')
      answer.abort()
      return answer
    },
    handler: (request) => {
      request.on('data', () => {
        throw new Error('thrown at data')
      })
    },
    differs: ['after an exception'],
  },
  {
    name: 'an end listener that throws',
    client: async (open, trace) => {
      const answer = open(post)
      await trace.logged('uncaughtException')
      answer.abort()
      return answer
    },
    handler: (request) => {
      request.resume()
      request.on('end', () => {
        throw new Error('thrown at end')
      })
    },
  },
  {
    name: 'a finish listener that throws',
    settled: (trace) => trace.log.some((line) => line.startsWith('uncaughtException')),
    handler: (_request, response) => {
      response.on('finish', () => {
        throw new Error('thrown at finish')
      })
      response.end('x')
    },
    open: true,
  },
  {
    name: 'a close listener that throws',
    settled: (trace) => trace.log.some((line) => line.startsWith('uncaughtException')),
    handler: (_request, response) => {
      response.on('close', () => {
        throw new Error('thrown at close')
      })
      response.end('x')
    },
  },
  {
    name: 'an exception in a timer',
    client: leaveAt('uncaughtException'),
    handler: () => {
      setImmediate(() => {
        throw new Error('thrown later')
      })
    },
  },
  {
    name: 'res.setTimeout() with a callback',
    settled: (trace) => trace.log.some((line) => line.startsWith('timeout')),
    handler: (_request, response, trace) => {
      response.setTimeout(40, ((socket: unknown) => {
        trace.note(`timeout ${socket === response.socket}`)
        response.writeHead(503)
        response.end('too slow')
      }) as () => void)
    },
  },
  {
    name: 'req.setTimeout() with a callback, the request complete',
    handler: (request, _response, trace) => {
      request.setTimeout(40, () => trace.note('timeout'))
    },
    differs: ['page for a reset'],
  },
  {
    name: 'req.setTimeout() with a callback',
    client: async (open) => {
      const answer = open({ method: 'POST', framing: 10 })
      await answer.ended()
      answer.send('in the end')
      answer.sendEnd()
      return answer
    },
    kept: true,
    settled: (trace) => trace.log.some((line) => line.startsWith('req close')),
    handler: (request, response, trace) => {
      request.setTimeout(40, () => {
        trace.note('timeout')
        response.writeHead(503)
        response.end('too slow')
      })
    },
  },
  {
    name: 'res.setTimeout() and nobody listens',
    handler: (_request, response) => {
      response.setTimeout(40)
    },
    differs: ['page for a reset'],
  },
  {
    name: 'socket.setTimeout() with a listener',
    handler: (request, response, trace) => {
      request.socket.setTimeout(40, () => {
        trace.note('timeout')
        response.end('late')
      })
    },
    differs: ['page for a reset'],
  },
  {
    name: 'a timeout set and taken back',
    handler: (_request, response, trace) => {
      response.setTimeout(5, () => trace.note('timeout'))
      response.setTimeout(0)
      setTimeout(() => response.end('in time'), 60)
    },
  },
  {
    name: 'a timeout and an answer in time',
    handler: (_request, response, trace) => {
      response.setTimeout(10_000, () => trace.note('timeout'))
      setImmediate(() => response.end('in time'))
    },
  },
  {
    name: 'a timeout listener of the server',
    server: (server, trace) => {
      const listener = (): void => trace.note('server timeout')
      server.on('timeout', listener)
      return () => server.off('timeout', listener)
    },
    client: async (open, trace) => {
      const answer = open({})
      await trace.logged('server timeout')
      answer.abort()
      return answer
    },
    handler: (request) => {
      request.socket.setTimeout(40)
    },
  },
  {
    name: 'a response written to the socket by hand',
    handler: (request) => {
      request.socket.end(
        'HTTP/1.1 202 By Hand\r\nX-A: 1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello',
      )
    },
    quiet: true,
  },
  {
    name: 'a response written to the socket by hand, in parts',
    handler: (request) => {
      request.socket.write('HTTP/1.1 200 OK\r\nX-A: 1\r\n')
      request.socket.write('Connection: close\r\n\r\nhel')
      request.socket.write(Buffer.from('lo, '))
      request.socket.end('grüße')
    },
    quiet: true,
  },
  {
    name: 'a clientError listener answers what is refused',
    request: { method: 'BREW' },
    server: answeringServer,
    open: true,
    handler: () => {},
  },
  {
    name: 'a clientError listener answers headers that are too large',
    request: { headers: [['X-Long', 'l'.repeat(20_000)]] },
    server: answeringServer,
    open: true,
    handler: () => {},
  },
  {
    name: 'a timeout of the server',
    server: (server, trace) => {
      const listener = (): void => trace.note('timeout')
      server.setTimeout(40, listener)
      return () => {
        server.off('timeout', listener)
        server.setTimeout(0)
      }
    },
    client: leaveAt('timeout'),
    handler: () => {},
  },
  {
    name: 'several request listeners',
    server: (server, trace) => {
      const first: RequestListener = () => trace.note('first listener')
      const last: RequestListener = (_request, response) => {
        trace.note('last listener')
        response.end('answered by the last')
      }
      server.prependListener('request', first)
      server.on('request', last)
      return () => {
        server.off('request', first)
        server.off('request', last)
      }
    },
    handler: (_request, _response, trace) => trace.note('middle listener'),
  },
  {
    name: 'server.emit patched, as monitors do',
    server: (server, trace) => {
      const { emit } = server
      server.emit = function patched(this: EventEmitter, event: string, ...args: unknown[]) {
        if (event === 'request') trace.note('seen by the monitor')
        return Reflect.apply(emit, this, [event, ...args]) as boolean
      } as typeof emit
      return () => {
        server.emit = emit
      }
    },
    handler: (_request, response) => response.end('x'),
  },
  {
    name: 'the server emits on `this`',
    server: (server, trace) => {
      const listener = function seen(this: unknown): void {
        trace.note(`this is the server: ${this === server}`)
      }
      server.on('request', listener)
      return () => server.off('request', listener)
    },
    handler: (_request, response) => response.end('x'),
  },
  {
    name: 'two requests one after the other',
    quiet: true,
    client: async (open) => {
      const first = open({ target: '/1' })
      await first.ended()
      const second = open({ target: '/2' })
      await second.ended()
      return second
    },
    handler: (request, response, trace) => {
      trace.note(request.url ?? '')
      response.end(request.url)
    },
  },
  {
    name: 'a response of one request written by another',
    quiet: true,
    client: async (open, trace) => {
      const first = open({ target: '/waits' })
      await trace.logged('/waits')
      const second = open({ target: '/answers' })
      await second.ended()
      await first.ended()
      return first
    },
    handler: (request, response, trace) => {
      trace.note(request.url ?? '')
      if (request.url === '/waits') {
        waiting = response
        return
      }
      waiting?.end('answered by the other')
      response.end('done')
    },
  },
]

let waiting: { end(text: string): unknown } | undefined
