/**
 * FastCGI's Authorizer role under Apache, by mod_fcgid and by mod_authnz_fcgi: examples/authorizer with the files
 * authorizer.conf. What an authorizer lets through, what it hands on, and that whatever goes wrong with it means no.
 */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startApache } from '../support/apache.ts'
import { deploy } from '../support/deploy.ts'
import { startFastcgiApp, type FastcgiApp } from '../support/fastcgi-app.ts'
import { http, type HttpResponse } from '../support/http-client.ts'
import { freePort, temporaryFolder, writableFolder, type WebServer } from '../support/web-server.ts'

const secret = 'only for those who may\n'
const none: Record<string, string> = {}
const token = { Cookie: 'token=let-me-in' }
const basic = (name: string, password: string): { Authorization: string } => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})

/** What both modules share: the authorizer, an app behind it that tells what it got, and a file. */
let folder: string
beforeAll(() => {
  folder = temporaryFolder('authorizer')
  deploy('examples/authorizer', path.join(folder, 'authorizer'))
  deploy('test/conformance/site', path.join(folder, 'app'))
  fs.mkdirSync(path.join(folder, 'files'))
  fs.writeFileSync(path.join(folder, 'files/secret.txt'), secret)
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

/** Starts before the tests of a `describe`, and stops after them. */
function started<T extends { stop(): Promise<void> }>(start: () => Promise<T>): () => T {
  let running: T | undefined
  beforeAll(async () => {
    running = await start()
  })
  afterAll(() => running?.stop())
  return () => running as T
}

/** Asks for targets of a server that is started. */
function askOf(
  server: () => Pick<WebServer, 'port'>,
): (target: string, headers?: Record<string, string>) => Promise<HttpResponse> {
  return (target, headers = {}) => http({ port: server().port, target, headers })
}

type Ask = ReturnType<typeof askOf>

async function expectLetIn(ask: Ask, target: string, headers: Record<string, string>) {
  const answer = await ask(target, headers)
  expect(answer.status, target).toBe(200)
  expect(answer.text, target).toBe(secret)
  // What is meant for the server does not go on to the client.
  expect(Object.keys(answer.headers).join()).not.toMatch(/variable|permission|membership/i)
}

async function expectRefused(
  ask: Ask,
  target: string,
  headers: Record<string, string>,
  status = 401,
) {
  const answer = await ask(target, headers)
  expect.soft(answer.status, `${target} ${JSON.stringify(headers)}`).toBe(status)
  expect.soft(answer.text, target).not.toContain(secret)
}

/** What a client cannot pose as: the password has been checked, the question has been answered. */
const forged = {
  'Remote-User': 'ann',
  REMOTE_USER: 'ann',
  REMOTE_PASSWD: 'secret',
  'FCGI-Apache-Role': 'AUTHORIZER',
  FCGI_APACHE_ROLE: 'AUTHORIZER',
  'Variable-REMOTE_USER': 'ann',
}

describe('mod_fcgid (apache-mod_fcgid/authorizer.conf)', () => {
  const server = started(() =>
    startApache({
      modules: ['fcgid', 'headers'],
      config: 'apache-mod_fcgid/authorizer.conf',
      prepare: () => ({
        AUTHORIZER: path.join(folder, 'authorizer'),
        APP: path.join(folder, 'app'),
        FILES: path.join(folder, 'files'),
      }),
    }),
  )
  const ask = askOf(server)

  it('access checker: lets in by a cookie, and nobody else', async () => {
    await expectLetIn(ask, '/private/secret.txt', token)
    for (const headers of [none, { Cookie: 'token=guess' }, basic('ann', 'secret'), forged]) {
      await expectRefused(ask, '/private/secret.txt', headers)
    }
    // Whatever form the path comes in, Apache asks.
    for (const target of [
      '/x/../private/secret.txt',
      '//private/secret.txt',
      '/%70rivate/secret.txt',
    ]) {
      await expectRefused(ask, target, {})
    }
  })

  it('authenticator: asks for the password and has the app check it', async () => {
    await expectLetIn(ask, '/members/secret.txt', basic('ann', 'secret'))
    const challenge = await ask('/members/secret.txt')
    expect(challenge.headers['www-authenticate']).toBe('Basic realm="Members"')
    for (const headers of [
      none,
      basic('ann', 'guess'),
      basic('ann', ''),
      basic('nobody', 'secret'),
      token,
      forged,
    ]) {
      await expectRefused(ask, '/members/secret.txt', headers)
    }
  })

  it('authorizer: decides what a user may do whose password is right', async () => {
    // bob's password is right, and bob is no member.
    await expectRefused(ask, '/members/secret.txt', basic('bob', 'sesame'))
    await server().waitForLog(
      /Authorization of user bob to access .* failed, reason: script returned status 403/,
    )
  })

  it('hands on to the app behind it what allow() names, and the user', async () => {
    const answer = await ask('/app/who?x=1', { ...token, ...forged })
    const seen = answer.json()
    expect(seen).toMatchObject({ url: '/who?x=1', mount: '/app', remoteUser: 'ann' })
    expect(seen.params.PERMISSION).toBe('read')
    expect(Object.keys(answer.headers).join()).not.toContain('variable')
    await expectRefused(ask, '/app/who', {})
  })
})

describe('mod_fcgid, when something goes wrong', () => {
  const at = (script: string): string => path.join(folder, script)
  const server = started(() => {
    fs.writeFileSync(at('app/unloadable.fcgi'), "#!/usr/bin/env node\nthrow new Error('no')\n")
    fs.writeFileSync(
      at('app/unloaded.fcgi'),
      `#!/usr/bin/env node
const { serve } = require('@fastcgi/core')
serve(async () => { throw new Error('no') }, { authorize: (req) => req.fastcgi.allow() })
`,
    )
    for (const name of ['unloadable', 'unloaded']) fs.chmodSync(at(`app/${name}.fcgi`), 0o755)
    // What goes wrong, where; and what Fcgid…Authoritative Off makes of it.
    const places = ['failing-authorizer', 'unloadable', 'unloaded'].flatMap((name) => [
      `Alias /${name}/checked/ ${at('files')}/`,
      `<Location /${name}/checked/>`,
      `  FcgidAccessChecker ${at(`app/${name}.fcgi`)}`,
      '</Location>',
      `Alias /${name}/asked/ ${at('files')}/`,
      `<Location /${name}/asked/>`,
      '  AuthType Basic',
      '  AuthName x',
      '  AuthBasicAuthoritative Off',
      '  AuthUserFile /dev/null',
      `  FcgidAuthenticator ${at(`app/${name}.fcgi`)}`,
      '  Require valid-user',
      '</Location>',
    ])
    return startApache({
      modules: ['fcgid', 'headers'],
      prepare(place) {
        // htpasswd -nbs ann test
        place.write('users', 'ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n')
        return { USERS: path.join(place.folder, 'users') }
      },
      extra: `
<Directory ${at('files')}>
  Require all granted
</Directory>
<VirtualHost *:\${PORT}>
ServerName patient.example
${places.join('\n')}
Alias /open/ ${at('files')}/
<Location /open/>
  FcgidAccessChecker ${at('authorizer/authorizer.fcgi')}
  FcgidAccessCheckerAuthoritative Off
</Location>
Alias /second/ ${at('files')}/
<Location /second/>
  AuthType Basic
  AuthName x
  AuthUserFile \${USERS}
  AuthBasicAuthoritative Off
  FcgidAuthenticator ${at('authorizer/authorizer.fcgi')}
  FcgidAuthenticatorAuthoritative Off
  Require valid-user
</Location>
</VirtualHost>
<VirtualHost *:\${PORT}>
ServerName hasty.example
FcgidIOTimeout 2
${places.join('\n')}
</VirtualHost>`,
    })
  })
  const ask = askOf(server)

  it.each(['throw', 'reject', 'end', 'destroy', 'exit', 'hang'])('%s: no', async (how) => {
    // Only there is anybody in a hurry: elsewhere a slow machine must not look like a no.
    const Host = how === 'hang' ? 'hasty.example' : 'patient.example'
    const answers = ['checked', 'asked'].map((place) =>
      ask(`/failing-authorizer/${place}/secret.txt?${how}`, { Host, ...basic('ann', 'secret') }),
    )
    for (const answer of await Promise.all(answers)) {
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.text).not.toContain(secret)
    }
  })

  it('no script that runs, or no app that loads: no', async () => {
    for (const place of ['checked', 'asked']) {
      for (const name of ['unloadable', 'unloaded']) {
        const target = `/${name}/${place}/secret.txt`
        const answer = await ask(target, basic('ann', 'secret'))
        expect(answer.status, target).toBeGreaterThanOrEqual(400)
        expect(answer.text, target).not.toContain(secret)
      }
    }
  })

  it('with Authoritative Off the next module is asked, and after an access checker there is none', async () => {
    // Apache asks the file of users first: it knows ann, with another password, and not bob.
    for (const headers of [basic('ann', 'test'), basic('bob', 'sesame')]) {
      expect((await ask('/second/secret.txt', headers)).text).toBe(secret)
    }
    await expectRefused(ask, '/second/secret.txt', basic('ann', 'guess'))
    await expectRefused(ask, '/second/secret.txt', basic('bob', 'guess'), 500)
    // The file, with the status of the no that nobody heeds.
    expect(await ask('/open/secret.txt')).toMatchObject({ status: 403, text: secret })
  })
})

/** An authorizer and an app on sockets of their own, and Apache before them. */
async function authnz(script: string) {
  const apps: FastcgiApp[] = []
  const stop = async (): Promise<void> => {
    for (const app of apps) await app.stop()
  }
  const authorizer = `127.0.0.1:${String(await freePort())}`
  const socket = path.join(writableFolder(folder, `run-${path.basename(script)}`), 'app.sock')
  for (const [name, listen] of [
    [script, authorizer],
    ['app/app.fcgi', socket],
  ] as const) {
    apps.push(
      await startFastcgiApp({
        file: path.join(folder, name),
        listen,
        env: { NODE_ENV: 'production' },
      }),
    )
  }
  const web = await startApache({
    modules: ['authnz_fcgi', 'proxy', 'proxy_fcgi'],
    config: 'apache-mod_authnz_fcgi/authorizer.conf',
    prepare: () => ({
      AUTHORIZER: authorizer,
      SOCKET: socket,
      FILES: path.join(folder, 'files'),
    }),
  })
  return {
    web,
    apps,
    async stop() {
      await web.stop()
      await stop()
    },
  }
}

describe('mod_authnz_fcgi (apache-mod_authnz_fcgi/authorizer.conf)', () => {
  const both = started(() => authnz('authorizer/authorizer.fcgi'))
  const ask = askOf(() => both().web)

  it('AuthnzFcgiCheckAuthnProvider: the app names the user, by a cookie', async () => {
    await expectLetIn(ask, '/private/secret.txt', token)
    // With a password beside it the app judges the password, and it is right.
    await expectLetIn(ask, '/private/secret.txt', { ...token, ...basic('ann', 'secret') })
    const answer = await ask('/private/secret.txt')
    expect(answer.status).toBe(403)
    // Here Apache hands the app's own words on.
    expect(answer.text).toBe('Not for you.\n')
    await expectRefused(ask, '/private/secret.txt', forged, 403)
    await expectRefused(ask, '/private/secret.txt', basic('ann', 'guess'))
  })

  it('authn, then authz: the password, then what the user may do', async () => {
    await expectLetIn(ask, '/members/secret.txt', basic('ann', 'secret'))
    for (const headers of [none, token, forged, basic('ann', 'guess'), basic('bob', 'sesame')]) {
      await expectRefused(ask, '/members/secret.txt', headers)
    }
  })

  it('authnz: both at once', async () => {
    await expectLetIn(ask, '/staff/secret.txt', basic('ann', 'secret'))
    for (const headers of [none, token, forged, basic('ann', 'guess'), basic('nobody', 'secret')]) {
      await expectRefused(ask, '/staff/secret.txt', headers)
    }
  })

  it('hands on to the app behind it what allow() names, and the user', async () => {
    const seen = (await ask('/app/who?x=1', { ...basic('ann', 'secret'), ...forged })).json()
    expect(seen).toMatchObject({ url: '/who?x=1', mount: '/app', remoteUser: 'ann' })
    expect(seen.authType).toBe('Basic')
    expect(seen.params.PERMISSION).toBe('read')
    await expectRefused(ask, '/app/who', token)
  })

  it('lets nobody in once the app is gone', async () => {
    await both().apps[0]?.stop()
    for (const [target, headers] of [
      ['/private/secret.txt', token],
      ['/members/secret.txt', basic('ann', 'secret')],
      ['/staff/secret.txt', basic('ann', 'secret')],
    ] as const) {
      await expectRefused(ask, target, headers, 500)
    }
  })
})

describe('mod_authnz_fcgi, when something goes wrong', () => {
  const both = started(() => authnz('app/failing-authorizer.fcgi'))
  const ask = askOf(() => both().web)

  // A handler that never answers is a no after 30 s; nothing makes mod_authnz_fcgi wait less.
  it.each(['throw', 'reject', 'end', 'destroy', 'exit'])('%s: no', async (how) => {
    for (const place of ['private', 'members', 'staff', 'app']) {
      await expectRefused(ask, `/${place}/secret.txt?${how}`, basic('ann', 'secret'), 500)
    }
  })
})
