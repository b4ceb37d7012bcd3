import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { failurePage } from './failure-page.ts'

const request = { method: 'GET', url: '/', params: {} }

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fastcgi-page-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

describe('failurePage', () => {
  it('shows the stack, the place with its source, and the causes', () => {
    const path = join(scratch(), 'app.mjs')
    writeFileSync(path, 'one\ntwo\nconst x = <b>\nfour\n')
    const error = new Error('it <broke>', { cause: new TypeError('deep') })
    error.stack = `Error: it <broke>\n    at f (file:///x/node_modules/y/z.js:1:1)\n    at g (${pathToFileURL(path).href}:3:11)`
    const page = failurePage(500, error, request, undefined)
    expect(page).toContain('it &#60;broke&#62;')
    expect(page).not.toContain('<broke>')
    expect(page).toContain(`${path}:3`)
    expect(page).toContain('<mark>    3 │ const x = &#60;b&#62;</mark>')
    expect(page).toContain('Caused by TypeError: deep')
  })

  it('finds the place of a module that does not parse or is not found', async () => {
    const path = join(scratch(), 'app.mjs')
    writeFileSync(path, '// a comment\nexport default (\n')
    const error = new SyntaxError("Unexpected token '}'")
    error.stack = `${pathToFileURL(path).href}:2\nexport default (\n^\n\nSyntaxError: Unexpected token '}'\n    at compile (node:vm:1:1)`
    expect(failurePage(503, error, request, undefined)).toContain(
      '<mark>    2 │ export default (</mark>',
    )
  })

  it('leads to the advice: the doctor, with the script to give it, where the app could not be loaded', () => {
    const page = failurePage(503, new Error('no'), request, "/home/ann's apps/<x>/app.fcgi")
    expect(page).toContain('<a href="#advice">')
    expect(page).toContain('<h2 id="advice">')
    expect(page).toContain(
      "npx fastcgi doctor '/home/ann'\\''s apps/<x>/app.fcgi'".replace(
        /[&<>"']/g,
        (character) => `&#${character.charCodeAt(0)};`,
      ),
    )
    expect(page).toContain('FCGI_LOAD_FAILED')
    expect(failurePage(503, new Error('no'), request, undefined)).toContain(
      'npx fastcgi doctor FILE<',
    )
    expect(failurePage(500, new Error('no'), request, undefined)).toContain('FCGI_HANDLER_FAILED')
  })

  it('hides what may be a secret', () => {
    const failed = {
      method: 'GET',
      url: '/reset?user=ann&access_token=s3cret&b=1',
      params: {
        HTTP_COOKIE: 'sid=s3cret',
        HTTP_AUTHORIZATION: 'Basic s3cret',
        REDIRECT_HTTP_AUTHORIZATION: 's3cret',
        REMOTE_PASSWD: 's3cret',
        HTTP_X_API_KEY: 's3cret',
        SSL_CLIENT_CERT: 's3cret',
        QUERY_STRING: 'user=ann&access_token=s3cret&b=1',
        HTTP_X_HTML: '<script>',
        HTTP_EMPTY_TOKEN: '',
      },
    }
    const page = failurePage(
      500,
      'no stack, whose source would be this very file',
      failed,
      undefined,
    )
    expect(page).not.toContain('s3cret')
    expect(page).not.toContain('<script>')
    expect(page).toContain('access_token=(hidden)&#38;b=1')
    expect(page).toContain('user=ann')
  })

  it.each([['a text'], [undefined], [null], [42], [{ a: 1 }], [Object.create(null)]])(
    'takes whatever was thrown: %j',
    (thrown) => {
      expect(failurePage(500, thrown, request, undefined)).toContain('</html>')
    },
  )

  it('ends with causes that point at each other, and with files that are gone', () => {
    const error = new Error('a')
    error.cause = error
    error.stack = 'Error: a\n    at f (/gone/app.js:1:1)'
    expect(failurePage(500, error, request, undefined)).toContain('/gone/app.js')
  })
})
