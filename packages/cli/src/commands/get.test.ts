import { once } from 'node:events'
import { createServer, type Server } from '@fastcgi/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeProject, type Project, runCli, runPiped } from '../../../../test/support/cli.ts'
import { showRecords } from '../records.ts'

let site: Project
let server: Server

beforeAll(async () => {
  site = makeProject({ 'body.txt': 'from a file' })
  server = createServer((request, response) => {
    if (request.url === '/endless') {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(1000)));
      }
      response.on('drain', more)
      more()
      return
    }
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      response.statusCode = request.url === '/missing' ? 404 : 200
      response.setHeader('X-Seen', 'yes')
      const { params, mount } = request.fastcgi
      response.end(
        JSON.stringify({
          method: request.method,
          url: request.url,
          mount,
          body,
          user: params['REMOTE_USER'],
          test: request.headers['x-test'],
        }),
      )
    })
  })
  server.listen(site.file('app.sock'))
  await once(server, 'listening')
})

afterAll(async () => {
  await server.drain(100)
  site.remove()
})

const get = (...args: string[]): ReturnType<typeof runCli> =>
  runCli(['get', ...args], { cwd: site.folder })

describe('fastcgi get', () => {
  it('prints the body, and nothing else', async () => {
    const result = await get('/x?y=1', '-s', './app.sock')
    expect(result).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(result.stdout)).toEqual({ method: 'GET', url: '/x?y=1', mount: '', body: '' })
  })

  it('sends method, headers, body, mount and variables', async () => {
    const args = [
      '-X',
      'PUT',
      '-H',
      'X-Test: a: b',
      '-d',
      '@body.txt',
      '-m',
      '/app',
      '-p',
      'REMOTE_USER=ann',
    ]
    const { stdout } = await get('/app/x', '-s', 'app.sock', ...args)
    expect(JSON.parse(stdout)).toEqual({
      method: 'PUT',
      url: '/x',
      mount: '/app',
      body: 'from a file',
      user: 'ann',
      test: 'a: b',
    })
  })

  it('shows the head with -i, the records with -v', async () => {
    expect((await get('/', '-s', 'app.sock', '-i')).stdout).toMatch(/^200 OK\nX-Seen: yes\n/)
    const { stderr } = await get('/', '-s', 'app.sock', '-v')
    expect(stderr).toContain('> BEGIN_REQUEST id 1, 8 bytes: responder\n')
    expect(stderr).toContain('    REQUEST_METHOD=GET\n')
    expect(stderr).toContain('< END_REQUEST id 1, 8 bytes: app status 0, protocol status 0\n')
  })

  it('tells by its exit code what went wrong', async () => {
    expect((await get('/missing', '-s', 'app.sock')).code).toBe(0)
    expect(await get('/missing', '-s', 'app.sock', '--fail')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('404'),
    })
    const nobody = await get('/', '-s', './no.sock')
    expect(nobody).toMatchObject({ code: 69, stdout: '' })
    expect(nobody.stderr).toContain('has the application been started?')
    expect((await get('/')).code).toBe(64)
  })

  it('ends when nobody reads any more', async () => {
    const read = await runPiped(['get', '/endless', '-s', 'app.sock'], 'head -c 10', site.folder)
    expect(read).toEqual({ code: 0, stdout: 'x'.repeat(10), stderr: '' })
  })

  it('asks for the values of the protocol', async () => {
    expect((await get('--values', '-s', 'app.sock')).stdout).toContain('FCGI_MPXS_CONNS=1\n')
  })
})

describe('records, shown', () => {
  it('are the same however the bytes are cut', () => {
    const bytes = Buffer.from('0106000100030200616263000001030001000800000000000000000000', 'hex')
    const whole: string[] = []
    showRecords((line) => whole.push(line))('received', bytes)
    expect(whole).toEqual([
      '< STDOUT id 1, 3 bytes: abc',
      '< END_REQUEST id 1, 8 bytes: app status 0, protocol status 0',
    ])
    for (let at = 0; at <= bytes.length; at++) {
      const lines: string[] = []
      const take = showRecords((line) => lines.push(line))
      take('received', bytes.subarray(0, at))
      take('received', bytes.subarray(at))
      expect(lines).toEqual(whole)
    }
  })
})
