import fs from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import {
  helloApp,
  makeProject,
  type Project,
  runCli,
  runPiped,
} from '../../../../test/support/cli.ts'
import { configFiles, recipeNames, type Site } from '../init/recipes.ts'

const cleanups: (() => unknown)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

function project(files: Record<string, string>): Project {
  const made = makeProject(files)
  cleanups.push(() => made.remove())
  return made
}

const at = (site: Project, ...args: string[]): ReturnType<typeof runCli> =>
  runCli(args, { cwd: site.folder })

/** The doctor has nothing to say about the file: it loads and answers. */
async function expectHealthy(site: Project, file: string): Promise<void> {
  const searchPath = `${path.dirname(process.execPath)}:/usr/bin:/bin`
  const { code, stdout } = await at(site, 'doctor', file, '--user', 'root', '--path', searchPath)
  expect(stdout).toContain('0 failed, 0 warnings')
  expect(code).toBe(0)
}

describe('configurations', () => {
  const site: Site = {
    name: 'shop',
    root: '/home/ann/store',
    script: '/home/ann/store/fcgi/start.fcgi',
    socket: '/run/store/store.sock',
    host: 'store.test',
    mount: '',
  }

  it.each(recipeNames)('of %s have this app in every place', (name) => {
    for (const mount of ['', '/buy']) {
      for (const { text } of configFiles(name, { ...site, mount })) {
        expect(text).not.toMatch(/myapp|\/srv\/|example\.com|run\/express|a2ensite root/)
        expect(text).not.toMatch(/sites-available\/example|store\.test\/app/)
        expect(mount === '' || !/(?<![\w}])\/app(?![\w.])/.test(text), text).toBe(true)
        // What a server needs to find the app: its script, or its socket.
        expect(text).toMatch(/fcgi\/start\.fcgi|start\.fcgi|\/run\/store\/store\.sock/)
      }
    }
  })

  it('name the mount', () => {
    const [nginx] = configFiles('nginx', { ...site, mount: '/buy' })
    expect(nginx!.text).toContain('location ~ ^/buy(/|\\z) {')
    expect(nginx!.text).toContain('fastcgi_split_path_info (?s)^(/buy)(|/.*)\\z;')
    const [apache] = configFiles('apache', { ...site, mount: '/buy' })
    expect(apache!.text).toContain('ScriptAlias /buy /home/ann/store/fcgi/start.fcgi\n')
    expect(apache!.text).toContain('<Files start.fcgi>')
    const [h2o] = configFiles('h2o', { ...site, mount: '/buy' })
    expect(h2o!.text).toContain('FASTCGI_MOUNT: /buy\n')
    const [caddy] = configFiles('caddy', { ...site, mount: '/buy' })
    expect(caddy!.text).toContain('\nstore.test {\n')
    expect(caddy!.text).not.toContain('admin off')
  })
})

describe('configurations for paths with blanks and quotes', () => {
  const root = "/srv/Anns Läden/it's"
  const odd: Site = {
    name: 'shop',
    root,
    script: `${root}/app.fcgi`,
    socket: '/run/my shop/app.sock',
    host: 'shop.test',
    mount: '',
  }
  const text = (server: Parameters<typeof configFiles>[0], site = odd): string =>
    configFiles(server, site)
      .map((file) => file.text)
      .join('')

  it.each([
    ['nginx', `alias "${root}/public/";\n`],
    ['nginx', 'server "unix:/run/my shop/app.sock";\n'],
    ['caddy', `root * "${root}/public"\n`],
    ['haproxy', `docroot "${root}/public"\n`],
    ['h2o', `file.dir: "${root}/public"\n`],
  ] as const)('of %s have %s', (server, line) => {
    expect(text(server)).toContain(line)
  })

  it('have blanks where systemd takes them, and letters of all sorts as they are', () => {
    const spaced = { ...odd, root: '/srv/Anns Läden', script: '/srv/Anns Läden/app.fcgi' }
    expect(text('systemd', spaced)).toContain('\nWorkingDirectory=/srv/Anns Läden\n')
    expect(text('systemd', spaced)).toContain('\nExecStart="/srv/Anns Läden/app.fcgi"\n')
    const letters = { ...odd, root: '/srv/läden', script: '/srv/läden/app.fcgi' }
    expect(text('apache', letters)).toContain('ScriptAlias / /srv/läden/app.fcgi/\n')
    expect(text('lighttpd', letters)).toContain('"bin-path" => "/srv/läden/app.fcgi"')
    expect(text('nginx', { ...letters, socket: '/run/s.sock' })).toContain(
      'alias /srv/läden/public/;',
    )
  })

  it('are refused where the server has no way to write them', () => {
    expect(() => text('systemd')).toThrow('systemd cannot be told of')
    expect(() => text('apache')).toThrow('apache cannot be told of')
    expect(() => text('lighttpd')).toThrow('without blanks and quotes')
    expect(() => text('nginx', { ...odd, root: '/srv/$x' })).toThrow('nginx cannot be told of')
    expect(() => text('caddy', { ...odd, root: '/srv/a\nb' })).toThrow('caddy cannot be told of')
  })
})

