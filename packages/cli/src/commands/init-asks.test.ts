/** `fastcgi init` at a terminal, which `script` of util-linux gives it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { command, helloApp, makeProject, type Project } from '../../../../test/support/cli.ts'
import { until } from '../../../../test/support/until.ts'

let site: Project
afterEach(() => site.remove())

/** Gives each answer when its question has been asked. */
async function conversation(
  ...turns: readonly (readonly [question: string, answer: string])[]
): Promise<{ code: number | null; shown: string }> {
  site = makeProject({ 'app.mjs': helloApp })
  const line = `'${process.execPath}' '${command}' init`
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    cwd: site.folder,
    env: { PATH: process.env['PATH'], TERM: 'dumb', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
  const ended = once(child, 'close') as Promise<[number | null]>
  for (const [question, answer] of turns) {
    await until(
      () => shown.includes(question),
      () => `${question} in ${shown}`,
    )
    child.stdin.write(`${answer}\n`)
  }
  const [code] = await ended
  return { code, shown }
}

describe('fastcgi init at a terminal', () => {
  it('asks which server, shows what it would write, and writes it when told to', async () => {
    const { code, shown } = await conversation(['Which server', '1'], ['Write these files?', ''])
    expect(shown).toMatch(/1 +htaccess +Apache on a shared host/)
    expect(shown.indexOf('RewriteRule ^ app.fcgi [L]')).toBeLessThan(shown.indexOf('Write these'))
    expect(shown).toContain('Next:')
    expect(code).toBe(0)
    expect(fs.readdirSync(site.folder)).toEqual(expect.arrayContaining(['.htaccess', 'app.fcgi']))
  })

  it('takes a name, and writes nothing when told not to', async () => {
    const { code, shown } = await conversation(['Which server', 'nginx'], ['Write these', 'n'])
    expect(shown).toContain('fastcgi_pass')
    expect(shown).not.toContain('Next:')
    expect(code).toBe(0)
    expect(fs.readdirSync(site.folder).toSorted()).toEqual(['app.mjs', 'node_modules'])
  })

  it('ends with 64 for an answer that is none of them', async () => {
    const { code, shown } = await conversation(['Which server', '99'])
    expect(shown).toContain('is none of them')
    expect(code).toBe(64)
  })
})
