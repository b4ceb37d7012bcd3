/** The command line as a whole: its commands, its help, and how errors end it. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { devCommand } from './commands/dev.ts'
import { doctorCommand } from './commands/doctor.ts'
import { getCommand } from './commands/get.ts'
import { initCommand } from './commands/init.ts'
import { serveCommand } from './commands/serve.ts'
import { statusCommand } from './commands/status.ts'
import { ExitCode, exitCodes, Failure } from './exit.ts'

const examples = `
Examples:
  fastcgi dev app.js                       try it: http://127.0.0.1:8080, restarted on change
  fastcgi init htaccess                    a shared host: writes app.fcgi and .htaccess
  fastcgi init nginx                       your own server: writes app.fcgi and a site for nginx
  fastcgi doctor app.fcgi                  what is wrong, and how to mend it
  fastcgi doctor https://example.com/      the same, seen through the web server
  fastcgi serve app.js --listen /run/app.sock
  fastcgi get / --socket /run/app.sock

Exit codes:
${exitCodes.map(([code, meaning]) => `  ${String(code).padEnd(3)} ${meaning}`).join('\n')}

fastcgi help COMMAND shows the options and examples of a command.`

/** Makes the program; each call a new one. */
export function makeProgram(): Command {
  const file = new URL('../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  const program = new Command('fastcgi')
    .description('FastCGI for Node.js: serve, try, set up and diagnose an app behind a web server.')
    .version(version, '-V, --version')
    .addHelpText('after', examples)
    .showHelpAfterError('(fastcgi --help shows the options)')
  const commands = [
    serveCommand(),
    devCommand(),
    initCommand(),
    doctorCommand(),
    getCommand(),
    statusCommand(),
  ]
  for (const command of commands) program.addCommand(command)
  // The parser's errors end like ours.
  for (const command of [program, ...commands]) {
    command.exitOverride().configureHelp({ helpWidth: 100 })
  }
  return program
}

/**
 * Runs the command line.
 *
 * @param args what stands behind `fastcgi`
 * @returns the exit code, or undefined where the process goes on (`serve`, `dev`)
 */
export async function runProgram(args: readonly string[]): Promise<ExitCode | undefined> {
  // A web server's CGI passes words of the client's URL as arguments (RFC 3875 §4.4): they are not read.
  if (
    process.env['GATEWAY_INTERFACE'] !== undefined &&
    process.env['REQUEST_METHOD'] !== undefined
  ) {
    process.stdout.write(
      'Content-Type: text/plain\nStatus: 500 Internal Server Error\n\nThe command fastcgi is no CGI program: use an app.fcgi.\n',
    )
    return ExitCode.Usage
  }
  if (args.length === 0) {
    makeProgram().outputHelp({ error: true })
    return ExitCode.Usage
  }
  try {
    await makeProgram().parseAsync([...args], { from: 'user' })
    return undefined
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage
    if (error instanceof Failure) {
      process.stderr.write(`fastcgi: ${error.message}\n`)
      return error.exitCode
    }
    if ((error as Error).name === 'SocketFileError') {
      process.stderr.write(`fastcgi: ${(error as Error).message}\n`)
      return ExitCode.CannotCreate
    }
    if (isUsage(error)) {
      process.stderr.write(`fastcgi: ${(error as Error).message}\n`)
      return ExitCode.Usage
    }
    const { code } = error as { code?: unknown }
    if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) {
      process.stderr.write(`fastcgi: ${(error as Error).message}\n`)
      return ExitCode.CannotCreate
    }
    process.stderr.write(
      `fastcgi: ${error instanceof Error ? String(error.stack) : String(error)}\n`,
    )
    return ExitCode.Bug
  }
}

/** Options that cannot be, as the core says. */
function isUsage(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return (
    error instanceof RangeError || error instanceof TypeError || String(code).startsWith('FCGI_')
  )
}
