import { createHash, randomBytes } from 'node:crypto'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compileCore, type CompiledCore } from '../../../../test/support/compiled-core.ts'
import { killLeftovers, startNode } from '../../../../test/support/node-process.ts'
import { CgiConnection, environmentParams, removeRequestHeaders } from './cgi.ts'
import { createServer, type Server } from './server.ts'

const get = {
  GATEWAY_INTERFACE: 'CGI/1.1',
  REQUEST_METHOD: 'GET',
  REQUEST_URI: '/page?q=1',
  SCRIPT_NAME: '',
  PATH_INFO: '/page',
  QUERY_STRING: 'q=1',
  SERVER_PROTOCOL: 'HTTP/1.1',
  SERVER_SOFTWARE: 'Apache/2.4',
}

interface Outcome {
  status: number
  output: string
  errors: string
}

/** Runs one request through a server, with a caller in memory. */
async function run(
  server: Server,
  env: Record<string, string>,
  stdin?: Readable,
): Promise<Outcome> {
  let output = ''
  let errors = ''
  const connection = new CgiConnection({
    params: Object.entries(env),
    stdin: () => {
      if (stdin === undefined) throw new Error('nobody may read descriptor 0 without a body')
      return stdin
    },
    stdout: (bytes, done) => {
      output += Buffer.from(bytes).toString('latin1')
      setImmediate(done)
    },
    lost: () => {},
    stderr: (bytes) => {
      errors += Buffer.from(bytes).toString()
    },
  })
  server.acceptConnection(connection)
  return { status: await connection.finished, output, errors }
}

describe('CgiConnection', () => {
  it('serves the request of the environment and does not touch descriptor 0 without a body', async () => {
    const server = createServer((req, res) => {
      req.fastcgi.stderr.write('to the log')
      res.setHeader('X-Url', req.url ?? '')
      res.end(`params ${req.fastcgi.params.SERVER_SOFTWARE}`)
    })
    const { status, output, errors } = await run(server, { ...get, CONTENT_LENGTH: '0' })
    expect(status).toBe(0)
    expect(output).toMatch(/^X-Url: \/page\?q=1\r\n[^]*Status: 200 OK\r\n\r\nparams Apache\/2\.4$/)
    expect(errors).toBe('to the log')
  })

  const echo = createServer((req, res) => {
    req.on('error', () => {})
    let body = ''
    req.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')))
    req.on('end', () => res.end(`[${body}]`))
    req.on('aborted', () => {
      body += ' aborted'
    })
  })
  const post = { ...get, REQUEST_METHOD: 'POST' }

  it('reads as much of descriptor 0 as was declared, and no more', async () => {
    const endless = new PassThrough()
    endless.write('12345 and what belongs to nobody')
    const { status, output } = await run(echo, { ...post, CONTENT_LENGTH: '5' }, endless)
    expect([status, output.endsWith('\r\n\r\n[12345]')]).toEqual([0, true])
  })

  it('reads to the end where the server says chunked and gives no length', async () => {
    const { output } = await run(
      echo,
      { ...post, HTTP_TRANSFER_ENCODING: 'chunked' },
      Readable.from([Buffer.from('all '), Buffer.from('of it')]),
    )
    expect(output).toMatch(/\[all of it\]$/)
  })

  it('takes a body without either for none', async () => {
    expect((await run(echo, post)).output).toMatch(/\[\]$/)
  })

  it('does not let a body that ends early pass for a whole one', async () => {
    const { output } = await run(
      echo,
      { ...post, CONTENT_LENGTH: '9' },
      Readable.from([Buffer.from('1234')]),
    )
    expect(output).not.toContain('[1234]')
  })

  it('answers a length that is none with 400', async () => {
    expect((await run(echo, { ...post, CONTENT_LENGTH: 'x' })).output).toContain('Status: 400 ')
  })

  it('gives status 1 for a response that was cut', async () => {
    const server = createServer((_req, res) => {
      res.write('part')
      setImmediate(() => setImmediate(() => res.destroy()))
    })
    expect(await run(server, get)).toMatchObject({ status: 1 })
  })

  it('tells the app when the web server has gone', async () => {
    const gone = new Promise<boolean>((resolve) => {
      const server = createServer((req, res) => {
        req.fastcgi.signal.addEventListener('abort', () => resolve(res.destroyed || true))
        connection.destroy()
      })
      const connection = new CgiConnection({
        params: Object.entries(get),
        stdin: () => Readable.from([]),
        stdout: (_bytes, done) => done(),
        lost: () => {},
        stderr: () => {},
      })
      server.acceptConnection(connection)
    })
    expect(await gone).toBe(true)
  })
})

describe('environmentParams', () => {
  it('keeps bytes that are no UTF-8, and what has been set since', () => {
    const block = Buffer.from('PATH_INFO=/\xfc\0SAME=a=b\0CHANGED=old\0GONE=x\0EMPTY=\0', 'latin1')
    const params = environmentParams(
      {
        PATH_INFO: '/\ufffd',
        SAME: 'a=b',
        CHANGED: 'new ä',
        EMPTY: '',
        ADDED: '1',
        NONE: undefined,
      },
      block,
    )
    const text = params.map(([name, value]) => [name, Buffer.from(value).toString('latin1')])
    expect(text).toEqual([
      ['PATH_INFO', '/\xfc'],
      ['SAME', 'a=b'],
      ['CHANGED', 'new \xc3\xa4'],
      ['EMPTY', ''],
      ['ADDED', '1'],
    ])
  })
})

