/**
 * One application process on Node: `node node-app.js TRANSPORT FRAMEWORK SOCKET [CORE]`, where CORE is
 * another build of @fastcgi/core to compare with. It answers questions of the runner
 * over IPC (memory after a collection, a sampled profile of allocations) and does nothing else beside serving.
 */
import type { RequestListener } from 'node:http'
import { createServer as createNetServer, type Server as NetServer } from 'node:net'
import { application } from './handlers.ts'
import { AllocationSampler } from './allocation-sampler.ts'

/** What the runner may ask, one at a time. */
export type Question = 'memory' | 'allocations-start' | 'allocations-stop' | 'exit'

const [, , transport = 'http', framework = 'raw', path = '', core = '@fastcgi/core'] = process.argv

async function listen(): Promise<void> {
  if (transport === 'floor') {
    floor().listen(path)
    return
  }
  const listener = await application(framework)
  if (transport === 'ours') {
    const { createServer } = (await import(core)) as unknown as {
      createServer(listener: RequestListener): NetServer
    }
    createServer(listener).listen(path)
  } else if (transport === 'node-fastcgi') {
    const { default: fcgi } = await import('node-fastcgi')
    fcgi.createServer(listener).listen(path)
  } else {
    const { createServer } = await import('node:http')
    const server = createServer(listener)
    // Behind a proxy that keeps connections this must be longer than the proxy's own limit, as every guide says.
    server.keepAliveTimeout = 75_000
    server.listen(path)
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
