/** `fastcgi serve`: any app, without a `.fcgi` of its own. */
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { serve, type ServeOptions } from '@fastcgi/core'
import { Command } from 'commander'
import { adaptApp } from '../adapters.ts'
import { findEntry, loadEntry, manifestOf } from '../entry.ts'
import { ExitCode, Failure } from '../exit.ts'
import { addServeOptions, readServeOptions, settingsFrom } from '../serve-options.ts'

const examples = `
Examples:
  fastcgi serve app.js --listen /run/app.sock              on a unix socket
  fastcgi serve app.js --listen 127.0.0.1:9000             on TCP
  fastcgi serve app.js --listen /run/app.sock --workers 4  four processes, reloaded by SIGHUP
  fastcgi serve app.js --listen /run/app.sock --mode 660 --group www-data
  fastcgi serve --register server.js --listen :9000        an app that calls listen() itself

Without --listen: the socket of systemd or of the web server that started it, or FASTCGI_LISTEN.
What stands under "fastcgi" in package.json is the default of each option:
  { "fastcgi": { "entry": "app.js", "listen": "/run/app.sock", "workers": 2 } }

ENTRY exports, as default, an Express, Koa or Fastify app, a (req, res) listener, an http.Server,
or a function without parameters that returns one of them.`

interface Given extends Record<string, unknown> {
  register?: boolean
  development?: boolean
}

/** The command. */
export function serveCommand(): Command {
  const command = new Command('serve')
    .description('serve an app over FastCGI')
    .argument('[ENTRY]', 'the file that exports the app; default: from package.json, or app.js')
    .option('--register', 'ENTRY calls listen() itself: serve that over FastCGI')
    .addHelpText('after', examples)
  addServeOptions(command)
  return command.action(async (named: string | undefined, given: Given) => {
    const entry = findEntry(named)
    if (entry.endsWith('.fcgi')) {
      const message = `${path.basename(entry)} serves itself: node ${named ?? entry} --listen ADDRESS`
      throw new Failure(ExitCode.Usage, message)
    }
    const manifest = manifestOf(path.dirname(entry))?.manifest
    const options = readServeOptions({ ...settingsFrom(manifest?.fastcgi), ...given })
    if (given.register === true) await register(entry, options)
    else await serveEntry(entry, options)
  })
}

/** Serves the app that a file exports. */
export async function serveEntry(entry: string, options: ServeOptions): Promise<void> {
  let close: (() => unknown) | undefined
  await serve<unknown>(() => loadEntry(entry), {
    script: entry,
    ...options,
    // The command line has been read; the core would not know its words.
    arguments: [],
    onStop: async () => {
      await close?.()
    },
    adapt: async (app) => {
      const adapted = await adaptApp(app, entry)
      close = adapted.close
      return adapted.taker
    },
  })
}

/** Runs an app that listens by itself; `@fastcgi/core/register` reads its settings from the environment. */
async function register(entry: string, options: ServeOptions): Promise<void> {
  const { listen, log, mode, owner, group, development: _, ...others } = options
  // No restart file is looked at anyway.
  const [other] = Object.keys(others).filter((name) => name !== 'restartFile' || others.restartFile)
  if (other !== undefined) {
    throw new Failure(
      ExitCode.Usage,
      `with --register the options are listen, log, mode, owner and group; ${other} is for an app that exports itself`,
    )
  }
  const settings = {
    FASTCGI_LISTEN: listen,
    FASTCGI_LOG: typeof log === 'string' ? log : undefined,
    FASTCGI_SOCKET_MODE: typeof mode === 'number' ? mode.toString(8) : mode,
    FASTCGI_SOCKET_OWNER: owner,
    FASTCGI_SOCKET_GROUP: group,
  }
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined) process.env[name] = String(value)
  }
  // What the app sees when it asks who it is.
  process.argv = [process.argv[0]!, entry]
  const file = createRequire(import.meta.url).resolve('@fastcgi/core/register')
  await import(pathToFileURL(file).href)
  await import(pathToFileURL(entry).href)
}
