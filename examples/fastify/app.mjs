/**
 * A Fastify app that knows nothing of FastCGI but for `request.fastcgi`, which is undefined when it
 * runs on node:http. It works at `/` and below any path: every link starts with the place where it
 * is mounted.
 */
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import formbody from '@fastify/formbody'
import files from '@fastify/static'
import fastify from 'fastify'

import { escape, page } from './page.mjs'
import { api } from './routes/api.mjs'
import { events } from './routes/events.mjs'
import { upload } from './routes/upload.mjs'
import { session } from './session.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))

// Standard error is the web server's error log under mod_fcgid, the journal under systemd.
export const app = fastify({ logger: { level: 'error', stream: process.stderr } })

/** A browser gets pages, a program gets JSON; below /api everybody is a program. */
function wantsJson(request) {
  const accept = request.headers.accept ?? ''
  return request.url.startsWith('/api/') || (accept !== '' && !/html|\*\/\*/.test(accept))
}

app.decorateRequest('base', '')
app.addHook('onRequest', async (request) => {
  request.base = request.fastcgi?.mount ?? ''
})
app.register(session)
app.register(formbody)
// Under the example configurations the web server serves these files itself.
app.register(files, { root: path.join(here, 'public'), prefix: '/static/', maxAge: '1h' })
app.register(api, { prefix: '/api' })
app.register(events, { prefix: '/events' })
app.register(upload, { prefix: '/upload' })

app.get('/', (request, reply) => {
  request.session.visits = (request.session.visits ?? 0) + 1
  const { name, visits } = request.session
  const { base } = request
  const greeting =
    name === undefined
      ? `<form action="${base}/login" method="post">
           <label>Your name <input name="name" required maxlength="40"></label>
           <button>Log in</button>
         </form>`
      : `<p id="hello">Hello, ${escape(name)}. Visit number ${visits}.</p>
         <form action="${base}/logout" method="post"><button>Log out</button></form>`
  return page(
    request,
    reply,
    'Fastify over FastCGI',
    `<p>One Fastify app, unchanged.</p>${greeting}`,
  )
})

app.post('/login', (request, reply) => {
  request.session.name = String(request.body?.name ?? '').slice(0, 40) || 'nobody'
  return reply.redirect(`${request.base}/`, 303)
})

app.post('/logout', (request, reply) => {
  request.session = {}
  return reply.redirect(`${request.base}/`, 303)
})

app.get('/whoami', (request, reply) => {
  const facts = {
    remoteUser: request.fastcgi?.remoteUser ?? null,
    authType: request.fastcgi?.authType ?? null,
    ip: request.ip,
    protocol: request.protocol,
    secure: request.protocol === 'https',
    hostname: request.hostname,
    baseUrl: request.base,
    originalUrl: request.originalUrl,
    url: request.url,
    process: process.pid,
  }
  if (wantsJson(request)) return reply.send(facts)
  const rows = Object.entries(facts).map(
    ([name, value]) => `<tr><th>${name}</th><td>${escape(String(value))}</td></tr>`,
  )
  return page(request, reply, 'Who am I?', `<table>${rows.join('')}</table>`)
})

app.get('/cookies', (request, reply) => {
  const options = { path: request.base || '/', httpOnly: true, sameSite: 'lax' }
  reply.setCookie('flavour', 'almond', options)
  reply.setCookie('shape', 'crescent', { ...options, maxAge: 3600 })
  const sent = escape(request.headers.cookie ?? 'none')
  return page(request, reply, 'Cookies', `<p>You sent: <code>${sent}</code></p>`)
})

app.get('/redirect', (request, reply) => reply.redirect(`${request.base}/whoami?from=redirect`))

app.get('/slow', async (request, reply) => {
  const milliseconds = Math.min(Number(request.query.ms) || 1000, 30_000)
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    reply.raw.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  return { slept: milliseconds, process: process.pid }
})

app.get('/throw', () => {
  throw new Error('a detail that no visitor must see')
})
app.get('/reject', async () => {
  await Promise.reject(new Error('a detail that no visitor must see'))
})

app.setNotFoundHandler((request, reply) => {
  reply.code(404)
  if (wantsJson(request)) return reply.send({ error: 'not found' })
  const at = escape(request.originalUrl)
  return page(request, reply, 'Not found', `<p>Nothing at <code>${at}</code>.</p>`)
})

app.setErrorHandler((error, request, reply) => {
  const status = error.statusCode ?? 500
  if (status >= 500) request.log.error(error)
  const message = status >= 500 ? 'Something broke. The log knows more.' : error.message
  reply.code(status)
  if (wantsJson(request)) return reply.send({ error: message })
  return page(request, reply, `Error ${status}`, `<p>${escape(message)}</p>`)
})

export default app
