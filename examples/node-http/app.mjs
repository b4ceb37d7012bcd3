/**
 * An app without a framework: one `(req, res)` listener, as node:http takes it. It knows nothing of
 * FastCGI but for `req.fastcgi`, which is undefined when it runs on node:http, and works at `/` and
 * below any path: every link starts with the place where it is mounted.
 */
import { escape, page } from './page.mjs'
import { api } from './routes/api.mjs'
import { eventPage, eventStream } from './routes/events.mjs'
import { staticFile } from './routes/static.mjs'
import { receive, uploadPage } from './routes/upload.mjs'
import { readSession, writeSession } from './session.mjs'

/** A browser gets pages, a program gets JSON; below /api everybody is a program. */
function wantsJson(req) {
  const accept = req.headers.accept ?? ''
  return req.url.startsWith('/api/') || (accept !== '' && !/html|\*\/\*/.test(accept))
}

function home({ req, res, base, html }) {
  const session = readSession(req)
  const { name, visits } = { ...session, visits: (session.visits ?? 0) + 1 }
  writeSession(req, res, base, { ...session, visits })
  const greeting =
    name === undefined
      ? `<form action="${base}/login" method="post">
           <label>Your name <input name="name" required maxlength="40"></label>
           <button>Log in</button>
         </form>`
      : `<p id="hello">Hello, ${escape(name)}. Visit number ${visits}.</p>
         <form action="${base}/logout" method="post"><button>Log out</button></form>`
  html(200, 'Node over FastCGI', `<p>One listener, unchanged.</p>${greeting}`)
}

async function login({ req, res, base }) {
  const chunks = []
  for await (const chunk of req) chunks.push(chunk)
  const form = new URLSearchParams(Buffer.concat(chunks).toString())
  const name = (form.get('name') ?? '').slice(0, 40) || 'nobody'
  writeSession(req, res, base, { ...readSession(req), name })
  res.writeHead(303, { Location: `${base}/` }).end()
}

function logout({ req, res, base }) {
  writeSession(req, res, base, {})
  res.writeHead(303, { Location: `${base}/` }).end()
}

function whoami({ req, base, html, json }) {
  const facts = {
    remoteUser: req.fastcgi?.remoteUser ?? null,
    authType: req.fastcgi?.authType ?? null,
    ip: req.socket.remoteAddress,
    protocol: req.socket.encrypted ? 'https' : 'http',
    secure: req.socket.encrypted === true,
    hostname: (req.headers.host ?? '').replace(/:\d+$/, ''),
    baseUrl: base,
    originalUrl: req.originalUrl ?? req.url,
    url: req.url,
    process: process.pid,
  }
  if (wantsJson(req)) return json(200, facts)
  const rows = Object.entries(facts).map(
    ([name, value]) => `<tr><th>${name}</th><td>${escape(String(value))}</td></tr>`,
  )
  return html(200, 'Who am I?', `<table>${rows.join('')}</table>`)
}

function cookies({ req, res, base, html }) {
  const where = `Path=${base || '/'}; HttpOnly; SameSite=Lax`
  res.setHeader('Set-Cookie', [
    `flavour=almond; ${where}`,
    `shape=crescent; Max-Age=3600; ${where}`,
  ])
  const sent = escape(req.headers.cookie ?? 'none')
  html(200, 'Cookies', `<p>You sent: <code>${sent}</code></p>`)
}

function slow({ res, url, json }) {
  const milliseconds = Math.min(Number(url.searchParams.get('ms')) || 1000, 30_000)
  const timer = setTimeout(
    () => json(200, { slept: milliseconds, process: process.pid }),
    milliseconds,
  )
  res.on('close', () => clearTimeout(timer))
}

const routes = {
  'GET /': home,
  'POST /login': login,
  'POST /logout': logout,
  'GET /whoami': whoami,
  'GET /cookies': cookies,
  'GET /redirect': ({ res, base }) =>
    res.writeHead(302, { Location: `${base}/whoami?from=redirect` }).end(),
  'GET /slow': slow,
  'GET /upload': uploadPage,
  'POST /upload': receive,
  'GET /events': eventPage,
  'GET /events/stream': eventStream,
  'GET /throw': () => {
    throw new Error('a detail that no visitor must see')
  },
  'GET /reject': async () => {
    await Promise.reject(new Error('a detail that no visitor must see'))
  },
}

function send(res, status, type, text) {
  res.statusCode = status
  res.setHeader('Content-Type', type)
  res.setHeader('Content-Length', Buffer.byteLength(text))
  res.end(text)
}

export default async function app(req, res) {
  const base = req.fastcgi?.mount ?? ''
  const [pathname, query] = req.url.split('?', 2)
  const url = { pathname, searchParams: new URLSearchParams(query) }
  const json = (status, value) => send(res, status, 'application/json', JSON.stringify(value))
  const html = (status, title, content) =>
    send(res, status, 'text/html; charset=utf-8', page(escape(base), title, content))
  const context = { req, res, base, url, json, html }
  try {
    const method = req.method === 'HEAD' ? 'GET' : req.method
    const route = Object.hasOwn(routes, `${method} ${pathname}`) && routes[`${method} ${pathname}`]
    if (route) await route(context)
    else if (pathname.startsWith('/api/')) await api(context)
    else if (await staticFile(context)) return
    else if (wantsJson(req)) json(404, { error: 'not found' })
    else html(404, 'Not found', `<p>Nothing at <code>${escape(base + req.url)}</code>.</p>`)
  } catch (error) {
    // Standard error is the web server's error log under mod_fcgid, the journal under systemd.
    console.error(`${req.method} ${base}${req.url}:`, error)
    if (res.headersSent) return res.destroy()
    const message = 'Something broke. The log knows more.'
    if (wantsJson(req)) json(500, { error: message })
    else html(500, 'Error 500', `<p>${message}</p>`)
  }
}
