/**
 * Copies an example to a folder of its own with everything it needs, as a user uploads it: the
 * repository may lie where a web server's user cannot read, and links into it would not do.
 */
import fs from 'node:fs'
import path from 'node:path'

interface Manifest {
  name: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

const repository = path.resolve(import.meta.dirname, '../..')

function manifestOf(folder: string): Manifest {
  return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest
}

/** The real folder of a package as seen from `from`, looked up as Node does. */
function find(name: string, from: string): string | undefined {
  for (let at = from; ; at = path.dirname(at)) {
    const folder = path.join(at, 'node_modules', name)
    if (fs.existsSync(path.join(folder, 'package.json'))) return fs.realpathSync(folder)
    if (at === path.dirname(at)) return undefined
  }
}

function copy(from: string, to: string): void {
  fs.cpSync(from, to, {
    recursive: true,
    dereference: true,
    filter: (file) => path.basename(file) !== 'node_modules',
  })
  // A folder that its owner alone may read is of no use to the server's user.
  for (const entry of fs.readdirSync(to, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    const mode = fs.statSync(file).mode
    fs.chmodSync(file, entry.isDirectory() || (mode & 0o100) !== 0 ? 0o755 : 0o644)
  }
  fs.chmodSync(to, 0o755)
}

/**
 * Copies `source` (a folder of the repository, for instance `examples/express`) to `target`, and the
 * packages it depends on to `target/node_modules`, flat, nested only where two versions are needed.
 * Throws when a package of the repository has not been built.
 */
export function deploy(source: string, target: string): void {
  const from = path.resolve(repository, source)
  copy(from, target)
  placeDependencies(from, target, [new Map()])
}

/** `levels` are the node_modules in reach of `target`, outermost first: name to real source folder. */
function placeDependencies(source: string, target: string, levels: Map<string, string>[]): void {
  const manifest = manifestOf(source)
  const names = {
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
    ...manifest.peerDependencies,
  }
  for (const name of Object.keys(names)) {
    const found = find(name, source)
    if (found === undefined) continue // optional, or a peer that is not installed
    const seen = levels.findLast((level) => level.has(name))?.get(name)
    if (seen === found) continue
    if (
      found.startsWith(path.join(repository, 'packages')) &&
      !fs.existsSync(path.join(found, 'dist'))
    ) {
      throw new Error(`${name} has not been built: npm run build`)
    }
    if (seen === undefined) {
      const root = levels[0] as Map<string, string>
      root.set(name, found)
      const place = path.join(rootOf(target), 'node_modules', name)
      copy(found, place)
      placeDependencies(found, place, [root, new Map()])
    } else {
      // Another version lies further out: this one goes beside its dependent.
      levels.at(-1)?.set(name, found)
      const place = path.join(target, 'node_modules', name)
      copy(found, place)
      placeDependencies(found, place, [...levels, new Map()])
    }
  }
}

/** The deployed app's folder: what stands before the first node_modules. */
function rootOf(target: string): string {
  const at = target.indexOf(`${path.sep}node_modules${path.sep}`)
  return at < 0 ? target : target.slice(0, at)
}
