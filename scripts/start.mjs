// `npm start`: from a fresh clone to the Express example on http://127.0.0.1:8080, every request
// turned into FastCGI records and back by the development gateway.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { root } from './run.mjs'
import { build, install } from './setup.mjs'

const help = `Usage: npm start [-- options]

Installs and builds what is not there yet, then runs an example app through FastCGI:
a gateway on http://127.0.0.1:8080 turns HTTP into FastCGI records and back, as a web
server would, so what you see is what you deploy. Ctrl-C stops it.

Options:
  --example NAME   express (default), or another folder of examples/ with an app.fcgi
  --port N         the gateway's port (default: $PORT, else 8080)
  --help           this text

Next: README.md (Apache in five minutes), examples/servers/ (a config for each web server),
npm test (everything, with real web servers), npm run test:unit (no web server needed).`

let values
try {
  ;({ values } = parseArgs({
    options: {
      example: { type: 'string', default: 'express' },
      port: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }))
} catch (error) {
  console.error(`${error.message}\n\n${help}`)
  process.exit(64)
}
if (values.help) {
  console.log(help)
  process.exit(0)
}

const port = Number(values.port ?? (process.env.PORT || 8080))
const script = path.join(root, 'examples', values.example, 'app.fcgi')
if (!Number.isInteger(port) || port < 1 || port > 65535) {
  console.error(`--port takes a number from 1 to 65535, not ${values.port ?? process.env.PORT}`)
  process.exit(64)
}
if (!fs.existsSync(script)) {
  console.error(`There is no ${path.relative(root, script)}.`)
  process.exit(64)
}
if (!(await isFree())) {
  // Otherwise the answer of whoever listens there would pass for ours.
  console.error(
    `Port ${port} is taken by another program. Take another: npm start -- --port ${port + 1}`,
  )
  process.exit(1)
}
if (!(await install()) || !(await build())) process.exit(1)

const app = spawn(process.execPath, [script, '--gateway'], {
  cwd: path.dirname(script),
  env: { ...process.env, PORT: String(port) },
  stdio: 'inherit',
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  // A terminal sends Ctrl-C to the app as well; it drains, and we go when it is gone.
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) app.kill(signal)
  })
}
app.on('exit', (code, signal) => {
  if (code) console.error(`\nThe example ended with exit code ${code}.`)
  process.exit(code ?? (signal ? 1 : 0))
})

const status = await answers()
if (status >= 500) console.log(`\n  The example answers ${status}; the lines above say why.`)
console.log(`
  The ${values.example} example answers, through FastCGI:  http://127.0.0.1:${port}

  Try next:
    curl -i http://127.0.0.1:${port}/
    open examples/${values.example}/app.fcgi and the app beside it: change it, start again
    README.md              put it behind Apache in five minutes
    examples/servers/      a tested configuration for each web server
    npm start -- --help    another example, another port
  Ctrl-C stops it.
`)

/** Resolves with the status of the first answer; the app's exit ends this process before that. */
async function answers() {
  for (;;) {
    const first = await new Promise((resolve) => {
      const request = http.get({ host: '127.0.0.1', port, path: '/', agent: false }, (response) => {
        response.destroy()
        resolve(response.statusCode)
      })
      request.on('error', () => resolve(undefined))
    })
    if (first !== undefined) return first
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function isFree() {
  return new Promise((resolve) => {
    const probe = net.createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
