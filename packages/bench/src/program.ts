/** Finds this package's own programs, whether it runs from source or built. */
import { fileURLToPath } from 'node:url'

/** Absolute path of a program of this package, e.g. `load/generator`. */
export function programPath(name: string): string {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  return fileURLToPath(new URL(`./${name}${extension}`, import.meta.url))
}

/** Absolute path of something beside `src` and `dist`, e.g. `native/hello.go`. */
export function packagePath(name: string): string {
  return fileURLToPath(new URL(`../${name}`, import.meta.url))
}
