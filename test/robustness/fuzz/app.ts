/**
 * The app under test: does what a number in the path says, as well and as badly as apps do. What it is handed is checked
 * here, where it is handed over.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

import { Random } from './random.ts'

/** Complaints about what the app was handed. */
export type Complain = (message: string) => void

const token = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/

/** What is read from params before there is a request. */
export interface Parsed {
  readonly method: string
  readonly url: string
  readonly mount: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly rawHeaders: readonly string[]
}

/** Whatever a peer sends, what is read from it looks like this. */
export function checkParsed(parsed: Parsed, complain: Complain): void {
  const { headers, rawHeaders, url, method, mount } = parsed
  if (!/^[/*]/.test(url)) complain(`url ${JSON.stringify(url)}`)
  if (/[\0-\x20\x7f]/.test(url)) complain(`url with a control byte ${JSON.stringify(url)}`)
  if (!/^[A-Z-]+$/.test(method)) complain(`method ${JSON.stringify(method)}`)
  if (headers['content-length'] !== undefined && headers['transfer-encoding'] !== undefined)
    complain('both content-length and transfer-encoding')
  if ('proxy' in headers) complain('a proxy header')
  for (const name of ['connection', 'upgrade', 'keep-alive', 'te']) {
    if (name in headers) complain(`the header ${name}`)
  }
  for (const [name, value] of Object.entries(headers)) {
    if (!token.test(name)) complain(`header name ${JSON.stringify(name)}`)
    for (const each of [value].flat()) {
      if (typeof each !== 'string' || /[\0\r\n]/.test(each))
        complain(`header value ${JSON.stringify(each)}`)
    }
  }
  if (rawHeaders.length % 2 !== 0) complain('rawHeaders are no pairs')
  if (mount !== '' && !/^\/.*[^/]$/.test(mount)) complain(`mount ${JSON.stringify(mount)}`)
}

/** Whatever a peer sends, a request looks like this. */
export function checkRequest(request: IncomingMessage, complain: Complain): void {
  const { headers, rawHeaders, url = '', method = '' } = request
  checkParsed({ headers, rawHeaders, url, method, mount: request.fastcgi.mount }, complain)
  if (Object.getPrototypeOf(request.fastcgi.params) !== null) complain('params with a prototype')
  // Looked at once, so that a throw of theirs is found.
  void [request.fastcgi.remoteUser, request.fastcgi.authType, request.socket.remoteAddress]
  void [request.headersDistinct, (request.socket as any).getPeerCertificate?.()]
  if (({} as Record<string, unknown>)['yes'] !== undefined) complain('Object.prototype has grown')
}

const names = [
  'X-A',
  'Set-Cookie',
  'Location',
  'Status',
  'Connection',
  'Transfer-Encoding',
  'Trailer',
]
const badNames = ['', 'A B', 'A:B', 'A\r\nB', 'caf\xe9']
const values = ['v', '', ' v ', 'a, b', '\xe9', 'chunked', 'keep-alive', '200 OK', '/there']
const badValues = ['a\r\nB: c', 'a\nb', 'a\0b', '\u0100']

/** Answers, or does not. Throws now and then; whoever calls it is to expect that. */
export function act(request: IncomingMessage, response: ServerResponse, seed: number): void {
  const random = new Random(seed)
  const steps = 1 + random.below(8)
  const quiet = (error: unknown): void => void error
  response.on('error', quiet)
  let first = true
  const step = (left: number): void => {
    try {
      if (left === 0) return void response.end()
      once(request, response, random)
    } catch (error) {
      // Node refuses what cannot be a header. Anything else is for whoever called, while that can still be thrown to.
      if (first && !/^ERR_/.test(String((error as NodeJS.ErrnoException).code))) throw error
      // An app that never answers is one of them, but costs a second or two of waiting.
      if (left === 0 && random.percent(90)) return void response.destroy()
    }
    if (left === 0) return
    if (random.percent(20)) setImmediate(() => step(left - 1))
    else step(left - 1)
  }
  step(steps)
  first = false
}

function once(request: IncomingMessage, response: ServerResponse, random: Random): void {
  switch (random.below(22)) {
    case 0:
      response.statusCode = random.pick([200, 201, 204, 302, 304, 404, 500, 599, 999, 100, 0])
      break
    case 1:
      response.statusMessage = random.pick(['', 'Fine', 'a\r\nB: c', '\u0100', 'x'.repeat(500)])
      break
    case 2:
    case 3:
      response.setHeader(random.pick(names), random.pick(values))
      break
    case 4:
      response.setHeader(random.pick(badNames), random.pick(values))
      break
    case 5:
      response.setHeader(random.pick(names), random.pick(badValues))
      break
    case 6:
      response.setHeader('Set-Cookie', ['a=1', 'b=2', random.pick(values)])
      break
    case 7:
      response.setHeader('Content-Length', random.pick([0, 1, 5, 100_000]))
      break
    case 8:
      response.writeHead(random.pick([200, 204, 304, 404]), { 'X-Head': random.pick(values) })
      break
    case 9:
    case 10:
      response.write('text '.repeat(random.size(200)))
      break
    case 11:
      response.write(random.bytes(random.size(2000)))
      break
    case 12:
      response.write('\u0100\u{1f600}\xe9')
      break
    case 13:
      response.end(random.percent(50) ? 'the end' : random.bytes(random.size(150_000)))
      break
    case 14:
      response.destroy(random.percent(50) ? new Error('given up') : undefined)
      break
    case 15:
      request.destroy()
      break
    case 16:
      request.resume()
      break
    case 17:
      request.fastcgi.stderr.write(random.pick(['a line\n', 'x'.repeat(3000), '\r\n\0']))
      break
    case 18:
      response.writeContinue()
      response.writeProcessing()
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      break
    case 19:
      response.flushHeaders()
      break
    case 20:
      response.addTrailers({ 'X-Trailer': 'x' })
      break
    case 21:
      if (random.percent(30)) throw new Error('a fault of the app')
      break
  }
}
