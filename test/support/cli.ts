/** The command `fastcgi` as it was built, and folders with apps for it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const packages = path.resolve(import.meta.dirname, '../../packages')

/** The command's file. */
export const command: string = path.join(packages, 'cli/bin/fastcgi.js')

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Another copy of the command. */
  readonly command?: string
}

/** Runs the command to its end. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const child = spawn(process.execPath, [options.command ?? command, ...args], {
    cwd: options.cwd ?? os.tmpdir(),
    env: { PATH: process.env['PATH'], ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** Runs the command in a shell, with its output going to another program; gives what comes out of that, and its code. */
export async function runPiped(
  args: readonly string[],
  into: string,
  cwd: string,
): Promise<CliResult> {
  const line = `{ "$@"; echo "$?" >&3; } | ${into}`
  const child = spawn('/bin/sh', ['-c', line, 'sh', process.execPath, command, ...args], {
    cwd,
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const texts = ['', '', '']
  child.stdio.slice(1).forEach((stream, i) => {
    const readable = stream as NodeJS.ReadableStream
    readable.setEncoding('utf8').on('data', (text: string) => (texts[i] += text))
  })
  await once(child, 'close')
  return { stdout: texts[0]!, stderr: texts[1]!, code: Number(texts[2]) }
}

/** A folder with files, for one test. */
export interface Project {
  readonly folder: string
  file(name: string): string
  /** A name that ends in `.fcgi` becomes executable. */
  write(name: string, text: string): string
  remove(): void
}

/** `packages` are linked into its node_modules: names below `@fastcgi/`, and frameworks. */
export function makeProject(
  files: Readonly<Record<string, string>>,
  linked: readonly string[] = ['@fastcgi/core'],
): Project {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-cli-')))
  fs.chmodSync(folder, 0o755)
  for (const name of linked) {
    const place = path.join(folder, 'node_modules', name)
    fs.mkdirSync(path.dirname(place), { recursive: true })
    const source = name.startsWith('@fastcgi/')
      ? path.join(packages, name.slice('@fastcgi/'.length))
      : path.join(packages, 'cli/node_modules', name)
    fs.symlinkSync(fs.realpathSync(source), place)
  }
  const project: Project = {
    folder,
    file: (name) => path.join(folder, name),
    write(name, text) {
      const file = path.join(folder, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, text)
      if (name.endsWith('.fcgi')) fs.chmodSync(file, 0o755)
      return file
    },
    remove: () => fs.rmSync(folder, { recursive: true, force: true }),
  }
  for (const [name, text] of Object.entries(files)) project.write(name, text)
  return project
}

/** An app that answers `hello`, in the plainest form. */
export const helloApp = 'export default (req, res) => res.end(`hello ${req.url}\\n`)\n'

/** The `.fcgi` for an app. */
export function scriptFor(app: string): string {
  return `#!/usr/bin/env node\nconst { serve } = require('@fastcgi/core')\n\nserve(() => import('${app}'))\n`
}
