/** What `fastcgi init htaccess` and `init apache` write in a folder with an umlaut, under Apache, and what `fastcgi doctor` says of it. */
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

import { examine } from '../../packages/cli/src/commands/doctor.ts'
import { runCli } from '../support/cli.ts'
import { startApache } from '../support/apache.ts'
import { deploy } from '../support/deploy.ts'
import type { Place } from '../support/web-server.ts'

const given = { path: String(process.env['PATH']), page: '/', user: 'root' }

/** The example app without its `.fcgi`, which the command makes. */
async function layOut(place: Place, ...words: string[]): Promise<string> {
  const home = path.join(place.folder, 'Läden')
  deploy('examples/express', home)
  fs.rmSync(path.join(home, 'app.fcgi'))
  // Another try on another port begins anew.
  fs.rmSync(path.join(place.folder, 'htdocs'), { recursive: true, force: true })
  const made = await runCli(['init', ...words, '--entry', 'app.mjs'], { cwd: home })
  expect(made).toMatchObject({ code: 0, stderr: '' })
  return home
}

async function complaints(port: number, script: string): Promise<Record<string, string>> {
  const [report] = await examine([`http://127.0.0.1:${String(port)}/`, script], given)
  const bad = report!.findings.filter(({ verdict }) => verdict !== 'ok')
  return Object.fromEntries(
    bad.map(({ check, verdict, what, fix }) => [check, `${verdict}: ${what}\n${fix ?? ''}`]),
  )
}

describe('fastcgi init htaccess', () => {
  it('writes a site that answers; the doctor names the limits that a shared host has', async () => {
    let script = ''
    const server = await startApache({
      modules: ['fcgid'],
      extra:
        'DocumentRoot ${HTDOCS}\n<Directory ${HTDOCS}>\n    AllowOverride All\n    Require all granted\n</Directory>',
      async prepare(place) {
        await layOut(place, 'htaccess', '--docroot', '../htdocs')
        script = path.join(place.folder, 'htdocs/app.fcgi')
        return { HTDOCS: path.join(place.folder, 'htdocs') }
      },
    })
    try {
      const answer = await fetch(`http://127.0.0.1:${String(server.port)}/`)
      expect(answer.status).toBe(200)
      const bad = await complaints(server.port, script)
      expect(Object.keys(bad).toSorted()).toEqual(['buffering', 'upload-limit'])
      expect(bad['upload-limit']).toContain('warning: uploads of 64 kB pass, and for 256 kB')
      expect(bad['upload-limit']).toContain('FcgidMaxRequestLen')
      expect(bad['buffering']).toContain('FcgidOutputBufferSize 0')
    } finally {
      await server.stop()
    }
  })
})

describe('fastcgi init apache', () => {
  it('writes a site that answers, with which the doctor is content', async () => {
    let script = ''
    const server = await startApache({
      modules: ['fcgid'],
      extra: 'Include ${CONFIG}',
      async prepare(place) {
        const home = await layOut(place, 'apache')
        script = path.join(home, 'app.fcgi')
        return { CONFIG: path.join(home, 'deploy/apache.conf') }
      },
    })
    try {
      const answer = await fetch(`http://127.0.0.1:${String(server.port)}/`)
      expect(answer.status).toBe(200)
      expect(await complaints(server.port, script)).toEqual({})
    } finally {
      await server.stop()
    }
  })
})
