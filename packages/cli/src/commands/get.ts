/** `fastcgi get`: a request straight to an application, without a web server; what curl is for HTTP. */
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { ClientError, getValues, request, type RequestOptions } from '@fastcgi/core/client'
import { Command } from 'commander'
import { ExitCode, Failure } from '../exit.ts'
import { showRecords } from '../records.ts'
import { parseQuantity, parseTarget } from '../target.ts'

const examples = `
Examples:
  fastcgi get / --socket /run/app.sock
  fastcgi get /api/items --socket 127.0.0.1:9000 -H 'Accept: application/json' -i
  fastcgi get /login -s /run/app.sock -d 'user=ann' -H 'Content-Type: application/x-www-form-urlencoded'
  fastcgi get /upload -s /run/app.sock -X PUT -d @photo.jpg
  fastcgi get /who -s /run/app.sock -p REMOTE_USER=ann -p SERVER_SOFTWARE=Apache -v
  fastcgi get --values -s /run/app.sock          what the application says about its limits

The body goes to standard output, everything else to standard error.`

interface Given {
  socket?: string
  method?: string
  header: string[]
  data?: string
  param: string[]
  mount?: string
  include?: boolean
  verbose?: boolean
  fail?: boolean
  values?: boolean
  timeout?: string
}

const collect = (value: string, before: string[]): string[] => [...before, value]

/** The command. */
export function getCommand(): Command {
  return new Command('get')
    .description('send a request straight to a FastCGI application')
    .argument('[PATH]', 'path and query', '/')
    .option('-s, --socket <ADDRESS>', '/run/app.sock, @name, host:port; default $FASTCGI_LISTEN')
    .option('-X, --method <METHOD>', 'default GET, with a body POST')
    .option('-H, --header <LINE>', 'a header, may be repeated', collect, [])
    .option('-d, --data <TEXT>', 'the body; @FILE a file, @- standard input')
    .option(
      '-p, --param <NAME=VALUE>',
      'a CGI variable, may be repeated; NAME alone removes it',
      collect,
      [],
    )
    .option('-m, --mount <PATH>', 'where the app is mounted')
    .option('-i, --include', 'show the head of the response')
    .option('-v, --verbose', 'show the records both ways')
    .option('-f, --fail', 'exit code 1 for a status of 400 or more')
    .option('--timeout <TIME>', 'longest silence, such as 5s', '60s')
    .option('--values', 'ask for FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS')
    .addHelpText('after', examples)
    .action(async (path: string, given: Given) => {
      const address = given.socket ?? process.env['FASTCGI_LISTEN']
      if (address === undefined) {
        throw new Failure(
          ExitCode.Usage,
          'Where is the application? --socket /run/app.sock, or host:port',
        )
      }
      try {
        if (given.values === true) await showValues(address)
        else await get(path, address, given)
      } catch (error) {
        throw unreachable(error)
      }
    })
}

async function showValues(address: string): Promise<void> {
  for (const [name, value] of await getValues(parseTarget(address))) {
    process.stdout.write(`${name}=${value}\n`)
  }
}

async function get(path: string, address: string, given: Given): Promise<void> {
  const options: RequestOptions = {
    ...parseTarget(address),
    path: path.startsWith('/') || path === '*' ? path : `/${path}`,
    headers: readHeaders(given.header),
    params: readParams(given.param),
    timeout: parseQuantity(given.timeout ?? '60s', 'time'),
    onStderr: (text) => void process.stderr.write(text),
  }
  if (given.method !== undefined) options.method = given.method
  if (given.mount !== undefined) options.mount = given.mount
  if (given.data !== undefined) options.body = readBody(given.data)
  if (given.verbose === true)
    options.trace = showRecords((line) => void process.stderr.write(`${line}\n`))
  const response = await request(options)
  if (given.include === true || given.verbose === true) {
    const to = given.verbose === true ? process.stderr : process.stdout
    to.write(`${response.status} ${response.statusText}\n`)
    for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
      to.write(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}\n`)
    }
    to.write('\n')
  }
  await pipeline(response.body, process.stdout, { end: false }).catch((error: unknown) => {
    // `| head` has read enough.
    if ((error as { code?: unknown }).code !== 'EPIPE') throw error
  })
  if (given.fail === true && response.status >= 400) {
    throw new Failure(ExitCode.Failed, `${response.status} ${response.statusText}`)
  }
}

function readHeaders(lines: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon < 1)
      throw new Failure(ExitCode.Usage, `-H takes 'Name: value', not ${JSON.stringify(line)}`)
    ;(headers[line.slice(0, colon).trim()] ??= []).push(line.slice(colon + 1).trim())
  }
  return headers
}

function readParams(pairs: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      return at === -1 ? [pair, undefined] : [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function readBody(data: string): RequestOptions['body'] & {} {
  if (!data.startsWith('@')) return data
  return data === '@-' ? process.stdin : createReadStream(data.slice(1))
}

/** An error of the connection ends with its own exit code, and says what might be done. */
export function unreachable(error: unknown): unknown {
  if (!(error instanceof ClientError)) return error
  const hints: Record<string, string> = {
    ENOENT: 'There is no such socket: has the application been started?',
    ECONNREFUSED:
      'Nobody listens there: the application has ended and left its socket behind, or never ran.',
    EACCES: 'You may not open the socket: see its mode, owner and group, and the folders above it.',
    ENOTSOCK: 'That is a file, and no socket.',
  }
  const cause = (error.cause as { code?: string } | undefined)?.code
  const hint = cause === undefined ? undefined : hints[cause]
  const connects = error.code === 'FCGI_CONNECT' || error.code === 'FCGI_CONNECT_TIMEOUT'
  const message = `${error.message} [${error.code}]${hint === undefined ? '' : `\n${hint}`}`
  return new Failure(connects ? ExitCode.Unavailable : ExitCode.Failed, message, error)
}
