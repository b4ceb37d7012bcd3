/** The app of `ours-raw` on node-fastcgi: `node node-fastcgi-raw.js SOCKET`. */
import fcgi from 'node-fastcgi'

fcgi
  .createServer((_req, res) => {
    res.setHeader('Content-Type', 'text/plain')
    res.end('Hello, world\n')
  })
  .listen(process.argv[2] ?? '')
