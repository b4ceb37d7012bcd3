/** Server-sent events: a page that listens, and a stream without end. */
import { PassThrough } from 'node:stream'

import { escape, page } from '../page.mjs'

export async function events(app) {
  app.get('/', (request, reply) => {
    const base = escape(request.base)
    return page(
      request,
      reply,
      'Events',
      `<p>A line each second, as long as you look.</p>
       <ol id="log"></ol>
       <script src="${base}/static/events.js" data-from="${base}/events/stream"></script>`,
    )
  })

  app.get('/stream', (request, reply) => {
    const every = Math.min(Math.max(Number(request.query.every) || 1000, 20), 60_000)
    const stream = new PassThrough()
    let count = 0
    const send = () => {
      count += 1
      stream.write(`id: ${count}\ndata: ${new Date().toISOString()}\n\n`)
    }
    send()
    const timer = setInterval(send, every)
    reply.raw.on('close', () => {
      clearInterval(timer)
      console.error(`event stream closed after ${count} events`)
    })
    return reply
      .headers({
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store',
        // Tells nginx not to collect the answer; the others have a setting of their own.
        'X-Accel-Buffering': 'no',
      })
      .send(stream)
  })
}
