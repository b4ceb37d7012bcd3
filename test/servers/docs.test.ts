/** The configurations that the documentation shows are run, as they stand but for ports and paths. */
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startApache } from '../support/apache.ts'
import { deploy } from '../support/deploy.ts'
import { blocks } from '../support/documents.ts'
import { startFastcgiApp } from '../support/fastcgi-app.ts'
import {
  startWebServer,
  temporaryFolder,
  writableFolder,
  type WebServer,
} from '../support/web-server.ts'
import { nginx } from './programs/nginx.ts'

const told = (language: string): { where: string; text: string }[] =>
  blocks
    .filter((block) => block.language === language)
    .map(({ file, line, text }) => ({ where: `${file}:${line}`, text }))

let home = ''
let folder = ''

beforeAll(() => {
  folder = temporaryFolder('docs')
  home = path.join(folder, 'express')
  deploy('examples/express', home)
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

async function ask(server: WebServer, target: string): Promise<{ status: number; text: string }> {
  const url = `http://127.0.0.1:${String(server.port)}${target}`
  const answer = await fetch(url, { redirect: 'manual' })
  return { status: answer.status, text: await answer.text() }
}

describe('Apache', () => {
  it.each(told('apache'))('$where', async ({ text }) => {
    const isHtaccess = !text.includes('<VirtualHost')
    const server = await startApache({
      modules: ['fcgid'],
      extra: isHtaccess
        ? 'DocumentRoot ${SITE}\n<Directory ${SITE}>\n    AllowOverride All\n    Require all granted\n</Directory>'
        : 'Include ${SITE}/site.conf',
      prepare(place) {
        const [file, port] = [isHtaccess ? '.htaccess' : 'site.conf', `*:${String(place.port)}`]
        const here = text.replaceAll('*:80', port).replaceAll('/srv/express', home)
        fs.writeFileSync(path.join(home, file), here)
        return { SITE: home }
      },
    })
    try {
      const page = await ask(server, '/')
      expect(page.status).toBe(200)
      expect(page.text).toContain('Express')
      expect(page.text).not.toContain('.fcgi')
      // What lies beside the app is not handed out.
      expect((await ask(server, '/package.json')).status).toBe(404)
    } finally {
      await server.stop()
      fs.rmSync(path.join(home, '.htaccess'), { force: true })
    }
  })
})

describe('nginx', () => {
  it.each(told('nginx'))('$where', async ({ text }) => {
    const socket = path.join(writableFolder(folder, 'run'), 'app.sock')
    const [, secret] = /FASTCGI_STATUS "(.*?)"/.exec(text)!
    const script = fs.readFileSync(path.join(home, 'app.fcgi'), 'utf8')
    const file = path.join(home, 'with-status.fcgi')
    const options = JSON.stringify({ statusSecret: secret })
    fs.writeFileSync(file, script.replace("'./app.mjs')", `'./app.mjs'), ${options}`))
    const app = await startFastcgiApp({ file, listen: socket })
    const server = await startWebServer({
      ...nginx.options,
      prepare: (place) => {
        const here = text.replace('/run/myapp/app.sock', socket).replace('10.0.0.0/8', '127.0.0.1')
        return nginx.prepare(`server {\nlisten 127.0.0.1:${String(place.port)};\n${here}}\n`, place)
      },
    })
    try {
      const status = await ask(server, '/internal/status')
      expect(status.status).toBe(200)
      expect(JSON.parse(status.text)).toMatchObject({ requests: { failed: 0 } })
    } finally {
      await server.stop()
      await app.stop()
    }
  })
})

it('there is nothing else to run', () => {
  const kinds = new Set(blocks.map(({ language }) => language))
  expect([...kinds].toSorted()).toEqual(['', 'apache', 'js', 'json', 'nginx', 'sh'])
})
