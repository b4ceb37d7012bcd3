/**
 * Apache and the files of `examples/servers/apache-mod_*`. Unlike the other servers, Apache refuses to
 * run as root and reads its places from variables, so an app is copied to where its user can read.
 */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, it } from 'vitest'

import type { HttpCase } from '../../conformance/case.ts'
import type { Abilities, Site } from '../../conformance/site.ts'
import { examples, startApache } from '../../support/apache.ts'
import { deploy } from '../../support/deploy.ts'
import { startFastcgiApp, type FastcgiApp } from '../../support/fastcgi-app.ts'
import {
  fill,
  freePort,
  temporaryFolder,
  writableFolder,
  type WebServer,
} from '../../support/web-server.ts'
import { makeCertificates } from '../certificates.ts'

export interface ApacheSetup {
  readonly server: 'apache-mod_fcgid' | 'apache-mod_proxy_fcgi'
  /** Below `examples/servers/`. */
  readonly file: string
  readonly mount?: string
  readonly tls?: boolean
  /** `file` is a `.htaccess` for a document root; the rest is the host's. */
  readonly htaccess?: boolean
  readonly can?: Partial<Abilities>
  /** How mod_proxy_fcgi reaches the app; default a unix socket. */
  readonly tcp?: boolean
}

const MODULES = { 'apache-mod_fcgid': ['fcgid'], 'apache-mod_proxy_fcgi': ['proxy', 'proxy_fcgi'] }

const common = {
  showsCutResponse: true,
  offload: undefined,
  staticFiles: true,
  authorization: true,
} as const

const abilities: Readonly<Record<ApacheSetup['server'], Abilities>> = {
  // It does stream, but a process answers one request at a time, and so nothing can look at another.
  'apache-mod_fcgid': {
    ...common,
    streamsResponses: false,
    streamsUploads: false,
    tellsOfGoneClient: 'no',
    oneProcess: false,
  },
  'apache-mod_proxy_fcgi': {
    ...common,
    showsCutOfUnknownLength: true,
    streamsResponses: true,
    streamsUploads: true,
    tellsOfGoneClient: 'at next write',
    oneProcess: true,
  },
}

export const apacheSetups: readonly ApacheSetup[] = [
  { server: 'apache-mod_fcgid', file: 'root.conf' },
  { server: 'apache-mod_fcgid', file: 'sub-path.conf', mount: '/app' },
  {
    server: 'apache-mod_fcgid',
    file: 'cgi-bin.conf',
    mount: '/cgi-bin/app.fcgi',
    can: { staticFiles: false },
  },
  { server: 'apache-mod_fcgid', file: 'htaccess/.htaccess', htaccess: true },
  { server: 'apache-mod_fcgid', file: 'https.conf', tls: true },
  { server: 'apache-mod_proxy_fcgi', file: 'unix-socket.conf' },
  { server: 'apache-mod_proxy_fcgi', file: 'tcp.conf', tcp: true },
  { server: 'apache-mod_proxy_fcgi', file: 'sub-path.conf', mount: '/app' },
  { server: 'apache-mod_proxy_fcgi', file: 'sethandler.conf' },
  {
    server: 'apache-mod_proxy_fcgi',
    file: 'htaccess/.htaccess',
    htaccess: true,
    // flushpackets belongs to the server's configuration. After the internal redirect of a rewrite Apache ends an answer
    // that was cut as if it were whole.
    can: {
      streamsResponses: false,
      tellsOfGoneClient: 'no',
      showsCutResponse: false,
      showsCutOfUnknownLength: false,
    },
  },
  { server: 'apache-mod_proxy_fcgi', file: 'https.conf', tls: true },
]

export interface ApacheSite extends Site {
  readonly web: WebServer
  /** Has `tls/` with the certificates where the setup speaks TLS. */
  readonly folder: string
  stop(): Promise<void>
}

/**
 * Starts Apache, and the app where Apache does not.
 *
 * @param app folder of the repository that has `app.fcgi` and `public/`
 */
