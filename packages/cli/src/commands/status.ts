/** `fastcgi status`: what the status socket of `serve` says of the processes. */
import { request } from '@fastcgi/core/client'
import { Command } from 'commander'
import { ExitCode, Failure } from '../exit.ts'
import { parseTarget } from '../target.ts'
import { unreachable } from './get.ts'

const examples = `
Examples:
  fastcgi serve app.js --listen /run/app/app.sock --workers 4 --status /run/app/status.sock
  fastcgi status /run/app/status.sock
  fastcgi status /run/app/status.sock --json
  fastcgi status /run/app/status.sock --prometheus`

interface Given {
  json?: boolean
  prometheus?: boolean
}

/** The command. */
export function statusCommand(): Command {
  return new Command('status')
    .description('show how a running app is')
    .argument('<ADDRESS>', 'what serve got as --status')
    .option('--json', 'as it comes')
    .option('--prometheus', 'as text for Prometheus')
    .addHelpText('after', examples)
    .action(async (address: string, given: Given) => {
      try {
        process.stdout.write(await readStatus(address, given))
      } catch (error) {
        throw unreachable(error)
      }
    })
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
