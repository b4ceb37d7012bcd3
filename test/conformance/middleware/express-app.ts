/** An Express app with the middleware people use, none of it changed. */
import type http from 'node:http'

import { load, type Anything } from './load.ts'

export interface Surroundings {
  readonly folder: string
  readonly upstream: string
  /** Lines of the access log and of what on-finished saw. */
  readonly log: string[]
}

interface User {
  id: string
}

export function makeExpressApp(
  packageName: 'express' | 'express4',
  { folder, upstream, log }: Surroundings,
): Anything {
  const express = load(packageName)
  const bodyParser = load('body-parser')
  const multer = load('multer')
  const compression = load('compression')
  const session = load('express-session')
  const cookieParser = load('cookie-parser')
  const helmet = load('helmet')
  const morgan = load('morgan')
  const cors = load('cors')
  const serveStatic = load('serve-static')
  const { createProxyMiddleware } = load('http-proxy-middleware')
  const { Passport } = load('passport')
  const onHeaders = load('on-headers')
  const onFinished = load('on-finished')
  const responseTime = load('response-time')
  const { rateLimit } = load('express-rate-limit')

  const app = express()
  const passport = new Passport()
  passport.use('query', {
    authenticate(this: Anything, req: Anything) {
      if (req.query.user) this.success({ id: req.query.user } satisfies User)
      else this.fail('Query realm="test"', 401)
    },
  })
  passport.serializeUser((user: User, done: Anything) => done(null, user.id))
  passport.deserializeUser((id: string, done: Anything) => done(null, { id }))

  let sessions = 0
  app.use(responseTime())
  app.use(
    morgan(
      ':method :url :status :res[content-length] :remote-addr :http-version :referrer :user-agent',
      { stream: { write: (line: string) => log.push(line.trim()) } },
    ),
  )
  app.use(helmet())
  app.use(cors({ origin: ['https://other.test'], credentials: true, maxAge: 60 }))
  app.use(cookieParser('cookie secret'))
  app.use(
    session({
      secret: 'session secret',
      resave: false,
      saveUninitialized: false,
      genid: () => `session-${++sessions}`,
    }),
  )
  app.use(passport.initialize())
  app.use(passport.session())
  app.use(compression({ threshold: 100 }))
  app.use((req: Anything, res: Anything, next: Anything) => {
    onHeaders(res, function seen(this: http.ServerResponse) {
      this.setHeader('X-Status-Seen', String(this.statusCode))
    })
    onFinished(res, (error: unknown) => log.push(`res ${req.originalUrl} ${error ? 'bad' : 'ok'}`))
    next()
  })

  app.get('/told', (req: Anything, res: Anything) => {
    const { url, originalUrl, baseUrl, path, query, hostname, protocol, ip, ips, secure, xhr } = req
    res.json({
      ...{ url, originalUrl, baseUrl, path, query, hostname, protocol, ip, ips, secure, xhr },
      subdomains: req.subdomains,
      type: req.get('content-type') ?? null,
      accepts: req.accepts(['json', 'html']),
      encodings: req.acceptsEncodings('gzip', 'identity'),
      languages: req.acceptsLanguages('de', 'en'),
      range: req.range(100) ?? null,
      is: req.is('json') ?? null,
    })
  })
  app.all('/method', (req: Anything, res: Anything) => res.send(req.method))
  app.post('/json', express.json(), (req: Anything, res: Anything) => res.json(req.body))
  app.post('/form', express.urlencoded({ extended: true }), (req: Anything, res: Anything) =>
    res.json(req.body),
  )
  app.post('/text', bodyParser.text(), (req: Anything, res: Anything) =>
    res.type('text').send(`${typeof req.body} ${req.body}`),
  )
  app.post('/raw', bodyParser.raw({ type: '*/*', limit: '1mb' }), (req: Anything, res: Anything) =>
    res.json({ length: req.body?.length ?? -1 }),
  )
  const upload = multer({ limits: { fileSize: 200_000 } })
  app.post('/upload', upload.array('files'), (req: Anything, res: Anything) =>
    res.json({
      fields: { ...req.body },
      files: req.files.map((file: Anything) => [
        file.fieldname,
        file.originalname,
        file.mimetype,
        file.size,
      ]),
    }),
  )
  app.get('/cookies', (req: Anything, res: Anything) => {
    res.cookie('plain', 'a b', { httpOnly: true })
    res.cookie('signed', { n: 1 }, { signed: true, sameSite: 'lax' })
    res.clearCookie('gone')
    res.json({ cookies: req.cookies, signed: req.signedCookies })
  })
  app.get('/count', (req: Anything, res: Anything) => {
    req.session.count = (req.session.count ?? 0) + 1
    res.json({ count: req.session.count, id: req.sessionID })
  })
  app.get('/login', passport.authenticate('query'), (req: Anything, res: Anything) =>
    res.json(req.user),
  )
  app.get('/who', (req: Anything, res: Anything) =>
    res.json({ user: req.user ?? null, authenticated: req.isAuthenticated() }),
  )
  app.get('/logout', (req: Anything, res: Anything, next: Anything) =>
    req.logout((error: unknown) => (error ? next(error) : res.redirect('/who'))),
  )
  app.get('/redirect', (_req: Anything, res: Anything) => res.redirect(303, 'told?from=redirect'))
  app.get('/page', (_req: Anything, res: Anything) => res.send('<p>page</p>'.repeat(100)))
  app.get('/events', (_req: Anything, res: Anything) => {
    res.set('Content-Type', 'text/event-stream')
    res.set('Cache-Control', 'no-transform')
    res.flushHeaders()
    let left = 3
    const more = (): void => {
      res.write(`data: ${left}\n\n`)
      if (--left > 0) setImmediate(more)
      else res.end()
    }
    more()
  })
  app.get('/download', (_req: Anything, res: Anything) =>
    res.download(`${folder}/grün.txt`, 'grün und rot.txt'),
  )
  app.get('/file', (_req: Anything, res: Anything) => res.sendFile('large.txt', { root: folder }))
  app.get('/nofile', (_req: Anything, res: Anything) => res.sendFile('none.txt', { root: folder }))
  app.get('/format', (_req: Anything, res: Anything) =>
    res.format({ text: () => res.send('text'), json: () => res.json('json') }),
  )
  app.get('/jsonp', (_req: Anything, res: Anything) => res.jsonp({ a: 1 }))
  app.get('/links', (_req: Anything, res: Anything) => {
    res.links({ next: '/told?page=2' })
    res.location('/else').vary('X-Own').append('Warning', '199 - "x"').status(201).end()
  })
  app.get('/nothing', (_req: Anything, res: Anything) => res.sendStatus(204))
  app.get('/teapot', (_req: Anything, res: Anything) => res.sendStatus(418))
  app.get('/error', () => {
    throw Object.assign(new Error('broken'), { status: 503, expose: true })
  })
  app.get('/later', (_req: Anything, _res: Anything, next: Anything) =>
    setImmediate(() => next(Object.assign(new Error('broken later'), { status: 502 }))),
  )
  app.use('/limited', rateLimit({ windowMs: 3_600_000, limit: 2, standardHeaders: 'draft-7' }))
  app.get('/limited', (_req: Anything, res: Anything) => res.send('within the limit'))
  app.use('/static', serveStatic(folder, { index: ['index.html'] }))
  app.use('/proxy', createProxyMiddleware({ target: upstream, changeOrigin: true }))
  const sub = express.Router()
  sub.get('/here', (req: Anything, res: Anything) =>
    res.json([req.url, req.baseUrl, req.originalUrl, req.path]),
  )
  app.use('/sub', sub)
  app.use((error: Anything, _req: Anything, res: Anything, next: Anything) => {
    if (res.headersSent) return next(error)
    res.status(error.status ?? 500).json({ error: error.message })
  })
  return app
}
