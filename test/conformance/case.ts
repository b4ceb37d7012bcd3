/** What one conformance case is. */
import type { Site } from './site.ts'

export interface HttpCase {
  readonly name: string
  /** Why this site cannot do it, by name; undefined when it can. */
  readonly not?: (site: Site) => string | undefined
  /** A line that the app may log because of it, where it would be a complaint about the recipe otherwise. */
  readonly notice?: RegExp
  /** Asks and asserts. */
  readonly run: (site: Site) => Promise<void>
}

/** Reasons by server, or by server and configuration file. */
export function except(
  reasons: Readonly<Record<string, string>>,
): (site: Site) => string | undefined {
  return (site) => reasons[site.name] ?? reasons[site.server]
}
