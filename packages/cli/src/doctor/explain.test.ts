import { describe, expect, it } from 'vitest'
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
    [`${prefix}TypeError: The loaded module has no default export. Export`, 'export default app'],
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
  ])('%s', (output, cure) => {
    expect(explainOutput(output).fix).toContain(cure)
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
})
