// Who may listen, and who may start the host, without a lock file. Each listener has a name with a number, and takes its
// number by link(2), which only one can. The highest number counts: while somebody answers there, nobody starts anything;
// once nobody does, whoever gets the next number is next. A dead process thereby loses its place in the very moment of
// its death, whatever became of its files, and a number is never taken twice, so that nobody can remove or replace what
// another has just made (as unlink and bind after ECONNREFUSED would).
import { linkSync, readdirSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { checkFolder } from './folder.ts'

/** Numbers that are left in place below the newest: a slow process may still be looking at them. */
const kept = 8n

/** What is added to the path of a host with workers for the socket that takes the requests. */
export const requestsEnding = '.r'

/** The listeners of one app. */
export class Generations {
  readonly folder: string
  readonly #name: string

  /** @param name of the app's socket, without number */
  constructor(folder: string, name: string) {
    this.folder = folder
    this.#name = name
  }

  /** Splits what `path` made. */
  static parse(path: string): { generations: Generations; number: bigint } | undefined {
    const found = /^([0-9a-f]+)\.(\d+)$/.exec(basename(path))
    if (!found) return undefined
    return {
      generations: new Generations(dirname(path), found[1] as string),
      number: BigInt(found[2] as string),
    }
  }

  /** Those of all apps in a folder. */
  static in(folder: string): Generations[] {
    const names = readdirSync(folder).flatMap(
      (file) => /^([0-9a-f]{16})\.\d+$/.exec(file)?.[1] ?? [],
    )
    return [...new Set(names)].map((name) => new Generations(folder, name))
  }

  path(number: bigint): string {
    return join(this.folder, `${this.#name}.${number}`)
  }

  /**
   * The highest number that was ever taken; 0 for none.
   *
   * @throws FolderError when the folder is not ours alone any more
   */
  newest(): bigint {
    checkFolder(this.folder)
    return this.#all().reduce((highest, number) => (number > highest ? number : highest), 0n)
  }

  /**
   * Makes a server listen under a number.
   *
   * @returns false when another was quicker; the server is then closed
   * @throws what listening throws
   */
  async take(server: Server, number: bigint): Promise<boolean> {
    checkFolder(this.folder)
    const { randomBytes } = process.getBuiltinModule('node:crypto')
    const temporary = join(this.folder, `.${randomBytes(8).toString('hex')}`)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(temporary, () => {
        server.removeListener('error', reject)
        resolve()
      })
    })
    const path = this.path(number)
    try {
      // It listens already when it appears.
      linkSync(temporary, path)
    } catch (error) {
      server.close()
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    } finally {
      removeQuietly(temporary)
    }
    if (this.newest() === number) return true
    // The number was free again only because others had gone on to higher ones.
    removeQuietly(path)
    server.close()
    return false
  }

  /** Removes what has long had successors. */
  clean(newest: bigint): void {
    for (const number of this.#all()) {
      if (number + kept >= newest) continue
      removeQuietly(this.path(number))
      removeQuietly(`${this.path(number)}${requestsEnding}`)
    }
  }

  #all(): bigint[] {
    const prefix = `${this.#name}.`
    return readdirSync(this.folder)
      .filter((file) => file.startsWith(prefix) && /^\d+$/.test(file.slice(prefix.length)))
      .map((file) => BigInt(file.slice(prefix.length)))
  }
}

/** Removes a file, if it is there. */
export function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Somebody else has cleaned up.
  }
}
