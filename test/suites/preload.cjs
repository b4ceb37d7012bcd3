// Loaded into every process of a framework's test suite (NODE_OPTIONS=--require): each http.Server that listens on a
// port it leaves to the system gets a port of nginx instead, and serves behind it, over HTTP or FastCGI. What the
// tests send goes client -> nginx -> app, and `server.address()` says where.
'use strict'
const fs = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const path = require('node:path')

const { side, folder, first, count } = JSON.parse(process.env.FASTCGI_SUITE)
const listen = net.Server.prototype.listen

/** @type {Map<number, () => void>} ports of nginx that this process holds */
const held = new Map()
process.on('exit', () => {
  for (const release of held.values()) release()
})

/** One port of nginx, until `release`. Processes of a suite run side by side: a file says who has which. */
function takePort() {
  for (let port = first; port < first + count; port++) {
    const file = path.join(folder, `port-${port}`)
    try {
      fs.writeFileSync(file, String(process.pid), { flag: 'wx' })
    } catch {
      if (isAlive(Number(fs.readFileSync(file, 'utf8')))) continue
      fs.writeFileSync(file, String(process.pid))
    }
    held.set(port, () => {
      held.delete(port)
      fs.rmSync(file, { force: true })
    })
    return port
  }
  throw new Error(`All ${count} ports of nginx are taken.`)
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Where the app listens for a port of nginx. */
const behind = (port) => port + count

/** The port a listen() asks for; undefined for a path, a descriptor or a handle. */
function portOf([given]) {
  if (given === undefined || given === null || typeof given === 'function') return 0
  if (typeof given === 'object') {
    if (given.port === undefined || given.port === null) return undefined
    return Number(given.port)
  }
  return /^\d*$/.test(String(given)) ? Number(given) : undefined
}

/** The same arguments with another port. */
function withPort(given, port) {
  const [value, ...rest] = given
  if (value === undefined || value === null) return [port, ...rest]
  if (typeof value === 'function') return [port, value]
  return [typeof value === 'object' ? { ...value, port } : port, ...rest]
}

function address(own, port) {
  return own && typeof own === 'object' ? { ...own, port } : own
}

function stands(server, given, port) {
  if (side === 'http') {
    server.address = () => address(net.Server.prototype.address.call(server), port)
    listen.apply(server, given)
    return
  }
  const core = path.join(__dirname, '../../packages/core/dist/server')
  const { Server } = require(path.join(core, 'server.js'))
  const { prepareStandIns, StandIn } = require(path.join(core, 'stand-in.js'))
  prepareStandIns()
  const callback = given.findLast((value) => typeof value === 'function')
  if (callback) server.once('listening', callback)
  given[0]?.signal?.addEventListener('abort', () => server.close())
  // The suites forge X-Forwarded-* on purpose, as a proxy would send them.
  const fastcgi = new Server({ emitter: server, trustedProxies: ['127.0.0.1', '::1'] })
  const stand = new StandIn(server, port)
  server.address = () => (server.listening ? address(fastcgi.address(), port) : null)
  // By this supertest knows whether there is something to close.
  Object.defineProperty(server, '_handle', {
    configurable: true,
    get: () => (server.listening ? fastcgi._handle : null),
    set: () => {},
  })
  fastcgi.once('listening', () => stand.opened(fastcgi))
  fastcgi.once('error', (error) => stand.failed(error))
  listen.apply(
    fastcgi,
    given.filter((value) => value !== callback),
  )
}

net.Server.prototype.listen = function (...given) {
  const wanted = this instanceof http.Server ? portOf(given) : undefined
  // A second listen on a port that is ours: the same name at another address.
  const again = held.has(wanted)
  if (wanted !== 0 && !again) return listen.apply(this, given)
  const port = again ? wanted : takePort()
  if (!again) this.once('close', () => held.get(port)?.())
  stands(this, withPort(given, behind(port)), port)
  return this
}