describe('fastcgi init', () => {
  it('in a folder with blanks, an umlaut and an apostrophe: what it writes runs, what it says is for a shell', async () => {
    const site = project({ "it's my app.mjs": helloApp })
    const words = ['init', 'nginx', '--entry', "it's my app.mjs", '--out', 'for nginx']
    const { code, stdout } = await at(site, ...words)
    expect(code).toBe(0)
    expect(stdout).toContain("cp 'for nginx'/nginx.conf /etc/nginx/")
    expect(stdout).toContain("--entry 'it'\\''s my app.mjs'")
    await expectHealthy(site, 'app.fcgi')
  })

  it('says what will keep the app from loading', async () => {
    const site = project({ 'app.js': 'const app = 1\n', 'app.ts': 'export default 1\n' })
    expect((await at(site, 'init', 'htaccess')).stdout).toContain('Note: app.js exports nothing')
    const old = '#!/bin/sh\necho v20.20.2\n'
    const node = site.write('node', old)
    fs.chmodSync(node, 0o755)
    const typed = ['init', 'htaccess', '--force', '--entry', 'app.ts', '--node', node]
    expect((await at(site, ...typed)).stdout).toContain(`Note: ${node} does not run app.ts`)
  })

  it('ends with 73 where a file is in the way of a folder', async () => {
    const site = project({ 'app.mjs': helloApp, deploy: '' })
    const { code, stderr } = await at(site, 'init', 'nginx')
    expect(code).toBe(73)
    expect(stderr).toContain('deploy')
  })

  it('htaccess: writes an app.fcgi that runs, and .htaccess', async () => {
    const site = project({ 'app.mjs': helloApp })
    const { code, stdout } = await at(site, 'init', 'htaccess')
    expect(code).toBe(0)
    expect(stdout).toContain("serve(() => import('./app.mjs'))")
    expect(stdout).toContain('RewriteRule ^ app.fcgi [L]')
    expect(stdout).toContain('Next:\n  1. npx fastcgi doctor app.fcgi')
    expect(fs.statSync(site.file('app.fcgi')).mode & 0o777).toBe(0o755)
    expect(fs.readFileSync(site.file('.htaccess'), 'utf8')).toContain('though the app lies here')
    await expectHealthy(site, 'app.fcgi')
    // The second time it has nothing to do.
    expect((await at(site, 'init', 'htaccess')).code).toBe(0)
  })

  it('htaccess: in a document root, with the app outside', async () => {
    const site = project({ 'app.js': helloApp, 'package.json': '{ "type": "module" }' })
    expect((await at(site, 'init', 'htaccess', '--docroot', 'public_html')).code).toBe(0)
    expect(fs.readdirSync(site.file('public_html')).toSorted()).toEqual([
      '.htaccess',
      'app.fcgi',
      'package.json',
    ])
    await expectHealthy(site, 'public_html/app.fcgi')
  })

  it('htaccess: in a document root beside the app, which has no packages', async () => {
    const site = project({
      'shop/app.js': helloApp,
      'shop/package.json': '{ "type": "module" }',
    })
    fs.renameSync(site.file('node_modules'), site.file('shop/node_modules'))
    const words = ['init', 'htaccess', '--docroot', '../htdocs']
    expect(await runCli(words, { cwd: site.file('shop') })).toMatchObject({ code: 0 })
    expect(fs.readdirSync(site.file('htdocs')).toSorted()).toEqual(['.htaccess', 'app.fcgi'])
    expect(fs.readFileSync(site.file('htdocs/app.fcgi'), 'utf8')).toContain(
      "require('../shop/fcgi/app.fcgi')",
    )
    await expectHealthy(site, 'htdocs/app.fcgi')
  })

  it('htaccess: under "type": "module" a link, since the place is given', async () => {
    const site = project({ 'app.js': helloApp, 'package.json': '{ "type": "module" }' })
    const { code, stdout } = await at(site, 'init', 'htaccess')
    expect(code).toBe(0)
    expect(stdout).toContain('app.fcgi is a link to app-fcgi.mjs')
    expect(fs.readlinkSync(site.file('app.fcgi'))).toBe('app-fcgi.mjs')
    await expectHealthy(site, 'app.fcgi')
  })

  it('nginx: under "type": "module" a folder of its own', async () => {
    const site = project({
      'app.js': helloApp,
      'package.json': '{ "type": "module", "name": "@ann/My Shop" }',
    })
    const { code, stdout } = await at(site, 'init', 'nginx', '--host', 'shop.test')
    expect(code).toBe(0)
    expect(fs.readFileSync(site.file('deploy/nginx.conf'), 'utf8')).toContain(
      'server unix:/run/my-shop/app.sock;',
    )
    expect(stdout).toContain('fastcgi init systemd')
    await expectHealthy(site, 'fcgi/app.fcgi')
  })

  it('an app that calls listen() itself is registered', async () => {
    const text =
      "import http from 'node:http'\nhttp.createServer((req, res) => res.end('ok')).listen(3000)\n"
    const site = project({ 'server.mjs': text })
    expect((await at(site, 'init', 'apache')).code).toBe(0)
    expect(fs.readFileSync(site.file('app.fcgi'), 'utf8')).toContain(
      "require('@fastcgi/core/register')",
    )
  })

  it('nginx: says what starts the app, with what was said of the site', async () => {
    const site = project({ 'app.mjs': helloApp })
    const { stdout } = await at(site, 'init', 'nginx', '--mount', '/shop', '--host', 'example.com')
    expect(stdout).toContain('npx fastcgi init systemd --mount /shop --host example.com, so that')
    expect(stdout).toMatch(
      /at once: mkdir -p \/run\/[\w-]+ && \.\/app\.fcgi --listen \/run\/[\w-]+\/app\.sock --group www-data\n/,
    )
    expect(stdout).toMatch(/npx fastcgi doctor http:\/\/example\.com\/shop\/ app\.fcgi\n$/)
  })

  it('takes the adapter for what the app imports, and says when it must be installed', async () => {
    const site = project({ 'app.mjs': "import Koa from 'koa'\nexport default new Koa()\n" })
    const { stdout } = await at(site, 'init', 'lighttpd', '--mount', '/shop', '--dry-run')
    expect(stdout).toContain("const { serve } = require('@fastcgi/koa')")
    expect(stdout).toContain('setenv.add-environment = ( "FASTCGI_MOUNT" => "/shop" )')
    expect(fs.readdirSync(site.folder).toSorted()).toEqual(['app.mjs', 'node_modules'])
    expect((await at(site, 'init', 'lighttpd')).stdout).toContain('1. npm install @fastcgi/koa')
  })

  it('writes the Node.js it is told to into the first line', async () => {
    const site = project({ 'app.mjs': helloApp })
    await at(site, 'init', 'htaccess', '--node', '/opt/node/bin/node')
    expect(fs.readFileSync(site.file('app.fcgi'), 'utf8')).toMatch(/^#!\/opt\/node\/bin\/node\n/)
  })

  it('writes its files although nobody reads to the end what it shows', async () => {
    const site = project({ 'app.mjs': helloApp })
    const shown = await runPiped(['init', 'htaccess'], 'true', site.folder)
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(fs.existsSync(site.file('.htaccess'))).toBe(true)
  })

  it('leaves a file alone that says something else, unless told to', async () => {
    const site = project({ 'app.mjs': helloApp, '.htaccess': 'mine\n' })
    const refused = await at(site, 'init', 'htaccess')
    expect(refused.code).toBe(73)
    expect(refused.stderr).toContain('.htaccess')
    expect(fs.readFileSync(site.file('.htaccess'), 'utf8')).toBe('mine\n')
    expect(fs.existsSync(site.file('app.fcgi'))).toBe(false)
    expect((await at(site, 'init', 'htaccess', '--force')).code).toBe(0)
    expect(fs.readFileSync(site.file('.htaccess'), 'utf8')).toContain('RewriteEngine On')
  })

  it('asks for what it cannot know', async () => {
    const site = project({})
    expect((await at(site, 'init')).stderr).toContain('Which server?')
    expect(await at(site, 'init', 'nginx')).toMatchObject({ code: 66 })
    expect(await at(site, 'init', 'iis')).toMatchObject({ code: 64 })
  })
})
