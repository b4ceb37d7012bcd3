/** The least app, as the case `start` spawns it: `node ours-raw.js SOCKET`. */
import { serve } from '@fastcgi/core'

await serve(
  (_req, res) => {
    res.setHeader('Content-Type', 'text/plain')
    res.end('Hello, world\n')
  },
  { listen: process.argv[2], log: () => {}, arguments: [] },
)
