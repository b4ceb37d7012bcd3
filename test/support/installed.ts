/** The packed packages in an empty folder, as a new user has them after `npm install`. */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

import { PNPM } from '../../scripts/setup.mjs'
import { temporaryFolder } from './web-server.ts'

const root = path.resolve(import.meta.dirname, '../..')

export interface Installation {
  /** Makes an empty folder with an app, installs there, and gives its path. */
  install(name: string, file: string, app: string): Promise<string>
  /** Runs a program there: an empty environment, a HOME of its own. Gives what it printed. */
  run(command: string, args: readonly string[], cwd: string): Promise<string>
  remove(): void
}

/** The promise of five minutes, of which a person needs most: says how long the machine took, and fails where it is long. */
export function tellTime(what: string, started: number): void {
  const seconds = (performance.now() - started) / 1000
  console.info(`${what}: from an empty folder to a page in ${seconds.toFixed(1)} s`)
  if (seconds > 120) throw new Error(`${what} took ${seconds.toFixed(0)} s of five minutes`)
}

/** Packs the core and the command, and what the command needs from elsewhere. */
export async function packAll(): Promise<Installation> {
  const folder = temporaryFolder('install')
  const packed = path.join(folder, 'packed')
  for (const name of ['home', 'packed']) fs.mkdirSync(path.join(folder, name))
  const own = {
    PATH: `${path.dirname(process.execPath)}:${String(process.env['PATH'])}`,
    HOME: path.join(folder, 'home'),
  }
  const run = async (
    command: string,
    args: readonly string[],
    cwd: string,
    env: NodeJS.ProcessEnv = own,
  ): Promise<string> => {
    const { stdout } = await promisify(execFile)(command, [...args], { cwd, env })
    return stdout
  }
  for (const name of ['core', 'cli']) {
    const place = path.join(root, 'packages', name)
    await run('npx', ['-y', PNPM, 'pack', '--pack-destination', packed], place, process.env)
  }
  const commander = fs.realpathSync(path.join(root, 'packages/cli/node_modules/commander'))
  await run('npm', ['pack', '--ignore-scripts', commander], packed)
  const tarballs = fs.readdirSync(packed).map((name) => path.join(packed, name))
  return {
    async install(name, file, app) {
      const site = path.join(folder, name)
      fs.mkdirSync(site)
      fs.writeFileSync(path.join(site, 'package.json'), '{ "name": "mine", "private": true }')
      fs.writeFileSync(path.join(site, file), app)
      const flags = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts']
      await run('npm', ['install', ...flags, ...tarballs], site)
      return site
    },
    run: (command, args, cwd) => run(command, args, cwd),
    remove: () => fs.rmSync(folder, { recursive: true, force: true }),
  }
}
