// A custom server, as Next's documentation has it.
import { createServer } from 'node:http'
import next from 'next'

const app = next({ dev: false })
const handle = app.getRequestHandler()
await app.prepare()
createServer((req, res) => handle(req, res)).listen(process.env.PORT ?? 3000)