describe('removeRequestHeaders', () => {
  it('takes what the client sent, HTTP_PROXY above all', () => {
    const env = {
      HTTP_PROXY: 'http://evil',
      HTTP_HOST: 'h',
      HTTPS: 'on',
      http_proxy: 'own',
      PATH: '/bin',
    }
    removeRequestHeaders(env)
    expect(env).toEqual({ HTTPS: 'on', http_proxy: 'own', PATH: '/bin' })
  })
})

describe('a CGI process', () => {
  let core: CompiledCore
  let file = ''
  beforeAll(async () => {
    core = await compileCore()
    file = core.write(
      'cgi.mjs',
      `import { serve } from '@fastcgi/core'
       await serve(() => import('./cgi-app.mjs'), { onStop: () => console.error('stopped') })`,
    )
    core.write(
      'cgi-app.mjs',
      `import { createHash } from 'node:crypto'
       import fs from 'node:fs'
       export default (req, res) => {
         console.log('console.log')
         process.stdout.write('process.stdout\\n')
         if (req.url === '/fail') throw new Error('on purpose')
         if (req.url === '/big') return res.end('x'.repeat(5e6))
         const hash = createHash('sha256')
         setInterval(() => {}, 1e6)
         req.on('data', (chunk) => hash.update(chunk)).on('end', () =>
           res.end(hash.digest('hex') + ' ' + process.env.HTTP_PROXY + ' ' + req.headers['x-odd']))
       }`,
    )
  })
  afterEach(killLeftovers)
  afterAll(() => core.remove())

  it('takes a body of 3 MB through a pipe, and ends although the app holds timers', async () => {
    const body = randomBytes(3e6)
    const started = startNode({
      file,
      stdin: 'pipe',
      env: {
        ...get,
        REQUEST_METHOD: 'POST',
        CONTENT_LENGTH: '3000000',
        HTTP_PROXY: 'http://evil',
        HTTP_X_ODD: 'ä',
      },
    })
    started.child.stdin?.on('error', () => {}).end(body)
    expect(await started.ended).toBe(0)
    const output = started.stdout().toString()
    const hash = createHash('sha256').update(body).digest('hex')
    expect(output.slice(output.indexOf('\r\n\r\n') + 4)).toBe(`${hash} undefined \xc3\xa4`)
    expect(started.stderr()).toContain('console.log\nprocess.stdout\n')
    expect(started.stderr()).toMatch(/stopped\n$/)
  })

  it('sends all of a big response before it ends', async () => {
    const started = startNode({
      file,
      env: { ...get, REQUEST_URI: '/big', PATH_INFO: '/big', QUERY_STRING: '' },
    })
    expect(await started.ended).toBe(0)
    expect(started.stdout().length).toBeGreaterThan(5e6)
    expect(started.stdout().subarray(-3).toString()).toBe('xxx')
  })

  it('answers 500 with the stack on descriptor 2, and 503 when the app does not load', async () => {
    const failed = startNode({
      file,
      env: { ...get, REQUEST_URI: '/fail', PATH_INFO: '/fail', QUERY_STRING: '' },
    })
    await failed.ended
    expect(failed.stdout().toString()).toContain('Status: 500 ')
    expect(failed.stderr()).toMatch(/GET \/fail: Error: on purpose\nfastcgi: {7}at /)
    const broken = core.write(
      'broken-cgi.mjs',
      `import { serve } from '@fastcgi/core'\nawait serve(() => import('./nowhere.mjs'))`,
    )
    const unloaded = startNode({ file: broken, env: get })
    await unloaded.ended
    expect(unloaded.stdout().toString()).toContain('Status: 503 ')
    expect(unloaded.stderr()).toContain('ERR_MODULE_NOT_FOUND')
  })

  it('does not fail when nobody reads what it writes', async () => {
    const started = startNode({
      file,
      shell: '"$@" | true',
      env: { ...get, REQUEST_URI: '/big', PATH_INFO: '/big' },
    })
    await started.ended
    expect(started.stderr()).not.toContain('EPIPE')
  })

  it('keeps path bytes that are no UTF-8', async () => {
    const url = core.write(
      'bytes.mjs',
      `import { serve } from '@fastcgi/core'
       await serve((req, res) => res.end(Buffer.from(req.fastcgi.params.PATH_INFO, 'latin1').toString('hex')))`,
    )
    // A shell can put any byte into the environment; spawn cannot.
    const started = startNode({
      file: url,
      shell: `PATH_INFO="$(printf '/\\374')" exec "$@"`,
      env: { ...get, REQUEST_URI: '/%FC', QUERY_STRING: '' },
      cwd: path.dirname(url),
    })
    expect(await started.ended).toBe(0)
    expect(started.stdout().toString()).toMatch(/\r\n\r\n2ffc$/)
  })
})
