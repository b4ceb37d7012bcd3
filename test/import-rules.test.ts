/** The linter's rules on who may import whom do bite: a pattern that matches nothing looks like clean code. */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const core = 'packages/core/src'

/** [folder, what a file in it imports] */
const forbidden = [
  [`${core}/protocol`, 'node:net'],
  [`${core}/protocol`, '../cgi/request-head.ts'],
  [`${core}/cgi`, 'node:path'],
  [`${core}/cgi`, '../protocol/connection.ts'],
  [`${core}/cgi`, '../http/exchange.ts'],
  [`${core}/http`, 'node:net'],
  [`${core}/http`, 'node:fs'],
  [`${core}/http`, '../protocol/connection.ts'],
  [`${core}/http`, '../server/transport/transport.ts'],
  ['packages/express/src', 'node:net'],
  ['packages/koa/src', '../../core/src/server/server.ts'],
] as const

const allowed = [
  [`${core}/protocol`, './header.ts'],
  [`${core}/cgi`, '../protocol/pairs.ts'],
  [`${core}/http`, '../cgi/request-head.ts'],
  [`${core}/http`, 'node:stream'],
  [`${core}/server`, 'node:net'],
  [`${core}/server`, '../protocol/connection.ts'],
  ['packages/express/src', '@fastcgi/core'],
] as const

const cycle = ['cycle-a', 'cycle-b'].map((name) => `${core}/server/${name}.ts`)

let place = ''
/** File to the rules it breaks. */
const found = new Map<string, string[]>()

function fileOf(folder: string, name: string): string {
  return path.posix.join(folder, `${name.replaceAll(/[^a-z]/g, '-')}-imported.ts`)
}

function write(file: string, imported: string): void {
  fs.mkdirSync(path.join(place, path.dirname(file)), { recursive: true })
  const text = `import * as x from '${imported}'\nexport const y: unknown = x\n`
  fs.writeFileSync(path.join(place, file), text)
}

beforeAll(async () => {
  place = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-lint-'))
  fs.copyFileSync(path.join(root, '.oxlintrc.json'), path.join(place, '.oxlintrc.json'))
  for (const [folder, name] of [...forbidden, ...allowed]) write(fileOf(folder, name), name)
  write(`${core}/server/cycle-a.ts`, './cycle-b.ts')
  write(`${core}/server/cycle-b.ts`, './cycle-a.ts')
  const oxlint = path.join(root, 'node_modules/oxlint/bin/oxlint')
  const output = await new Promise<string>((resolve) => {
    // Its exit code says that there are findings, which is what we are after.
    execFile(process.execPath, [oxlint, '--format=json'], { cwd: place }, (_error, stdout) =>
      resolve(stdout),
    )
  })
  const { diagnostics } = JSON.parse(output) as {
    diagnostics: { filename: string; code: string }[]
  }
  for (const { filename, code } of diagnostics) {
    found.set(filename, [...(found.get(filename) ?? []), code])
  }
})

afterAll(() => {
  fs.rmSync(place, { recursive: true, force: true })
})

describe('import rules', () => {
  it.each(forbidden)('%s may not import %s', (folder, name) => {
    expect(found.get(fileOf(folder, name))).toEqual(['eslint(no-restricted-imports)'])
  })

  it.each(allowed)('%s may import %s', (folder, name) => {
    expect(found.get(fileOf(folder, name))).toBeUndefined()
  })

  it('imports may not form a cycle', () => {
    for (const file of cycle) expect(found.get(file)).toEqual(['import(no-cycle)'])
  })
})
