/** The app of `ours-raw` on node:http: `node http-raw.js SOCKET`. */

// As a CommonJS app gets it: by `import` it would load undici from Node 22 on, 35 ms that are not http's.
process
  .getBuiltinModule('node:http')
  .createServer((_req, res) => {
    res.setHeader('Content-Type', 'text/plain')
    res.end('Hello, world\n')
  })
  .listen(process.argv[2])
