/** Sites behind Apache mod_fcgid whose app is one process for all (option `shared`). */
import fs from 'node:fs'
import path from 'node:path'

import { afterAll, beforeAll, expect } from 'vitest'

import { examples, startApache } from '../support/apache.ts'
import { deploy } from '../support/deploy.ts'
import { http, type HttpResponse } from '../support/http-client.ts'
import { endHosts, killHosts } from '../support/shared-hosts.ts'
import { temporaryFolder, type Place, type WebServer } from '../support/web-server.ts'

const recipes = path.join(examples, 'servers/apache-mod_fcgid')
/** mod_fcgid starts some ten processes at once, and then one a second. */
export const QUICK = 'FcgidSpawnScoreUpLimit 1000'
/** What a shared host has in its configuration; the rest is in the `.htaccess`. */
export const HOST_CONFIG = `${QUICK}
FcgidOutputBufferSize 0
DocumentRoot \${HTDOCS}
<Directory \${HTDOCS}>
    AllowOverride All
    Require all granted
</Directory>`

let uploaded: string | undefined

/** Once a test file: installing takes longer than copying. */
function deployed(): string {
  if (uploaded === undefined) {
    const folder = (uploaded = temporaryFolder('shared'))
    process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
    deploy('test/servers/shared-app', path.join(folder, 'express'))
  }
  return path.join(uploaded, 'express')
}

function layOut(place: Place): Record<string, string> {
  const at = (name: string): string => path.join(place.folder, name)
  fs.cpSync(deployed(), at('express'), { recursive: true })
  for (const folder of ['express/public', 'express/tmp', 'htdocs', 'htdocs/blog']) {
    fs.mkdirSync(at(folder), { recursive: true })
  }
  for (const folder of ['htdocs', 'htdocs/blog']) {
    fs.copyFileSync(path.join(recipes, 'htaccess/.htaccess'), at(`${folder}/.htaccess`))
  }
  fs.copyFileSync(path.join(recipes, 'app.fcgi'), at('htdocs/app.fcgi'))
  place.write(
    'htdocs/blog/app.fcgi',
    "#!/usr/bin/env node\nrequire('../../express/app.fcgi')\n",
    0o755,
  )
  place.writable('private')
  return { APP: at('express'), HTDOCS: at('htdocs') }
}

export interface Site {
  readonly server: WebServer
  /** Where the private sockets are. */
  readonly folder: string
  get(target: string, headers?: Record<string, string>): Promise<HttpResponse>
  post(target: string, headers?: Record<string, string>): Promise<HttpResponse>
}

/**
 * Starts Apache for the tests of a `describe`; no process is left, whatever becomes of them.
 *
 * @param config the example; undefined: the `.htaccess` alone
 * @param privateFolder where the private sockets will be
 */
export function siteFor(
  config: string | undefined,
  extra: string,
  privateFolder: (server: WebServer) => string = ({ folder }) =>
    path.join(folder, 'private/shared'),
): () => Site {
  let site: Site | undefined
  const leave = (): void => {
    if (site) killHosts(site.folder)
  }
  beforeAll(async () => {
    const server = await startApache({
      modules: ['fcgid'],
      ...(config === undefined ? {} : { config: `apache-mod_fcgid/${config}` }),
      extra,
      prepare: layOut,
    })
    const { port } = server
    site = {
      server,
      folder: privateFolder(server),
      get: (target, headers = {}) => http({ port, target, headers }),
      post: (target, headers = {}) => http({ port, target, headers, method: 'POST', body: '' }),
    }
    process.once('exit', leave)
  })
  afterAll(async () => {
    if (!site) return
    const { server, folder } = site
    // The relays first: they would start another.
    await server.stop()
    await endHosts(folder)
    process.removeListener('exit', leave)
  })
  return () => site as Site
}

/** The cookie of a new session. */
export async function logIn({ post }: Site, name: string, mount = ''): Promise<{ Cookie: string }> {
  const answer = await post(`${mount}/login?name=${name}`)
  expect(answer.status).toBe(200)
  return { Cookie: (answer.cookies[0] as string).split(';')[0] as string }
}

/** The process that answers. */
export async function hostOf({ get }: Site, mount = ''): Promise<number> {
  const answer = await get(`${mount}/me`)
  expect(answer.status, answer.text).toBe(200)
  return (answer.json() as { process: number }).process
}
