/** Server-sent events: a page that listens, and a stream without end. */
import { PassThrough } from 'node:stream'

import Router from '@koa/router'

import { escape, page } from '../page.mjs'

export const events = new Router({ prefix: '/events' })

events.get('/', (ctx) => {
  const base = escape(ctx.state.base)
  page(
    ctx,
    'Events',
    `<p>A line each second, as long as you look.</p>
     <ol id="log"></ol>
     <script src="${base}/static/events.js" data-from="${base}/events/stream"></script>`,
  )
})

events.get('/stream', (ctx) => {
  const every = Math.min(Math.max(Number(ctx.query.every) || 1000, 20), 60_000)
  const stream = new PassThrough()
  ctx.set({
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    // Tells nginx not to collect the answer; the others have a setting of their own.
    'X-Accel-Buffering': 'no',
  })
  ctx.body = stream
  let count = 0
  const send = () => {
    count += 1
    stream.write(`id: ${count}\ndata: ${new Date().toISOString()}\n\n`)
  }
  send()
  const timer = setInterval(send, every)
  ctx.res.on('close', () => {
    clearInterval(timer)
    console.error(`event stream closed after ${count} events`)
  })
})
