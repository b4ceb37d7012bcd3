/** Tells when source files below a folder change. Watches folders, not files, so that new files and renames count. */
import { readdirSync, watch, type FSWatcher } from 'node:fs'
import path from 'node:path'

/** What makes a restart; data that an app writes does not. */
const sources = /\.(?:[cm]?[jt]sx?|json|node|fcgi|env)$|^\.env/
/** Folders that are never watched: others' code, and hidden ones. */
const left = /^(?:node_modules|\..*|coverage|tmp|uploads)$/
/** More folders than any app has; each costs the system a little. */
const maxFolders = 2000
/** An editor writes a file in several steps: one change, not three. In milliseconds. */
const settle = 60

/** A running watch. */
export interface SourceWatch {
  close(): void
}

/**
 * @param folder the folder, with all below it
 * @param changed called with the path of a changed file, once for changes in quick succession
 */
export function watchSources(folder: string, changed: (file: string) => void): SourceWatch {
  const watchers = new Map<string, FSWatcher>()
  let timer: NodeJS.Timeout | undefined

  const add = (at: string): void => {
    if (watchers.has(at) || watchers.size >= maxFolders) return
    let names: { name: string; isDirectory(): boolean }[]
    try {
      const watcher = watch(at, { persistent: false }, (_event, name) => noticed(at, name))
      watcher.on('error', () => drop(at))
      watchers.set(at, watcher)
      names = readdirSync(at, { withFileTypes: true })
    } catch {
      // Gone, or closed to us: nothing of the app can be there.
      return
    }
    for (const entry of names) {
      if (entry.isDirectory() && !left.test(entry.name)) add(path.join(at, entry.name))
    }
  }
  const drop = (at: string): void => {
    watchers.get(at)?.close()
    watchers.delete(at)
  }
  const noticed = (at: string, name: string | null): void => {
    if (name === null) return
    const file = path.join(at, name)
    if (!sources.test(name)) {
      if (!left.test(name) && path.extname(name) === '') add(file)
      return
    }
    clearTimeout(timer)
    timer = setTimeout(() => changed(file), settle)
  }

  add(path.resolve(folder))
  return {
    close() {
      clearTimeout(timer)
      for (const at of [...watchers.keys()]) drop(at)
    },
  }
}
