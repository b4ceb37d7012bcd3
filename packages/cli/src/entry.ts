/** Finds the file to serve and loads it. */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ExitCode, Failure } from './exit.ts'

const guesses = ['app', 'server', 'index', 'main', 'src/app', 'src/server', 'src/index'].flatMap(
  (name) => ['.js', '.mjs', '.cjs', '.ts', '.mts'].map((extension) => name + extension),
)

/** The part of a package.json that concerns us. */
export interface Manifest {
  readonly name?: string
  readonly type?: string
  readonly main?: string
  readonly dependencies?: Readonly<Record<string, string>>
  /** Options of `fastcgi serve` by their name there (`maxRequests` or `max-requests`), and `entry`. */
  readonly fastcgi?: Readonly<Record<string, unknown>>
}

/** The package.json that governs a folder: in it, or in the nearest folder above that has one. */
export function manifestOf(
  folder: string,
): { readonly folder: string; readonly manifest: Manifest } | undefined {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    try {
      const text = readFileSync(path.join(at, 'package.json'), 'utf8')
      return { folder: at, manifest: JSON.parse(text) as Manifest }
    } catch (error) {
      if (error instanceof SyntaxError) {
        const message = `${path.join(at, 'package.json')} is no JSON: ${error.message}`
        throw new Failure(ExitCode.NoInput, message, error)
      }
    }
    if (at === path.dirname(at)) return undefined
  }
}

/**
 * Real path of the file to serve: the one that was named, else `fastcgi.entry` or `main` of package.json, else a file
 * by one of the usual names.
 *
 * @throws Failure when there is none
 */
export function findEntry(named: string | undefined, folder: string = process.cwd()): string {
  if (named !== undefined) {
    const file = path.resolve(folder, named)
    if (!isFile(file)) throw new Failure(ExitCode.NoInput, `${named}: there is no such file`)
    return realpathSync(file)
  }
  const found = manifestOf(folder)
  const listed = [found?.manifest.fastcgi?.['entry'], found?.manifest.main].filter(
    (value): value is string => typeof value === 'string',
  )
  for (const name of listed) {
    const file = path.resolve(found!.folder, name)
    if (isFile(file)) return realpathSync(file)
  }
  const guess = guesses.map((name) => path.resolve(folder, name)).find(isFile)
  if (guess === undefined) {
    const message = 'Which file is the app? Name it: it exports the app as default.'
    throw new Failure(ExitCode.NoInput, message)
  }
  return realpathSync(guess)
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true
}

/** Loads an entry; a module without default export that has one named `app` gives that. */
export async function loadEntry(entry: string): Promise<unknown> {
  const loaded = (await import(pathToFileURL(entry).href)) as { default?: unknown; app?: unknown }
  return loaded.default === undefined && loaded.app !== undefined ? { default: loaded.app } : loaded
}
