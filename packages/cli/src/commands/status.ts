/** `fastcgi status`: what the status socket of `serve` says of the processes, or the shared host of a script of itself. */
import { statSync } from 'node:fs'
import { request } from '@fastcgi/core/client'
import { Command } from 'commander'
import { ExitCode, Failure } from '../exit.ts'
import { theScriptHere } from '../script-here.ts'
import { sharedStatus, stopShared } from '../shared-host.ts'
import { parseQuantity, parseTarget } from '../target.ts'
import { unreachable } from './get.ts'

const examples = `
Examples:
  fastcgi serve app.js --listen /run/app/app.sock --workers 4 --status /run/app/status.sock
  fastcgi status /run/app/status.sock
  fastcgi status /run/app/status.sock --json
  fastcgi status /run/app/status.sock --prometheus

With shared (one process for all that mod_fcgid starts), as the user it runs as:
  fastcgi status app.fcgi                  its number, seconds since its start, relays, requests
  fastcgi status app.fcgi --stop           ends it when what runs is finished, and waits for that
  fastcgi status --stop                    the same, for the one .fcgi here

Exit codes: 0 shown, or ended; 66 no such script; 69 nobody answers, or no process runs the script
for all; 1 what answers is no status socket, or the process is stuck.`

interface Given {
  json?: boolean
  prometheus?: boolean
  stop?: boolean
  timeout: string
}

/** The command. */
export function statusCommand(): Command {
  return new Command('status')
    .description('show how a running app is')
    .argument('[TARGET]', 'what serve got as --status, or the script of a shared process')
    .option('--json', 'as it comes')
    .option('--prometheus', 'as text for Prometheus')
    .option('--stop', 'end the shared process of the script, when what runs is finished')
    .option('--timeout <TIME>', 'how long a shared process may take to answer', '10s')
    .addHelpText('after', examples)
    .action(async (target: string | undefined, given: Given) => {
      if (given.stop === true) {
        await stopShared(target ?? theScriptHere(), patience(given), say)
        return
      }
      const asked = target ?? theScriptHere()
      const read = isScript(asked) ? readShared : readStatus
      try {
        process.stdout.write(await read(asked, given))
      } catch (error) {
        throw unreachable(error)
      }
    })
}

function patience({ timeout }: Given): number {
  return parseQuantity(timeout, 'time')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function isScript(target: string): boolean {
  return (
    /\.(?:fcgi|[cm]?[jt]s)$/.test(target) ||
    statSync(target, { throwIfNoEntry: false })?.isFile() === true
  )
}

async function readShared(script: string, given: Given): Promise<string> {
  if (given.prometheus === true) {
    throw new Failure(ExitCode.Usage, '--prometheus needs a status socket (option status of serve)')
  }
  const hosts = await sharedStatus(script, patience(given))
  if (given.json === true) return `${JSON.stringify({ hosts })}\n`
  const workers = hosts.flatMap(({ pid: host, workers: own = [] }) =>
    own.map((worker) => ({ host, ...worker })),
  )
  const rows = hosts.map(({ pid, script: path, uptime, relays, running, requests }) => {
    return { pid, script: path, uptime, relays, running, requests }
  })
  return `${lines({ hosts: rows, workers }).join('\n')}\n`
}

async function readStatus(address: string, given: Given): Promise<string> {
  const accept = given.prometheus === true ? 'text/plain; version=0.0.4' : 'application/json'
  const path = given.prometheus === true ? '/metrics' : '/status.json'
  const response = await request({ ...parseTarget(address), path, headers: { Accept: accept } })
  const text = await response.text()
  if (!response.ok) {
    throw new Failure(
      ExitCode.Failed,
      `${address} answers ${response.status}: is it the status socket?`,
    )
  }
  if (given.json === true || given.prometheus === true) return `${text.trimEnd()}\n`
  return `${lines(JSON.parse(text)).join('\n')}\n`
}

/** Nested values as an indented list; objects in a list as rows of a table. */
function lines(value: unknown, indent = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${indent}${String(value)}`]
  return Object.entries(value).flatMap(([name, item]) => {
    if (Array.isArray(item) && item.length === 0) return []
    if (Array.isArray(item) && item.every(isRecord))
      return [`${indent}${name}`, ...table(item, `${indent}  `)]
    if (isRecord(item)) return [`${indent}${name}`, ...lines(item, `${indent}  `)]
    return [`${indent}${name.padEnd(24 - indent.length)}${String(item)}`]
  })
}

function table(rows: readonly Record<string, unknown>[], indent: string): string[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(flat(row))))]
  const cells = [names, ...rows.map((row) => names.map((name) => String(flat(row)[name] ?? '')))]
  const widths = names.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  return cells.map(
    (row) =>
      indent +
      row
        .map((cell, i) => cell.padEnd(widths[i]! + 2))
        .join('')
        .trimEnd(),
  )
}

function flat(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) =>
      isRecord(value) ? Object.entries(value) : [[name, value]],
    ),
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
