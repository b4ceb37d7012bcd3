/**
 * A Koa app that knows nothing of FastCGI but for `ctx.fastcgi` and `ctx.mountPath`, which are
 * undefined when it runs on node:http. It works at `/` and below any path: every link starts with
 * the place where it is mounted.
 */
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import Koa from 'koa'
import mount from 'koa-mount'
import session from 'koa-session'
import files from 'koa-static'

import { escape, page } from './page.mjs'
import { api } from './routes/api.mjs'
import { events } from './routes/events.mjs'
import { upload } from './routes/upload.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))

export const app = new Koa()

// The session lives in a signed cookie: under mod_fcgid several processes answer, and they share no
// memory. Every one of them must know the same secret, and nobody else: set SESSION_SECRET.
app.keys = [process.env.SESSION_SECRET ?? 'a secret for trying out only']

/** A browser gets pages, a program gets JSON; below /api everybody is a program. */
function wantsJson(ctx) {
  return ctx.path.startsWith('/api/') || ctx.accepts('html', 'json') === 'json'
}

app.use(async (ctx, next) => {
  ctx.state.base = ctx.mountPath ?? ''
  try {
    await next()
    if (ctx.status !== 404 || ctx.body != null) return
    ctx.status = 404
    if (wantsJson(ctx)) ctx.body = { error: 'not found' }
    else page(ctx, 'Not found', `<p>Nothing at <code>${escape(ctx.originalUrl)}</code>.</p>`)
    ctx.status = 404
  } catch (error) {
    const status = error.status ?? (error.name === 'MulterError' ? 413 : 500)
    // Standard error is the web server's error log under mod_fcgid, the journal under systemd.
    if (status >= 500) console.error(`${ctx.method} ${ctx.originalUrl}:`, error)
    const message = status >= 500 ? 'Something broke. The log knows more.' : error.message
    if (wantsJson(ctx)) ctx.body = { error: message }
    else page(ctx, `Error ${status}`, `<p>${escape(message)}</p>`)
    ctx.status = status
  }
})

// Under the example configurations the web server serves these files itself.
app.use(mount('/static', files(path.join(here, 'public'), { maxage: 3_600_000 })))

app.use(session({ key: 'session', httpOnly: true, sameSite: 'lax' }, app))
app.use((ctx, next) => {
  // Another app on this host does not get our cookies.
  ctx.state.cookiePath = ctx.state.base || '/'
  ctx.sessionOptions.path = ctx.state.cookiePath
  return next()
})
app.use(api.routes())
app.use(bodyParser({ enableTypes: ['form'] }))
app.use(events.routes())
app.use(upload.routes())

const pages = new Router()

pages.get('/', (ctx) => {
  ctx.session.visits = (ctx.session.visits ?? 0) + 1
  const { name, visits } = ctx.session
  const { base } = ctx.state
  const greeting =
    name === undefined
      ? `<form action="${base}/login" method="post">
           <label>Your name <input name="name" required maxlength="40"></label>
           <button>Log in</button>
         </form>`
      : `<p id="hello">Hello, ${escape(name)}. Visit number ${visits}.</p>
         <form action="${base}/logout" method="post"><button>Log out</button></form>`
  page(ctx, 'Koa over FastCGI', `<p>One Koa app, unchanged.</p>${greeting}`)
})

pages.post('/login', (ctx) => {
  ctx.session.name = String(ctx.request.body?.name ?? '').slice(0, 40) || 'nobody'
  ctx.redirect(`${ctx.state.base}/`)
  ctx.status = 303
})

pages.post('/logout', (ctx) => {
  ctx.session = null
  ctx.redirect(`${ctx.state.base}/`)
  ctx.status = 303
})

pages.get('/whoami', (ctx) => {
  const facts = {
    remoteUser: ctx.fastcgi?.remoteUser ?? null,
    authType: ctx.fastcgi?.authType ?? null,
    ip: ctx.ip,
    protocol: ctx.protocol,
    secure: ctx.secure,
    hostname: ctx.hostname,
    baseUrl: ctx.mountPath ?? '',
    originalUrl: ctx.originalUrl,
    url: ctx.url,
    process: process.pid,
  }
  if (wantsJson(ctx)) {
    ctx.body = facts
    return
  }
  const rows = Object.entries(facts).map(
    ([name, value]) => `<tr><th>${name}</th><td>${escape(String(value))}</td></tr>`,
  )
  page(ctx, 'Who am I?', `<table>${rows.join('')}</table>`)
})

pages.get('/cookies', (ctx) => {
  const options = { path: ctx.state.cookiePath, httpOnly: true, sameSite: 'lax', signed: false }
  ctx.cookies.set('flavour', 'almond', options)
  ctx.cookies.set('shape', 'crescent', { ...options, maxAge: 3_600_000 })
  page(ctx, 'Cookies', `<p>You sent: <code>${escape(ctx.get('cookie') || 'none')}</code></p>`)
})

pages.get('/redirect', (ctx) => ctx.redirect(`${ctx.state.base}/whoami?from=redirect`))

pages.get('/slow', async (ctx) => {
  const milliseconds = Math.min(Number(ctx.query.ms) || 1000, 30_000)
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    ctx.res.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  ctx.body = { slept: milliseconds, process: process.pid }
})

pages.get('/throw', () => {
  throw new Error('a detail that no visitor must see')
})
pages.get('/reject', async () => {
  await Promise.reject(new Error('a detail that no visitor must see'))
})

app.use(pages.routes())
// Koa tells of errors in streams here; a client that left is none.
const left = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'])
app.on('error', (error) => {
  if (!left.has(error.code)) console.error(error)
})

export default app
