/** The README's app, as the case `start` spawns it: `node ours-express.js SOCKET`. */
import { serve } from '@fastcgi/express'
import express from 'express'

const app = express()
app.get('/hello', (_req, res) => {
  res.type('text/plain').send('Hello, world\n')
})

await serve(app, { listen: process.argv[2], log: () => {}, arguments: [] })
