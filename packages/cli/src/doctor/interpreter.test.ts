import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { User } from './access.ts'
import type { Finding } from './finding.ts'
import { checkInterpreter } from './interpreter.ts'

const stranger: User = { name: 'stranger', uid: 65_533, gid: 65_533, groups: new Set([65_533]) }
const here = process.execPath
const body = "require('@fastcgi/core')\n"

let folder = ''
beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-shebang-')))
  fs.chmodSync(folder, 0o755)
})
afterEach(() => fs.rmSync(folder, { recursive: true }))

/** A program in the folder that says a version. */
function program(name: string, says: string, mode = 0o755): string {
  const file = path.join(folder, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, `#!/bin/sh\necho '${says}'\n`)
  fs.chmodSync(file, mode)
  return file
}

function check(text: string, searchPath = path.dirname(here), user?: User) {
  const file = path.join(folder, 'app.fcgi')
  fs.writeFileSync(file, text)
  return checkInterpreter(file, text, searchPath, user)
}

/** What is wrong with a first line, of which nothing else is wrong. */
function trouble(line: string, ...more: [searchPath?: string, user?: User]): Finding {
  const bad = check(`${line}\n${body}`, ...more).findings.filter(({ verdict }) => verdict !== 'ok')
  expect(bad).toHaveLength(1)
  return bad[0]!
}

describe('the first line of a .fcgi', () => {
  it.each([
    ['#!/usr/bin/env node', []],
    ['#! /usr/bin/env node ', []],
    [`#!${here}`, []],
    [`#!${here} --max-old-space-size=200`, ['--max-old-space-size=200']],
    ['#!/usr/bin/env -S node --enable-source-maps -r x', ['--enable-source-maps', '-r', 'x']],
    ['#!/usr/bin/env -S A=1 node', []],
  ])('%s is in order', (line, options) => {
    const found = check(`${line}\n${body}`)
    expect(found.findings.map(({ verdict }) => verdict)).toEqual(['ok', 'ok'])
    expect(found).toMatchObject({ node: here, options })
  })

  it.each([
    ['#!/usr/bin/env node --enable-source-maps', '#!/usr/bin/env -S node --enable-source-maps'],
    [`#!${here} --a --b`, `#!/usr/bin/env -S ${here} --a --b`],
    ['#!node', '#!/usr/bin/env node'],
    ['#!/usr/bin/env', '#!/usr/bin/env node'],
    ['#!', `#!${here}`],
  ])('%s is not what the system wants, and what it wants is said', (line, cure) => {
    expect(trouble(line)).toMatchObject({
      check: 'node',
      verdict: 'failed',
      fix: expect.stringContaining(cure),
    })
  })

  it('leads nowhere, to a folder, to what may not run, to another program', () => {
    expect(trouble('#!/no/such/node').what).toMatch('/no/such/node is not there')
    expect(trouble('#!/usr').what).toMatch('/usr is a folder')
    const closed = program('closed', 'v22.0.0', 0o644)
    expect(trouble(`#!${closed}`).what).toMatch(`${closed} may not be executed (rw-r--r--`)
    const python = program('python3', 'Python 3.11.2')
    expect(trouble(`#!${python}`)).toMatchObject({
      what: `${python} is no Node.js; it says "Python 3.11.2"`,
      fix: expect.stringContaining(`#!${here}`),
    })
    expect(trouble('#!/usr/bin/env node', folder).what).toMatch(`PATH (${folder})`)
    const old = program('old/node', 'v18.20.4')
    expect(trouble('#!/usr/bin/env node', path.dirname(old)).what).toMatch('v18.20.4; needed is')
  })

  it('leads to a Node.js in a home that is closed to the web server', () => {
    const node = program('home/.nvm/bin/node', 'v22.0.0')
    expect(check(`#!${node}\n`, '', stranger).node).toBe(node)
    fs.chmodSync(path.join(folder, 'home'), 0o700)
    const { what, fix } = trouble(`#!${node}`, '', stranger)
    expect(what).toMatch(`stranger, the web server's user, cannot pass ${folder}/home (rwx------`)
    expect(fix).toMatch(`chmod a+x ${folder}/home`)
    // By a link from a place that everybody passes as well.
    fs.symlinkSync(node, path.join(folder, 'node'))
    expect(trouble('#!/usr/bin/env node', folder, stranger).what).toMatch(`${folder}/home`)
  })

  it.each([
    ['\xef\xbb\xbf#!/usr/bin/env node\n', 'shebang', 'byte order mark'],
    ['\n#!/usr/bin/env node\n', 'shebang', 'in line 2'],
    [' #!/usr/bin/env node\n', 'shebang', 'in line 1'],
    [body, 'shebang', 'does not say what runs the file'],
    ['#!/usr/bin/env node\rx()\r', 'line-ends', 'CR (old Macintosh)'],
    ['#!/usr/bin/env node \r\nx()\r\n', 'line-ends', 'CR LF'],
  ])('%j is not seen as it should be', (text, name, says) => {
    const [first] = check(text).findings
    expect(first).toMatchObject({ check: name, verdict: 'failed' })
    expect(first!.what).toContain(says)
  })
})
