import { afterEach, describe, expect, it } from 'vitest'
import { makeProject, type Project } from '../../../../test/support/cli.ts'
import { explainOutput } from './explain.ts'

const prefix = 'fastcgi: the app could not be loaded, every request is answered 503: '

describe('explainOutput', () => {
  it.each([
    ["Error: Cannot find module '@scope/name/sub'\nRequire stack:", 'npm install @scope/name'],
    ["Error [ERR_MODULE_NOT_FOUND]: Cannot find module './App.js'", 'capital letters'],
    [
      'Error: … was compiled against a different Node.js version using\nNODE_MODULE_VERSION 108',
      'npm rebuild',
    ],
    [`${prefix}NoAppError: The loaded module has no default export. Export`, 'export default app'],
    [
      `${prefix}TypeError [ERR_UNKNOWN_FILE_EXTENSION]: Unknown file extension ".ts" for /a.ts`,
      '22.18',
    ],
    ['Error: listen EADDRINUSE: address already in use :::3000', '@fastcgi/core/register'],
    ['Error: connect ECONNREFUSED 127.0.0.1:5432', 'database'],
    ['FATAL ERROR: Reached heap limit - JavaScript heap out of memory', '--max-old-space-size'],
    [
      'app.js exports a Koa app, and its adapter is not installed: run npm install @fastcgi/koa',
      'npm install @fastcgi/koa',
    ],
    ['', 'process.exit()'],
    [
      `${prefix}TypeError [ERR_UNKNOWN_FILE_EXTENSION]: Unknown file extension ".fcgi" for /a.fcgi`,
      'const { serve } = require',
    ],
    [
      'Error [ERR_REQUIRE_ASYNC_MODULE]: require() cannot be used\n  Requiring /srv/app.mjs \n',
      "serve(() => import('./app.mjs'))",
    ],
    [`${prefix}a value that is no Error was thrown: 'kaputt'`, 'new Error('],
    [`${prefix}Error: ENOENT: no such file or directory, open 'x.db'`, 'relative name'],
    [`${prefix}Error: ENOENT: no such file or directory, open '/srv/.env'`, 'dot'],
    [`${prefix}Error: EACCES: permission denied, open '/srv/.env'`, 'chmod /srv/.env'],
  ])('%s', (output, cure) => {
    expect(explainOutput(output).fix).toContain(cure)
  })

  it.each([
    ['No Express app, but', "the app's file"],
    ['The app must be a (req, res) listener or an http.Server, not', "the app's file"],
    ['app.mjs exports no app, but', 'app.mjs'],
  ])('says what an export is that is no app, and what to do: %s', (wanted, file) => {
    const given =
      'an express.Router(), which answers nothing by itself: wrap it, express().use(router)'
    for (const origin of [
      '',
      " (from import('./app.js') in /srv/app.fcgi)",
      ' (in /srv/app.mjs)',
    ]) {
      const output = `${prefix}NoAppError: ${wanted} ${given}${origin}\nfastcgi:     at x (/srv/y.js:1:2)\n`
      expect(explainOutput(output)).toEqual({
        what: `${file} exports an express.Router(), which answers nothing by itself`,
        fix: 'wrap it, express().use(router)',
      })
    }
  })

  it('names the place of a syntax error', () => {
    const output = `${prefix}/srv/app.mjs:7\nfastcgi:   const = 3\nfastcgi:   SyntaxError: Unexpected token '='\n`
    expect(explainOutput(output)).toEqual({
      what: "SyntaxError in /srv/app.mjs:7: Unexpected token '='",
      fix: 'mend /srv/app.mjs:7',
    })
  })

  it('gives the message of any other error, else the last line', () => {
    expect(explainOutput(`${prefix}RangeError: too much\n    at x`).what).toBe(
      'RangeError: too much',
    )
    expect(explainOutput('hm\nno database here\n').what).toBe('it wrote "no database here"')
  })

  it('tells which file is in the wrong form, and what to call it', () => {
    const warning = '(node:16224) Warning: To load an ES module, set "type": "module"\n'
    const esm = `${warning}${prefix}/srv/app.js:1\nfastcgi:   SyntaxError: Cannot use import statement outside a module\n`
    expect(explainOutput(esm)).toMatchObject({
      what: expect.stringMatching('^/srv/app.js is written as an ES module'),
      fix: expect.stringContaining("import('./app.mjs')"),
    })
    const commonJs = `${prefix}ReferenceError: require is not defined in ES module scope, you can use import instead\nfastcgi:       at file:///srv/lib/app.js:1:17\n`
    expect(explainOutput(commonJs)).toMatchObject({
      what: expect.stringMatching('^/srv/lib/app.js is an ES module'),
      fix: expect.stringContaining('.cjs'),
    })
  })

  it('names the line of the app, not that of a package', () => {
    const stack = `${prefix}Error: no settings\nfastcgi:       at x (/srv/node_modules/y/z.js:1:2)\nfastcgi:       at Object.<anonymous> (/srv/app.js:5:7)\n`
    expect(explainOutput(stack)).toEqual({
      what: 'Error: no settings (/srv/app.js:5)',
      fix: 'look at /srv/app.js:5',
    })
  })

  it('names who called process.exit()', () => {
    const said =
      'DATABASE_URL is missing\n(node:7) WARNING: Exited the environment with code 1\n    at exit (node:internal/process/per_thread:189:13)\n    at Object.<anonymous> (/srv/app.js:5:9)\n'
    const end = { code: 1, signal: null, servesNot: false }
    expect(explainOutput(said, end)).toEqual({
      what: 'it wrote "DATABASE_URL is missing", and called process.exit() at /srv/app.js:5',
      fix: 'look at /srv/app.js:5',
    })
  })

  it.each([
    ['SIGSEGV', 'npm rebuild'],
    ['SIGABRT', 'npm rebuild'],
    ['SIGKILL', 'limit'],
  ])('knows what %s means', (signal, cure) => {
    expect(explainOutput('', { code: null, signal, servesNot: false }).fix).toContain(cure)
  })

  it('knows a script that ends without serve()', () => {
    const { what, fix } = explainOutput('', { code: 0, signal: null, servesNot: true })
    expect(what).toContain('does not call serve()')
    expect(fix).toContain('serve(() => import(')
  })

  describe('of a file that is not there', () => {
    let site: Project | undefined
    afterEach(() => site?.remove())

    it('names the one that is meant: by other capital letters, or with its ending', () => {
      site = makeProject({ 'Routes/users.js': '', 'app.js': '', 'shop.mjs': '' }, [])
      const required = `Error: Cannot find module './routes/Users'\nRequire stack:\n- ${site.file('app.js')}\n`
      expect(explainOutput(required)).toEqual({
        what: `there is no file ./routes/Users, which ${site.file('app.js')} asks for`,
        fix: expect.stringContaining(`there is ${site.file('Routes/users.js')}:`),
      })
      const imported = `Error [ERR_MODULE_NOT_FOUND]: Cannot find module '${site.file('shop')}' imported from ${site.file('app.js')}\n`
      expect(explainOutput(imported).fix).toContain(`there is ${site.file('shop.mjs')}:`)
      const none = `Error: Cannot find module './nothing'\nRequire stack:\n- ${site.file('app.js')}\n`
      expect(explainOutput(none).fix).toContain('was it uploaded?')
    })

    it('does not ask for a package that is installed, where a part of it is missing', () => {
      site = makeProject({ 'app.js': '', 'node_modules/pkg/package.json': '{}' }, [])
      const stack = `Require stack:\n- ${site.file('app.js')}\n`
      expect(explainOutput(`Error: Cannot find module 'pkg/lib/x'\n${stack}`).what).toBe(
        'the package pkg is installed, and has no lib/x',
      )
      expect(explainOutput(`Error: Cannot find module 'other/lib/x'\n${stack}`).fix).toContain(
        'npm install other',
      )
    })
  })
})
