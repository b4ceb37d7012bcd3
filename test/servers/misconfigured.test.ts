/**
 * Web servers configured as people configure them who have not read our pages: the app takes no part of a client's path
 * for its mount, says once in its log which line to change, and with that line all is well.
 */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

import { ask, type Site } from '../conformance/site.ts'
import { until } from '../support/until.ts'
import { startWebServer, temporaryFolder, type WebServer } from '../support/web-server.ts'
import { startApp } from './app.ts'
import { caddy } from './programs/caddy.ts'
import { h2o } from './programs/h2o.ts'
import { haproxy } from './programs/haproxy.ts'
import { lighttpd } from './programs/lighttpd.ts'
import { nginx } from './programs/nginx.ts'
import { conformanceSite, type Server } from './setup.ts'

interface Trial {
  readonly name: string
  readonly server: Server
  /** `PORT` and `SOCKET` are put in; `LINE` is where the line goes that the log names. */
  readonly text: string
  /** Undefined: the server leaves no trace of its mount, and nothing can be said. */
  readonly code?: string
  readonly line: string
  readonly mount: string
}

const params = 'include fastcgi_params; fastcgi_pass unix:SOCKET;'
const fcgiApp = (lines: string): string => `defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
fcgi-app app
    docroot /srv
    ${lines}
frontend web
    bind 127.0.0.1:PORT
    default_backend app
backend app
    use-fcgi-app app
    server app unix@SOCKET proto fcgi
`
const forLighttpd = (key: string, more: string): string => `server.modules += ( "mod_fastcgi" )
fastcgi.server = ( "${key}" => (( "socket" => "SOCKET", "check-local" => "disable"${more} )) )
`

const trials: readonly Trial[] = [
  {
    name: 'nginx with fastcgi_params alone',
    server: nginx,
    text: `server { listen 127.0.0.1:PORT; location / { ${params} LINE } }`,
    code: 'CGI_MOUNT_WHOLE_PATH',
    line: 'fastcgi_param PATH_INFO $fastcgi_script_name; fastcgi_param SCRIPT_NAME "";',
    mount: '',
  },
  {
    name: 'nginx with fastcgi_params alone, below a path',
    server: nginx,
    text: `server { listen 127.0.0.1:PORT; location /app { ${params} LINE } }`,
    code: 'CGI_MOUNT_WHOLE_PATH',
    line: 'fastcgi_split_path_info ^(/app)(/.*)?$; fastcgi_param SCRIPT_NAME $fastcgi_script_name; fastcgi_param PATH_INFO $fastcgi_path_info;',
    mount: '/app',
  },
  {
    name: 'nginx that strips the prefix',
    server: nginx,
    text: `server { listen 127.0.0.1:PORT; location /app/ { rewrite ^/app(/.*)$ $1 break; ${params}
      fastcgi_param PATH_INFO $fastcgi_script_name; fastcgi_param SCRIPT_NAME ""; LINE } }`,
    code: 'CGI_MOUNT_STRIPPED',
    line: 'fastcgi_param FASTCGI_MOUNT /app;',
    mount: '/app',
  },
  {
    name: 'lighttpd at / without fix-root-scriptname',
    server: lighttpd,
    text: forLighttpd('/', ' LINE'),
    code: 'CGI_MOUNT_FOLLOWS_PATH',
    line: ', "fix-root-scriptname" => "enable"',
    mount: '',
  },
  {
    name: 'lighttpd below a path',
    server: lighttpd,
    text: `${forLighttpd('/app', '')}server.modules += ( "mod_setenv" )\nLINE\n`,
    code: 'CGI_MOUNT_FOLLOWS_PATH',
    line: 'setenv.add-environment = ( "FASTCGI_MOUNT" => "/app" )',
    mount: '/app',
  },
  {
    name: 'HAProxy with docroot alone',
    server: haproxy,
    text: fcgiApp('LINE'),
    code: 'CGI_MOUNT_WHOLE_PATH',
    line: 'path-info ^()(/.*)$',
    mount: '',
  },
  {
    name: 'HAProxy with docroot alone, for a path',
    server: haproxy,
    text: fcgiApp('LINE'),
    code: 'CGI_MOUNT_WHOLE_PATH',
    line: 'path-info ^(/app)(/.*)?$',
    mount: '/app',
  },
  {
    name: 'Caddy with handle_path',
    server: caddy,
    text: `{
	admin off
}
http://localhost:PORT {
	handle_path /app/* {
		reverse_proxy unix/SOCKET {
			transport fastcgi {
				LINE
			}
		}
	}
}
`,
    code: 'CGI_MOUNT_STRIPPED',
    line: 'env SCRIPT_NAME /app',
    mount: '/app',
  },
  {
    name: 'h2o below a path',
    server: h2o,
    text: `user: www-data
listen:
  host: 127.0.0.1
  port: PORT
hosts:
  default:
    paths:
      "/app":
        LINE
        fastcgi.connect:
          port: SOCKET
          type: unix
`,
    line: 'setenv: { FASTCGI_MOUNT: /app }',
    mount: '/app',
  },
]

describe.each(trials)('$name', ({ server, text, code, line, mount }) => {
  const folder = temporaryFolder('misconfigured')
  const socket = path.join(folder, 'app.sock')
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

  const targets = ['/hello/', '/a%2Fb//c?d', '/x/app.fcgi/y']

  /** What an app makes of the targets, and says about the configuration, with the line or without. */
  async function seen(
    withLine: string,
    expected = '',
  ): Promise<{ answers: unknown[]; said: string[] }> {
    const app = await startApp(path.join(conformanceSite, 'app.fcgi'), socket)
    const web: WebServer = await startWebServer({
      ...server.options,
      prepare: (place) => {
        const filled = text.replace('LINE', () => withLine).replaceAll('PORT', String(place.port))
        return server.prepare(filled.replaceAll('SOCKET', socket), place)
      },
    }).catch(async (error: unknown) => {
      await app.stop()
      throw error
    })
    try {
      const site: Site = { name: '', server: '', mount, port: web.port, can: server.can }
      const answers: unknown[] = []
      for (const target of targets) {
        const answer = (await ask(site, target, { headers: { Host: 'localhost' } })).json()
        answers.push({ mount: answer.mount, url: answer.url })
      }
      await until(() => app.log().includes(expected), `${expected} in the log`)
      return {
        answers,
        said: app
          .log()
          .split('\n')
          .filter((each) => /\[CGI_/.test(each)),
      }
    } finally {
      await web.stop()
      await app.stop()
    }
  }

  it('no client chooses the mount, and the log says what to do about it, which helps', async () => {
    const wrong = await seen('', code)
    expect(wrong.answers).toEqual(targets.map((target) => ({ mount: '', url: mount + target })))
    const codes = wrong.said.map((each) => /\[(\w+)\]/.exec(each)?.[1])
    if (code === undefined) expect(codes).toEqual([])
    else {
      // Once, however many requests there were.
      expect(codes.filter((each) => each === code)).toHaveLength(1)
      const about = wrong.said[codes.indexOf(code)]
      const parts = line.split(/(?<=;) /).map((part) => part.replace(/^, /, ''))
      for (const part of parts) expect(about).toContain(part)
    }
    const right = await seen(line)
    expect(right).toEqual({ answers: targets.map((url) => ({ mount, url })), said: [] })
  })
})
