/** Server-sent events: a page that listens, and a stream without end. */

export function eventPage({ base, html }) {
  html(
    200,
    'Events',
    `<p>A line each second, as long as you look.</p>
     <ol id="log"></ol>
     <script src="${base}/static/events.js" data-from="${base}/events/stream"></script>`,
  )
}

export function eventStream({ res, url }) {
  const every = Math.min(Math.max(Number(url.searchParams.get('every')) || 1000, 20), 60_000)
  res.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    // Tells nginx not to collect the answer; the others have a setting of their own.
    'X-Accel-Buffering': 'no',
  })
  let count = 0
  const send = () => {
    count += 1
    res.write(`id: ${count}\ndata: ${new Date().toISOString()}\n\n`)
  }
  send()
  const timer = setInterval(send, every)
  res.on('close', () => {
    clearInterval(timer)
    console.error(`event stream closed after ${count} events`)
  })
}
