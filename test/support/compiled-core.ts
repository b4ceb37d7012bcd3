/**
 * `@fastcgi/core` as JavaScript in a folder of its own, for tests that start processes: Node 20 does not run TypeScript,
 * and `dist` may be older than the sources under test.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { build } from 'vite'

const source = path.resolve(import.meta.dirname, '../../packages/core/src')

export interface CompiledCore {
  /** A folder with `node_modules/@fastcgi/core`; files put there can import it by name. */
  readonly folder: string
  /** Puts a file there and gives its path. */
  write(name: string, text: string): string
  remove(): void
}

/** Compiles the sources as they are now; takes a second or so. */
export async function compileCore(): Promise<CompiledCore> {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'fcgi-core-')))
  const target = path.join(folder, 'node_modules/@fastcgi/core')
  await build({
    configFile: false,
    root: source,
    logLevel: 'silent',
    build: {
      ssr: true,
      target: 'node20',
      minify: false,
      outDir: path.join(target, 'lib'),
      emptyOutDir: true,
      rollupOptions: {
        input: Object.fromEntries(
          ['index', 'register', 'protocol', 'client', 'shared'].map((name) => [
            name,
            path.join(source, `${name}.ts`),
          ]),
        ),
      },
    },
  })
  const manifest = JSON.parse(
    fs.readFileSync(path.join(source, '../package.json'), 'utf8'),
  ) as Record<string, unknown>
  fs.writeFileSync(path.join(target, 'package.json'), JSON.stringify(manifest))
  return {
    folder,
    write(name, text) {
      const file = path.join(folder, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, text)
      return file
    },
    remove() {
      fs.rmSync(folder, { recursive: true, force: true })
    },
  }
}
