/** The example behind a real Apache with mod_fcgid, with the files of examples/servers/apache-mod_fcgid. */
import fs from 'node:fs'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { examples, startApache, type ApacheOptions } from '../support/apache.ts'
import { deploy } from '../support/deploy.ts'
import { http, openHttp, type HttpResponse } from '../support/http-client.ts'
import { until } from '../support/until.ts'
import { temporaryFolder, type Place, type WebServer } from '../support/web-server.ts'
import { bytes, expressExample, type Site } from './express-example.ts'

const recipes = path.join(examples, 'servers/apache-mod_fcgid')

/** The example as it is uploaded once; each server gets a copy of its own. */
let uploaded: string

beforeAll(() => {
  uploaded = temporaryFolder('express')
  deploy('examples/express', path.join(uploaded, 'express'))
})
afterAll(() => fs.rmSync(uploaded, { recursive: true, force: true }))

/** Lays out the app, a cgi-bin, a document root with `.htaccess`, and a file of users. */
function layOut(place: Place, files: Record<string, string> = {}): Record<string, string> {
  const at = (name: string): string => path.join(place.folder, name)
  fs.cpSync(path.join(uploaded, 'express'), at('express'), { recursive: true })
  for (const folder of ['cgi-bin', 'htdocs', 'htdocs/blog', 'htdocs/läden']) {
    fs.mkdirSync(at(folder))
    fs.copyFileSync(path.join(recipes, 'app.fcgi'), at(`${folder}/app.fcgi`))
  }
  for (const folder of ['blog', 'läden']) {
    fs.writeFileSync(
      at(`htdocs/${folder}/app.fcgi`),
      "#!/usr/bin/env node\nrequire('../../express/app.fcgi')\n",
    )
  }
  for (const folder of ['htdocs', 'htdocs/blog', 'htdocs/läden']) {
    fs.copyFileSync(path.join(recipes, 'htaccess/.htaccess'), at(`${folder}/.htaccess`))
    fs.cpSync(at('express/public'), at(`${folder}/static`), { recursive: true })
  }
  place.write('site/index.html', 'the rest of the site\n')
  // htpasswd -nbs ann test
  place.write('users', 'ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n')
  for (const [name, text] of Object.entries(files)) place.write(name, text, 0o755)
  return {
    APP: at('express'),
    SITE: at('site'),
    CGI_BIN: at('cgi-bin'),
    HTDOCS: at('htdocs'),
    USERS: at('users'),
    NODE: process.execPath,
  }
}

async function start(
  config: string | undefined,
  files?: Record<string, string>,
  extra?: string,
): Promise<WebServer> {
  const options: ApacheOptions = {
    modules: ['fcgid'],
    ...(config === undefined ? {} : { config: `apache-mod_fcgid/${config}` }),
    ...(extra === undefined ? {} : { extra }),
    prepare: (place) => layOut(place, files),
  }
  return startApache(options)
}

/** Starts a server for the tests of a `describe`. */
function serverFor(...args: Parameters<typeof start>): () => WebServer {
  let server: WebServer
  beforeAll(async () => {
    server = await start(...args)
  })
  afterAll(() => server?.stop())
  return () => server
}

function siteOf(server: () => WebServer, mount: string, more: Partial<Site> = {}): () => Site {
  return () => ({
    port: server().port,
    mount,
    streams: true,
    encodedSlashes: true,
    waitForLog: (pattern) => server().waitForLog(pattern),
    ...more,
  })
}

const HOST_CONFIG =
  'DocumentRoot ${HTDOCS}\n<Directory ${HTDOCS}>\n    AllowOverride All\n    Require all granted\n</Directory>'

