/** `fastcgi dev`: the app as it will be deployed, at http://127.0.0.1:8080, started anew when a file changes. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  startGateway,
  WEB_SERVERS,
  type Gateway,
  type GatewayOptions,
  type WebServer,
} from '@fastcgi/core/gateway'
import { Command, Option } from 'commander'
import { AppProcess } from '../dev/app-process.ts'
import { startFallback } from '../dev/fallback.ts'
import { watchSources } from '../dev/watch.ts'
import { findEntry, manifestOf } from '../entry.ts'
import { ExitCode, Failure } from '../exit.ts'

/** Those that do not say where an app is mounted unless told to; what `init` calls the configuration that tells them. */
const silent: Partial<Record<WebServer, string>> = {
  'apache-mod_proxy_fcgi': 'apache',
  lighttpd: 'lighttpd',
  caddy: 'caddy',
  h2o: 'h2o',
}

const examples = `
Examples:
  fastcgi dev app.js                                  http://127.0.0.1:8080
  fastcgi dev app.js --open                           and opens it in a browser
  fastcgi dev app.js --mount /app                     as if it were mounted below /app
  fastcgi dev app.js --as apache-mod_fcgid --mount /app
                                                      with the variables that Apache sends
  fastcgi dev app.fcgi                                the very file that is deployed
  fastcgi dev --register server.js                    an app that calls listen() itself

A request for the app is a line; an app that fails shows stack, source and request in the browser.
When a .js, .mjs, .cjs, .ts, .json or .env file changes, the app is started anew; requests wait.`

interface Given {
  port?: string
  as?: WebServer
  mount?: string
  open?: boolean
  watch: boolean
  register?: boolean
}

/** The command. */
export function devCommand(): Command {
  return new Command('dev')
    .description('try an app through FastCGI, in the browser')
    .argument(
      '[ENTRY]',
      'the file that exports the app, or a .fcgi; default: from package.json, or app.js',
    )
    .option('--port <PORT>', 'default $PORT or 8080; 0: any free one')
    .addOption(
      new Option('--as <SERVER>', 'send the variables as this server does').choices([
        ...WEB_SERVERS,
      ]),
    )
    .option('--mount <PATH>', 'where the app is mounted')
    .option('--open', 'open a browser')
    .option('--no-watch', 'do not start the app anew when a file changes')
    .option('--register', 'ENTRY calls listen() itself')
    .addHelpText('after', examples)
    .action(async (named: string | undefined, given: Given) => {
      const entry = findEntry(named)
      const starting = startDev(entry, given, (line) => void process.stderr.write(line))
      // Heard from the beginning: what is started is ended, and its folder removed.
      const end = (): void => {
        const ended = starting.then(async (session) => session.close())
        ended.then(
          () => process.exit(ExitCode.Ok),
          () => {},
        )
      }
      process.once('SIGINT', end).once('SIGTERM', end)
      const session = await starting
      if (given.open === true) openBrowser(session.url)
    })
}

/** A running `fastcgi dev`. */
export interface DevSession {
  readonly url: string
  readonly gateway: Gateway
  close(): Promise<void>
}

/** Starts app, gateway and watch. @throws Failure, GatewayError */
export async function startDev(
  entry: string,
  given: Given,
  show: (text: string) => void,
): Promise<DevSession> {
  // What is wrong with the command line is said before anything is started.
  const port = given.port === undefined ? undefined : readPort(given.port)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastcgi-dev-'))
  const socket = path.join(folder, 'app.sock')
  const root = manifestOf(path.dirname(entry))?.folder ?? path.dirname(entry)
  const app = new AppProcess(commandFor(entry, socket, given.register === true), show)
  const fallback = await startFallback(path.join(folder, 'fallback.sock'), app)
  const options: GatewayOptions = {
    connect: async () => {
      const state = await app.state
      return state.type === 'listening' ? app.connect() : fallback.connect()
    },
    script: entry,
    documentRoot: path.dirname(entry),
    // The gateway of the command is for development by its name.
    allowProduction: true,
    log: (line) => show(`${line}\n`),
  }
  if (given.as !== undefined) options.as = given.as
  if (given.mount !== undefined) options.mount = given.mount
  if (port !== undefined) options.port = port
  const stop = async (): Promise<void> => {
    await app.stop()
    await fallback.close()
    rmSync(folder, { recursive: true, force: true })
  }
  let gateway: Gateway
  try {
    gateway = await startGateway(options)
  } catch (error) {
    await stop()
    throw error
  }
  const watching = given.watch
    ? watchSources(root, (file) => {
        show(`${path.relative(root, file)} has changed: starting anew\n`)
        app.restart()
      })
    : undefined
  show(
    `${path.basename(entry)}${given.as === undefined ? '' : ` as under ${given.as}`}: ${gateway.url}\n`,
  )
  const configuration = given.as === undefined ? undefined : silent[given.as]
  if (given.mount !== undefined && configuration !== undefined) {
    show(
      `${given.as} by itself does not tell an app where it is mounted, as you see here; this writes what tells it: fastcgi init ${configuration} --mount ${given.mount}\n`,
    )
  }
  return {
    url: gateway.url,
    gateway,
    async close() {
      watching?.close()
      await gateway.close()
      await stop()
    },
  }
}

function commandFor(
  entry: string,
  socket: string,
  register: boolean,
): ConstructorParameters<typeof AppProcess>[0] {
  const cwd = process.cwd()
  const command = fileURLToPath(new URL('../../bin/fastcgi.js', import.meta.url))
  if (entry.endsWith('.fcgi')) return { arguments: [entry, '--listen', socket], socket, cwd }
  const words = ['serve', entry, '--listen', socket, '--no-restart-file', '--development']
  return {
    arguments: [command, ...words, ...(register ? ['--register'] : [])],
    socket,
    cwd,
  }
}

function readPort(text: string): number {
  if (!/^\d{1,5}$/.test(text)) {
    throw new Failure(ExitCode.Usage, `--port is a number, not ${JSON.stringify(text)}`)
  }
  return Number(text)
}

function openBrowser(url: string): void {
  const command =
    process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer' : 'xdg-open'
  const child = spawn(command, [url], { stdio: 'ignore', detached: true })
  child.on('error', () => process.stderr.write(`no browser could be opened: ${url}\n`))
  child.unref()
}
