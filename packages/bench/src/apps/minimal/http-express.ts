/** The app of `ours-express` on node:http: `node http-express.js SOCKET`. */
import express from 'express'

const app = express()
app.get('/hello', (_req, res) => {
  res.type('text/plain').send('Hello, world\n')
})

// As a CommonJS app gets it: by `import` it would load undici from Node 22 on, 35 ms that are not http's.
process.getBuiltinModule('node:http').createServer(app).listen(process.argv[2])
