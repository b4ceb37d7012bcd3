/** The app of `ours-express` on node-fastcgi: `node node-fastcgi-express.js SOCKET`. */
import express from 'express'
import fcgi from 'node-fastcgi'

const app = express()
app.get('/hello', (_req, res) => {
  res.type('text/plain').send('Hello, world\n')
})

fcgi.createServer(app).listen(process.argv[2] ?? '')
