/** Loads packages whose types would be as many packages again. */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

// The middleware under test is called as plain JavaScript calls it: its types are not what is tested.
// oxlint-disable-next-line typescript/no-explicit-any
export type Anything = any

/** What `require` gives for a package; its default export where there is one. */
export function load(name: string): Anything {
  const loaded: Anything = require(name)
  return loaded !== null && typeof loaded === 'object' && 'default' in loaded && loaded.__esModule
    ? loaded.default
    : loaded
}