export async function startApacheSite(setup: ApacheSetup, app: string): Promise<ApacheSite> {
  const folder = temporaryFolder('apache')
  // Under the name that the file of two lines for a cgi-bin or document root has.
  const home = path.join(folder, 'express')
  const certificates = path.join(folder, 'tls')
  const socket = path.join(writableFolder(folder, 'run'), 'app.sock')
  let started: FastcgiApp | undefined
  const stop = async (web?: WebServer): Promise<void> => {
    await web?.stop()
    await started?.stop()
    fs.rmSync(folder, { recursive: true, force: true })
  }
  try {
    deploy(app, home)
    layOutSite(folder, setup, socket)
    if (setup.tls === true) makeCertificates(certificates)
    const listen = setup.tcp === true ? `127.0.0.1:${String(await freePort())}` : socket
    if (setup.server === 'apache-mod_proxy_fcgi') {
      const env = { NODE_ENV: 'production' }
      const file = path.join(folder, setup.htaccess === true ? 'htdocs' : 'express', 'app.fcgi')
      started = await startFastcgiApp({ file, listen, env })
    }
    const web = await startApache({
      modules: [...MODULES[setup.server], ...(setup.tls === true ? ['ssl', 'http2'] : [])],
      ...(setup.htaccess === true
        ? { extra: hostConfig(setup) }
        : { config: `${setup.server}/${setup.file}` }),
      prepare(place) {
        place.write('site/index.html', 'the rest of the site\n')
        return {
          APP: home,
          CGI_BIN: path.join(folder, 'cgi-bin'),
          HTDOCS: path.join(folder, 'htdocs'),
          NODE: process.execPath,
          SITE: path.join(place.folder, 'site'),
          SOCKET: socket,
          BACKEND: listen,
          CERTIFICATES: certificates,
        }
      },
    })
    return {
      ...siteOf(setup),
      port: web.port,
      web,
      folder,
      stop: () => stop(web),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A cgi-bin, and a document root with the `.htaccess`, where the setup wants them. */
function layOutSite(folder: string, setup: ApacheSetup, socket: string): void {
  for (const name of ['cgi-bin', 'htdocs']) {
    fs.mkdirSync(path.join(folder, name))
    fs.copyFileSync(
      path.join(examples, 'servers/apache-mod_fcgid/app.fcgi'),
      path.join(folder, name, 'app.fcgi'),
    )
  }
  if (setup.htaccess !== true) return
  const rules = fs.readFileSync(path.join(examples, 'servers', setup.server, setup.file), 'utf8')
  const at = '/run/express/app.sock'
  const moves: Record<string, string> = rules.includes(at) ? { [at]: socket } : {}
  fs.writeFileSync(path.join(folder, 'htdocs/.htaccess'), fill(rules, moves))
  fs.cpSync(path.join(folder, 'express/public'), path.join(folder, 'htdocs/static'), {
    recursive: true,
  })
}

/** A host that lets `.htaccess` do what its file does, and is generous in what it cannot. */
function hostConfig({ server }: ApacheSetup): string {
  return `DocumentRoot \${HTDOCS}
AllowEncodedSlashes NoDecode
<Directory \${HTDOCS}>
    AllowOverride All
    Require all granted
</Directory>
${server === 'apache-mod_fcgid' ? 'FcgidMaxRequestLen 104857600\nFcgidOutputBufferSize 0' : ''}`
}

function siteOf(setup: ApacheSetup): Site {
  return {
    name: `${setup.server} ${setup.file}`,
    server: setup.server,
    mount: setup.mount ?? '',
    port: 0,
    can: { ...abilities[setup.server], ...setup.can },
    ...(setup.tls === true ? { tls: { servername: 'localhost' } } : {}),
  }
}

/** Starts before the tests of a `describe`, stops after them. */
export function apacheSite(setup: ApacheSetup, app: string): () => ApacheSite {
  let site: ApacheSite | undefined
  beforeAll(async () => {
    site = await startApacheSite(setup, app)
  })
  afterAll(() => site?.stop())
  return () => site as ApacheSite
}

/** Registers the cases that this setup can do; what it cannot is said in the case. */
export function runApacheCases(
  setup: ApacheSetup,
  cases: readonly HttpCase[],
  app: string,
): () => ApacheSite {
  const site = apacheSite(setup, app)
  for (const { name, not, run } of cases) {
    if (not?.(siteOf(setup)) === undefined) it(name, () => run(site()))
  }
  return site
}
