/** The packages as `npm run release` publishes them: packed in a copy of the repository that has an address. */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

import { environment } from '../../scripts/run.mjs'
import { root } from './documents.ts'

/** Where a job of continuous integration says that it builds. */
export const job = {
  GITHUB_SERVER_URL: 'https://git.example.com',
  GITHUB_REPOSITORY: 'somebody/fastcgi',
} as const

/** As a job has it: nothing of ours, and no address but the one given. */
export function jobEnvironment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const ours = /^(?:NODE_ENV$|VITEST|NODE_OPTIONS|GITHUB_|ACTIONS_ID_|SIGSTORE_)/
  const rest = Object.entries(environment()).filter(([name]) => !ours.test(name))
  return { ...Object.fromEntries(rest), ...more }
}

/** Copies what a release needs: sources, scripts, what was built. Dependencies are those that are installed here. */
export function copyRepository(folder: string): void {
  const files = ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', '.npmrc', 'LICENSE']
  for (const name of [...files, 'scripts', 'packages']) {
    fs.cpSync(path.join(root, name), path.join(folder, name), {
      recursive: true,
      preserveTimestamps: true,
      filter: (file) =>
        !/[\\/](?:node_modules|bench[\\/].+)$/.test(file) || file.endsWith('bench/package.json'),
    })
  }
  const places = [
    '.',
    ...fs.readdirSync(path.join(root, 'packages')).map((name) => `packages/${name}`),
  ]
  for (const place of places) {
    const modules = path.join(root, place, 'node_modules')
    if (fs.existsSync(modules)) fs.symlinkSync(modules, path.join(folder, place, 'node_modules'))
  }
}

/**
 * Packs them into `folder`, as a job does it.
 *
 * @returns the tarballs by the names of their packages
 */
export async function packPublished(folder: string): Promise<ReadonlyMap<string, string>> {
  const copy = path.join(folder, 'repository')
  const out = path.join(folder, 'packed')
  fs.mkdirSync(copy)
  copyRepository(copy)
  const words = ['scripts/release.mjs', '--dry-run', '--out', out]
  await promisify(execFile)(process.execPath, words, { cwd: copy, env: jobEnvironment(job) })
  return new Map(
    fs.readdirSync(out).map((file) => {
      const [, name] = /^fastcgi-(\w+)-.*\.tgz$/.exec(file) ?? []
      return [`@fastcgi/${name}`, path.join(out, file)]
    }),
  )
}