async function processOf(server: WebServer, target = '/whoami'): Promise<number> {
  const who = await http({ port: server.port, target, headers: { Accept: 'application/json' } })
  return (who.json() as { process: number }).process
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Nothing of it is left but, at most, an exit status that mod_fcgid has not fetched yet. */
function isGone(pid: number): boolean {
  try {
    const [, state] = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')
    return state?.startsWith('Z') === true && fs.readdirSync(`/proc/${pid}/task`).length === 1
  } catch {
    return true
  }
}

describe('ScriptAlias at / (root.conf)', () => {
  const server = serverFor('root.conf')
  expressExample(siteOf(server, ''))

  it('gives the app a path that names the script as any other', async () => {
    const page = await http({ port: server().port, target: '/app.fcgi/x' })
    expect(page.status).toBe(404)
    expect(page.text).toContain('<code>/app.fcgi/x</code>')
  })

  it('shows no file of the app', async () => {
    for (const target of ['/package.json', '/app.mjs', '/node_modules/express/package.json']) {
      expect((await http({ port: server().port, target })).status, target).toBe(404)
    }
  })

  it('answers four slow requests at once, by several processes', async () => {
    const asked = [1, 2, 3, 4].map(() => http({ port: server().port, target: '/slow?ms=1500' }))
    const answers = (await Promise.all(asked)).map((answer) => answer.json() as { process: number })
    expect(answers).toHaveLength(4)
    expect(new Set(answers.map((answer) => answer.process)).size).toBeGreaterThan(1)
  })

  it('goes on after a crash: the request at hand is lost, the next one gets a new process', async () => {
    const slow = http({ port: server().port, target: '/slow?ms=20000&crash' })
    slow.catch(() => {})
    // Whoever is busy with the slow request is not asked: kill all that answer, until it is hit.
    let ended: HttpResponse | undefined
    void slow.then((answer) => (ended = answer))
    const killed = new Set<number>()
    const started = /app\.fcgi\((\d+)\) started/g
    await until(() => {
      for (const [, pid] of server().log().matchAll(started)) {
        if (!killed.has(Number(pid)) && alive(Number(pid))) process.kill(Number(pid), 'SIGKILL')
        killed.add(Number(pid))
      }
      return ended !== undefined
    }, 'the slow request to be answered after its process was killed')
    // 500 by Apache; 503 when the process was gone before Apache had reached it.
    expect([500, 503]).toContain((await slow).status)
    // One that is still dying has its socket, and would be asked.
    await until(() => [...killed].every(isGone), 'the killed processes to be gone')
    expect(killed).not.toContain(await processOf(server()))
  })
})

describe('graceful restart under load', () => {
  // The defaults let ten processes start at once and then one a second, and look every three seconds whether to end.
  const server = serverFor('root.conf', {}, 'FcgidSpawnScoreUpLimit 1000\nFcgidErrorScanInterval 1')

  // As many processes as there are requests at once, and two more, before each restart: a request that finds no idle process
  // while Apache restarts is never answered, whatever the app is; examples/servers/apache-mod_fcgid/README.md says why.
  async function warm(count: number): Promise<void> {
    const port = server().port
    // Slower each time: where Node.js starts slowly, the first would be free again before the last has begun.
    for (let ms = 1000; ; ms *= 2) {
      const asked = Array.from({ length: count }, () => http({ port, target: `/slow?ms=${ms}` }))
      const answers = (await Promise.all(asked)).map(({ text }) => text)
      if (new Set(answers).size === count) return
    }
  }

  it('loses no request, two times running', async () => {
    const port = server().port
    for (const round of [1, 2]) {
      await warm(7)
      const from = server().log().length
      let answered = 0
      let last = Infinity
      const wrong: string[] = []
      const visitor = async (_: unknown, number: number): Promise<void> => {
        for (let i = 0; answered < last; i += 1) {
          const target = `/api/echo/${round}-${number}-${i}`
          const { status, text } = await http({ port, target })
          if (status !== 200 || !text.includes(target)) wrong.push(`${target}: ${status} ${text}`)
          answered += 1
        }
      }
      // Under way when mod_fcgid says SIGTERM, and still when it says so again, more than a second later.
      const slow = http({ port, target: '/slow?ms=3000' })
      const download = await openHttp({ port, target: '/api/bytes/30000000' })
      const visitors = Promise.all([1, 2, 3].map(visitor))
      await until(() => answered >= 30, 'thirty answers')
      server().signal('SIGUSR1')
      let size = 0
      for await (const part of download.chunks()) size += part.length
      expect(size).toBe(30_000_000)
      await server().waitForLog(/resuming normal operations/, from)
      last = answered + 60
      await visitors
      expect(wrong).toEqual([])
      expect(await slow).toMatchObject({ status: 200 })
    }
  })
})

describe('ScriptAlias at a sub-path (sub-path.conf)', () => {
  const server = serverFor('sub-path.conf')
  expressExample(siteOf(server, '/app'))

  it('is the app at /app and /app/, and not at / or /application', async () => {
    const text = async (target: string): Promise<string> =>
      (await http({ port: server().port, target })).text
    expect(await text('/app')).toContain('href="/app/static/style.css"')
    expect(await text('/app/')).toContain('href="/app/static/style.css"')
    expect(await text('/')).toBe('the rest of the site\n')
    expect((await http({ port: server().port, target: '/application' })).status).toBe(404)
  })
})

describe('cgi-bin (cgi-bin.conf)', () => {
  const server = serverFor('cgi-bin.conf')

  it('mounts the app at the script, whose name stands in the URL here', async () => {
    const echo = await http({ port: server().port, target: '/cgi-bin/app.fcgi/api/echo/a%2Fb?c' })
    expect(echo.json()).toMatchObject({
      baseUrl: '/cgi-bin/app.fcgi/api',
      url: '/echo/a%2Fb?c',
      originalUrl: '/cgi-bin/app.fcgi/api/echo/a%2Fb?c',
    })
    const home = await http({ port: server().port, target: '/cgi-bin/app.fcgi' })
    expect(home.text).toContain('href="/cgi-bin/app.fcgi/upload"')
  })
})

describe('FcgidWrapper (wrapper.conf)', () => {
  const server = serverFor('wrapper.conf')

  it('starts the Node.js that is named', async () => {
    const echo = await http({ port: server().port, target: '/api/echo/a%2Fb' })
    expect(echo.json()).toMatchObject({ baseUrl: '/api', url: '/echo/a%2Fb' })
    await server().waitForLog(new RegExp(`server .*:${process.execPath}\\(\\d+\\) started`))
  })
})

describe('.htaccess alone (htaccess/.htaccess)', () => {
  const server = serverFor(undefined, {}, HOST_CONFIG)

  it('is the app at the document root, and in a folder below it', async () => {
    for (const [mount, rest] of [
      ['', '/x?y=1'],
      ['', '//x/a%3Fb%2541'],
      ['/blog', '/x?y=1'],
      ['/blog', '//x/a%3Fb%2541'],
      // A folder by a name beyond ASCII.
      ['/l%C3%A4den', '/x?y=1'],
    ] as const) {
      const echo = await http({ port: server().port, target: `${mount}/api/echo${rest}` })
      expect.soft(echo.status, mount + rest).toBe(200)
      expect.soft(echo.json(), mount + rest).toMatchObject({
        baseUrl: `${mount}/api`,
        url: `/echo${rest}`,
        originalUrl: `${mount}/api/echo${rest}`,
      })
    }
    const home = await http({ port: server().port, target: '/blog/' })
    expect(home.text).toContain('href="/blog/static/style.css"')
    expect(home.text.replace('Express over FastCGI', '')).not.toMatch(/fcgi/i)
  })

  it('answers 404 to a URL that names the script', async () => {
    for (const target of ['/app.fcgi', '/app.fcgi/x', '/%61pp.fcgi', '/blog/app.fcgi/x']) {
      expect((await http({ port: server().port, target })).status, target).toBe(404)
    }
    const evil = await http({ port: server().port, target: '/evil/app.fcgi' })
    expect(evil.text).toContain('href="/static/style.css"')
  })

  it('lets the app see Authorization, and a session and an upload work', async () => {
    const echo = await http({
      port: server().port,
      target: '/api/echo',
      headers: { Authorization: 'Bearer x' },
    })
    expect(echo.json().headers).toMatchObject({ authorization: 'Bearer x' })
    const login = await http({
      port: server().port,
      method: 'POST',
      target: '/blog/login',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: 'name=Ann',
    })
    expect(login.headers['location']).toBe('/blog/')
    const data = bytes(100_000)
    const put = await http({ port: server().port, method: 'PUT', target: '/api/bytes', body: data })
    expect(put.json()).toMatchObject({ bytes: 100_000 })
  })

  it('refuses an upload above the default FcgidMaxRequestLen of 128 kB, and logs why', async () => {
    const put = await http({
      port: server().port,
      method: 'PUT',
      target: '/api/bytes',
      body: bytes(200_000),
    })
    expect(put.status).toBe(500)
    await server().waitForLog(/exceeds MaxRequestLen/)
  })
})

describe('the classic recipes of Flask, word for word', () => {
  const rewriting = serverFor(
    undefined,
    {
      'htdocs/yourapplication.fcgi': "#!/usr/bin/env node\nrequire('../express/app.fcgi')\n",
      'htdocs/.htaccess': `<IfModule mod_fcgid.c>
   AddHandler fcgid-script .fcgi
   <Files ~ (\\.fcgi)>
       SetHandler fcgid-script
       Options +FollowSymLinks +ExecCGI
   </Files>
</IfModule>

<IfModule mod_rewrite.c>
   Options +FollowSymlinks
   RewriteEngine On
   RewriteBase /
   RewriteCond %{REQUEST_FILENAME} !-f
   RewriteRule ^(.*)$ yourapplication.fcgi/$1 [QSA,L]
</IfModule>
`,
    },
    HOST_CONFIG,
  )
  const alias = serverFor(
    undefined,
    {},
    `AddHandler fcgid-script fcgi
<VirtualHost *:\${PORT}>
    ServerName webapp1.mydomain.com
    DocumentRoot \${APP}
    ScriptAlias / \${APP}/app.fcgi/
    <Location />
        SetHandler fcgid-script
    </Location>
    <Directory \${APP}>
        Require all granted
    </Directory>
</VirtualHost>`,
  )

  it('serve the app at the root, without .fcgi in a URL', async () => {
    for (const server of [rewriting, alias]) {
      const home = await http({ port: server().port, target: '/' })
      expect(home.status).toBe(200)
      expect(home.text).toContain('href="/static/style.css"')
      expect(home.text.replace('Express over FastCGI', '')).not.toMatch(/fcgi/i)
      const echo = await http({ port: server().port, target: '/api/echo//x%20y?z=1' })
      expect(echo.json()).toMatchObject({
        baseUrl: '/api',
        url: '/echo//x%20y?z=1',
        originalUrl: '/api/echo//x%20y?z=1',
      })
      const evil = await http({ port: server().port, target: '/evil/app.fcgi' })
      expect(evil.text).toContain('href="/static/style.css"')
    }
  })
})

describe('Apache asks for the password (basic-auth.conf)', () => {
  const server = serverFor('basic-auth.conf')
  const ann = { Accept: 'application/json', Authorization: `Basic ${btoa('ann:test')}` }
  const forged = { Accept: 'application/json', Authorization: `Basic ${btoa('ann:wrong')}` }

  it('tells the app who the user is', async () => {
    const who = await http({ port: server().port, target: '/whoami', headers: ann })
    expect(who.json()).toMatchObject({ remoteUser: 'ann', authType: 'Basic' })
    const refused = await http({ port: server().port, target: '/whoami', headers: forged })
    expect(refused.status).toBe(401)
  })

  it('tells no name where Apache did not check it', async () => {
    const headers = { ...forged, 'Remote-User': 'ann', 'X-Remote-User': 'ann', REMOTE_USER: 'ann' }
    const echo = await http({ port: server().port, target: '/api/echo', headers })
    expect(echo.status).toBe(200)
    expect(echo.json().headers).not.toHaveProperty('authorization')
  })

  it('lets nobody past by another form of the path', async () => {
    const forms = [
      '/x/../whoami',
      '/x/%2e%2e/whoami',
      '//whoami',
      '/%77hoami',
      '/WHOAMI',
      '/whoami/',
    ]
    for (const target of forms) {
      const without = await http({
        port: server().port,
        target,
        headers: { Accept: 'application/json' },
      })
      expect.soft(without.status, target).toBe(401)
      const page = await http({ port: server().port, target, headers: ann })
      expect.soft(page.json(), target).toMatchObject({ remoteUser: 'ann' })
    }
    // The other way about: judged public, so it must not be the protected page.
    for (const target of ['/whoami/../nothing', '/protected.fcgi/whoami', '/app.fcgi/whoami']) {
      const page = await http({ port: server().port, target })
      expect.soft(page.status, target).toBe(404)
      expect.soft(page.text, target).not.toContain('remoteUser')
    }
  })
})

describe('an app that trusts proxies', () => {
  const server = serverFor('root.conf', {
    'express/app.fcgi': `#!/usr/bin/env node
const { serve } = require('@fastcgi/express')
serve(async () => {
  const { app } = await import('./app.mjs')
  return app.set('trust proxy', 1)
})
`,
  })

  it('is not deceived by forged X-Forwarded-*', async () => {
    const echo = await http({
      port: server().port,
      target: '/api/echo',
      headers: {
        Host: 'www.example.com',
        'X-Forwarded-For': '6.6.6.6',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-Host': 'evil.example',
        Forwarded: 'for=6.6.6.6;proto=https;host=evil.example',
      },
    })
    const seen = echo.json() as { headers: Record<string, string> }
    expect(seen).toMatchObject({ ip: '127.0.0.1', protocol: 'http', hostname: 'www.example.com' })
    expect(seen.headers['x-forwarded-for']).toMatch(/(^|, )127\.0\.0\.1$/)
  })
})

describe('an app that cannot start', () => {
  const secret = 'a detail for the log'
  const server = serverFor('root.conf', {
    'express/app.mjs': `throw new Error('${secret}')\n`,
  })
  const broken = serverFor('root.conf', {
    'express/app.fcgi': '#!/usr/bin/env node\nthis is no JavaScript\n',
  })

  it('answers 503 when its module throws, and the error log has the stack', async () => {
    const page = await http({ port: server().port, target: '/' })
    expect(page.status).toBe(503)
    expect(page.text).not.toMatch(/detail|\.mjs/)
    await server().waitForLog(new RegExp(`Error: ${secret}`))
    await server().waitForLog(/app\.mjs:1/)
  })

  it('is answered 500 by Apache when the script itself is broken, and the error log says so', async () => {
    expect((await http({ port: broken().port, target: '/' })).status).toBe(500)
    await broken().waitForLog(/SyntaxError/)
  })
})
