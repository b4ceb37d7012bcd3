/**
 * An Express app that knows nothing of FastCGI but for `req.fastcgi` on the page "Who am I".
 * It works at `/` and below any path: every link starts with the place where it is mounted.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import cookieSession from 'cookie-session'
import express from 'express'

import { api } from './routes/api.mjs'
import { events } from './routes/events.mjs'
import { upload } from './routes/upload.mjs'
import { escape, page } from './page.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const { version } = JSON.parse(await readFile(path.join(here, 'package.json'), 'utf8'))

/** A browser gets pages, a program gets JSON; below /api everybody is a program. */
function wantsJson(req) {
  return req.path.startsWith('/api/') || req.accepts(['html', 'json']) === 'json'
}

export const app = express()
app.disable('x-powered-by')

// The session lives in a signed cookie: under mod_fcgid several processes answer, and they share no
// memory. Every one of them must know the same secret, and nobody else: set SESSION_SECRET.
app.use(
  cookieSession({
    name: 'session',
    secret: process.env.SESSION_SECRET ?? 'a secret for trying out only',
    httpOnly: true,
    sameSite: 'lax',
  }),
)
app.use((req, res, next) => {
  // Where the app is mounted, for links: within a router req.baseUrl is the router's own place.
  res.locals.base = req.baseUrl
  // Another app on this host does not get our cookie.
  req.sessionOptions.path = req.baseUrl || '/'
  req.sessionOptions.secure = req.secure
  next()
})

// Under the example configurations the web server serves these files itself.
app.use('/static', express.static(path.join(here, 'public'), { maxAge: '1h' }))
app.use(express.urlencoded({ extended: false }))
app.use('/api', api)
app.use('/events', events)
app.use('/upload', upload)

app.get('/', (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1
  const { name, visits } = req.session
  const greeting =
    name === undefined
      ? `<form action="${req.baseUrl}/login" method="post">
           <label>Your name <input name="name" required maxlength="40"></label>
           <button>Log in</button>
         </form>`
      : `<p id="hello">Hello, ${escape(name)}. Visit number ${visits}.</p>
         <form action="${req.baseUrl}/logout" method="post"><button>Log out</button></form>`
  res.send(
    page(
      res,
      'Express over FastCGI',
      `<p>One Express app, version ${version}, unchanged.</p>${greeting}`,
    ),
  )
})

app.post('/login', (req, res) => {
  req.session.name = String(req.body?.name ?? '').slice(0, 40) || 'nobody'
  res.redirect(303, `${req.baseUrl}/`)
})

app.post('/logout', (req, res) => {
  req.session = null
  res.redirect(303, `${req.baseUrl}/`)
})

app.get('/whoami', (req, res) => {
  const facts = {
    remoteUser: req.fastcgi?.remoteUser ?? null,
    authType: req.fastcgi?.authType ?? null,
    ip: req.ip,
    protocol: req.protocol,
    secure: req.secure,
    hostname: req.hostname,
    baseUrl: req.baseUrl,
    originalUrl: req.originalUrl,
    url: req.url,
    process: process.pid,
  }
  if (wantsJson(req)) return res.json(facts)
  const rows = Object.entries(facts).map(
    ([name, value]) => `<tr><th>${name}</th><td>${escape(String(value))}</td></tr>`,
  )
  return res.send(page(res, 'Who am I?', `<table>${rows.join('')}</table>`))
})

app.get('/cookies', (req, res) => {
  const options = { path: req.baseUrl || '/', httpOnly: true, sameSite: 'lax' }
  res.cookie('flavour', 'almond', options)
  res.cookie('shape', 'crescent', { ...options, maxAge: 3_600_000 })
  res.send(
    page(res, 'Cookies', `<p>You sent: <code>${escape(req.headers.cookie ?? 'none')}</code></p>`),
  )
})

app.get('/redirect', (req, res) => res.redirect(`${req.baseUrl}/whoami?from=redirect`))

app.get('/slow', (req, res) => {
  const milliseconds = Math.min(Number(req.query.ms) || 1000, 30_000)
  const timer = setTimeout(
    () => res.json({ slept: milliseconds, process: process.pid }),
    milliseconds,
  )
  res.on('close', () => clearTimeout(timer))
})

app.get('/throw', () => {
  throw new Error('a detail that no visitor must see')
})
app.get('/reject', async () => {
  await Promise.reject(new Error('a detail that no visitor must see'))
})

app.use((req, res) => {
  res.status(404)
  if (wantsJson(req)) return res.json({ error: 'not found' })
  return res.send(
    page(res, 'Not found', `<p>Nothing at <code>${escape(req.originalUrl)}</code>.</p>`),
  )
})

// Express knows an error handler by its four parameters.
app.use((error, req, res, next) => {
  const status = error.status ?? (error.name === 'MulterError' ? 413 : 500)
  // Standard error is the web server's error log under mod_fcgid, the journal under systemd.
  if (status >= 500) console.error(`${req.method} ${req.originalUrl}:`, error)
  if (res.headersSent) return next(error)
  const message = status >= 500 ? 'Something broke. The log knows more.' : error.message
  res.status(status)
  if (wantsJson(req)) return res.json({ error: message })
  return res.send(page(res, `Error ${status}`, `<p>${escape(message)}</p>`))
})

export default app
