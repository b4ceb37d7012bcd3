/** All that several processes break: sessions in memory, a chat over event streams, a counter. */
import express from 'express'
import session from 'express-session'

const app = express()
const streams = new Set()
let waiting = 0

app.use(session({ secret: 'test', resave: false, saveUninitialized: false }))

app.post('/login', (req, res) => {
  req.session.name = req.query.name
  res.json({ process: process.pid })
})

app.get('/me', (req, res) => {
  res.json({ name: req.session.name, process: process.pid, baseUrl: req.baseUrl })
})

app.get('/events', (req, res) => {
  res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  res.write(`: connected to ${process.pid}\n\n`)
  streams.add(res)
  res.on('close', () => streams.delete(res))
})

app.post('/say', (req, res) => {
  for (const stream of streams) stream.write(`data: ${req.query.text}\n\n`)
  res.json({ streams: streams.size })
})

// Answered when as many wait as are asked for.
const together = []
app.get('/together', (req, res) => {
  together.push(res)
  if (together.length < Number(req.query.of)) return
  for (const each of together.splice(0)) each.json({ process: process.pid })
})

app.get('/hold', (req, res) => {
  waiting += 1
  console.log(`held by ${process.pid}`)
  res.on('close', () => (waiting -= 1))
})
app.get('/waiting', (req, res) => res.json({ waiting, process: process.pid }))

export default app
