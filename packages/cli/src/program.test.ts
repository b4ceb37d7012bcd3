import { describe, expect, it } from 'vitest'
import { runCli } from '../../../test/support/cli.ts'
import { exitCodes } from './exit.ts'
import { makeProgram } from './program.ts'

/** The help of a command, in whole. */
function helpOf(name: string | undefined): string {
  const program = makeProgram()
  const command = name === undefined ? program : program.commands.find((c) => c.name() === name)!
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  return text
}

describe('help', () => {
  const names = makeProgram().commands.map((command) => command.name())

  it('lists the commands and the exit codes', () => {
    expect(names).toEqual(['serve', 'dev', 'init', 'doctor', 'get', 'status'])
    const text = helpOf(undefined)
    for (const [code, meaning] of exitCodes)
      expect(text).toMatch(new RegExp(`^ +${code} +${meaning.slice(0, 12)}`, 'm'))
  })

  it.each(names)('of %s has examples, each of which the parser takes', async (name) => {
    const text = helpOf(name)
    expect(text).toContain('Examples:')
    const lines = [...text.matchAll(/^ {2}fastcgi (.+?)(?: {2,}.*)?$/gm)].map((match) => match[1]!)
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) {
      // As the shell cuts words.
      const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!)
      const program = makeProgram()
      const ran: string[] = []
      for (const command of program.commands) command.action(() => void ran.push(command.name()))
      await program.parseAsync(words, { from: 'user' })
      expect(ran, line).toHaveLength(1)
    }
  })
})

describe('the command line', () => {
  it('ends with 64 for what it does not understand, and says where help is', async () => {
    expect(await runCli([])).toMatchObject({ code: 64, stdout: '' })
    const command = await runCli(['sreve'])
    expect(command).toMatchObject({ code: 64 })
    expect(command.stderr).toContain('Did you mean serve?')
    expect((await runCli(['serve', '--lisen', 'x'])).stderr).toContain('Did you mean --listen?')
    expect((await runCli(['get', '/', '--socket', 'a b'])).code).toBe(64)
  })

  it('ends with 0 for help and version', async () => {
    expect((await runCli(['--help'])).code).toBe(0)
    expect(await runCli(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
  })

  it('reads no arguments under CGI: they are words of a client', async () => {
    const env = { GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET' }
    const result = await runCli(['serve', '--listen', '0.0.0.0:9000'], { env })
    expect(result.code).toBe(64)
    expect(result.stdout).toMatch(/^Content-Type: text\/plain\nStatus: 500 /)
  })
})
