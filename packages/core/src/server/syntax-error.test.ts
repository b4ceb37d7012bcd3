import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { locateSyntaxError } from './syntax-error.ts'

function scratch(files: Record<string, string>): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'fastcgi-syntax-')))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** As Node makes it in `import()`. */
function caught(): SyntaxError {
  const error = new SyntaxError("Unexpected token ';'")
  error.stack =
    "SyntaxError: Unexpected token ';'\n    at compileSourceTextModule (node:internal/x:1:1)"
  return error
}

describe('locateSyntaxError', () => {
  it('names file and line of a module that is imported by a module', async () => {
    const folder = scratch({
      'app.fcgi': "require('@fastcgi/core').serve(() => import('./app.mjs'))",
      'app.mjs':
        "import fs from 'node:fs'\nimport { a } from './good.mjs'\nexport * from './bad.mjs'\n",
      'good.mjs': "import './app.mjs'\nexport const a = 1\n",
      'bad.mjs': 'export const b = 1\nconst x = ;\n',
    })
    const error = caught()
    await locateSyntaxError(error, join(folder, 'app.fcgi'))
    expect(error.stack?.split('\n').slice(0, 2)).toEqual([
      `${join(folder, 'bad.mjs')}:2`,
      'const x = ;',
    ])
    expect(error.stack).toContain("SyntaxError: Unexpected token ';'")
  })

  it('runs nothing of the modules', async () => {
    const folder = scratch({
      'app.fcgi': "import('./app.mjs')",
      'app.mjs':
        "import './bad.mjs'\nimport fs from 'node:fs'\nfs.writeFileSync(new URL('ran', import.meta.url), '')\n",
      'bad.mjs': '(',
    })
    const error = caught()
    await locateSyntaxError(error, join(folder, 'app.fcgi'))
    expect(error.stack).toContain(`${join(folder, 'bad.mjs')}:1`)
    expect(() => realpathSync(join(folder, 'ran'))).toThrow('ENOENT')
  })

  it.each([
    ['an error that tells its file', new SyntaxError('x'), '/srv/app.js:1\n\nSyntaxError: x'],
    ['another kind of error', new TypeError('x'), 'TypeError: x'],
    ['an error with no file to be found', new SyntaxError('x'), 'SyntaxError: x'],
  ])('leaves %s alone', async (_, error, stack) => {
    const folder = scratch({ 'app.fcgi': "import('./app.mjs')", 'app.mjs': "import './gone.mjs'" })
    error.stack = stack
    await locateSyntaxError(error, join(folder, 'app.fcgi'))
    await locateSyntaxError(error, join(folder, 'gone.fcgi'))
    await locateSyntaxError(error, undefined)
    expect(error.stack).toBe(stack)
  })
})
