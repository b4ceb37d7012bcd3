/**
 * One application process on Node: `node node-app.js TRANSPORT FRAMEWORK SOCKET [CORE]`, where CORE is
 * another build of @fastcgi/core to compare with. It answers questions of the runner
 * over IPC (memory after a collection, a sampled profile of allocations) and does nothing else beside serving.
 */
import { createServer as createNetServer, type Server as NetServer } from 'node:net'
import type * as Core from '@fastcgi/core'
import { expressApp, fastifyApp, koaApp, listenerOf, rawListener } from './handlers.ts'
import { AllocationSampler } from './allocation-sampler.ts'

/** What the runner may ask, one at a time. */
export type Question = 'memory' | 'allocations-start' | 'allocations-stop' | 'exit'

const [, , transport = 'http', framework = 'raw', path = '', core] = process.argv

async function listen(): Promise<void> {
  switch (transport) {
    case 'floor':
      floor().listen(path)
      break
    case 'ours':
      await serveOurs()
      break
    case 'node-fastcgi': {
      const { default: fcgi } = await import('node-fastcgi')
      fcgi.createServer(await listenerOf(framework)).listen(path)
      break
    }
    default: {
      // As a CommonJS app gets it: by `import` it would load undici from Node 22 on, 35 ms that are not http's.
      const { createServer } = process.getBuiltinModule('node:http')
      const server = createServer(await listenerOf(framework))
      // Behind a proxy that keeps connections this must be longer than the proxy's own limit, as every guide says.
      server.keepAliveTimeout = 75_000
      server.listen(path)
    }
  }
}

/** As a user's script does it: by the framework's adapter, with its defaults. */
async function serveOurs(): Promise<void> {
  const options = { listen: path, log: () => {}, arguments: [] }
  if (core !== undefined) {
    const other = (await import(core)) as typeof Core
    await other.serve(await listenerOf(framework), options)
    return
  }
  switch (framework) {
    case 'express':
      await (await import('@fastcgi/express')).serve(await expressApp(), options)
      break
    case 'koa':
      await (await import('@fastcgi/koa')).serve(await koaApp(), options)
      break
    case 'fastify':
      await (await import('@fastcgi/fastify')).serve(await fastifyApp(), options)
      break
    default:
      await (await import('@fastcgi/core')).serve(rawListener, options)
  }
}

/** The least a Node process can do: a net.Server that parses nothing and answers canned FastCGI bytes to each read. */
function floor(): NetServer {
  const head = 'Content-Type: text/plain\r\n\r\nHello, world\n'
  const padding = (8 - (head.length % 8)) % 8
  const answer = Buffer.concat([
    Buffer.from([1, 6, 0, 1, 0, head.length, padding, 0]),
    Buffer.from(head + '\0'.repeat(padding)),
    Buffer.from([1, 6, 0, 1, 0, 0, 0, 0, 1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  ])
  return createNetServer((socket) => {
    socket.on('data', () => socket.write(answer))
    socket.on('error', () => socket.destroy())
  })
}

// Set by the option --otel of the runner.
if (process.env['BENCH_OTEL'] === '1') await import('./otel.ts')

const sampler = new AllocationSampler()

process.on('message', (question: Question) => {
  if (question === 'memory') {
    globalThis.gc?.()
    globalThis.gc?.()
    process.send?.(process.memoryUsage())
  } else if (question === 'allocations-start') {
    void sampler.start().then(() => process.send?.({ started: true }))
  } else if (question === 'allocations-stop') {
    void sampler.stop().then((functions) => process.send?.(functions))
  } else {
    process.exit(0)
  }
})
process.on('disconnect', () => process.exit(0))

await listen()
