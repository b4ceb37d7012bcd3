/**
 * What web servers make of a request target before an application sees it: the path decoded, slashes merged, dots
 * resolved, each server in its own measure.
 */
import { decodePath, splitTarget } from '../client/params.ts'

/** How far a server goes with a path. */
export interface PathRules {
  /** `//` becomes `/`. */
  readonly mergeSlashes: boolean
  /** `.` and `..` are resolved; above the root: see `aboveRoot`. */
  readonly resolveDots: boolean
  /** Status for a path that leaves the root; undefined: it ends at the root. */
  readonly aboveRoot?: number
  /** Status for `%zz` or `%` alone; undefined: it stays as it is. */
  readonly badEscape?: number
  /** Status for a byte above 127 that is not escaped; undefined: it is passed on. */
  readonly rawByte?: number
  /** Status for `%00`; undefined: it is decoded. */
  readonly nul?: number
  /** Status for `%2F`; undefined: it is decoded. */
  readonly encodedSlash?: number
  /** Whether `#` ends the path. */
  readonly cutsFragment: boolean
  /** Status for `*`; undefined: it is passed on as the path `/*`. */
  readonly star?: number
  /** Whether `http://host/path` becomes `/path` in REQUEST_URI. */
  readonly reducesAbsolute: boolean
}

/** A target, taken apart. */
export interface RequestPath {
  /** For REQUEST_URI. */
  readonly target: string
  /** Decoded and normalised; one latin1 character a byte. */
  readonly path: string
  /** Without its question mark. */
  readonly query: string
}

/** A refusal, with the status that goes to the client. */
export interface Refusal {
  readonly status: number
  readonly reason: string
}

/** Takes a target apart as a server with these rules does. */
export function readTarget(given: string, rules: PathRules): RequestPath | Refusal {
  const origin = reduceAbsolute(given)
  const target = rules.reducesAbsolute ? origin : given
  const { path: withFragment, query } = splitTarget(origin)
  if (!origin.startsWith('/') && (origin !== '*' || rules.star !== undefined)) {
    return { status: rules.star ?? 400, reason: 'The request target is not a path.' }
  }
  const raw = rules.cutsFragment ? withFragment.replace(/#.*$/s, '') : withFragment
  if (rules.badEscape !== undefined && /%(?![0-9a-fA-F]{2})/.test(raw)) {
    return {
      status: rules.badEscape,
      reason: 'The path has a % that is not followed by two hex digits.',
    }
  }
  if (rules.rawByte !== undefined && /[^\0-\x7f]/.test(given)) {
    return { status: rules.rawByte, reason: 'The target has a byte that is not ASCII.' }
  }
  if (rules.nul !== undefined && raw.includes('%00')) {
    return { status: rules.nul, reason: 'The path has a %00.' }
  }
  if (rules.encodedSlash !== undefined && /%2f/i.test(raw)) {
    return {
      status: rules.encodedSlash,
      reason: 'The path has a %2F, which this server does not let through.',
    }
  }
  const path = normalize(decodePath(raw === '*' ? '/*' : raw), rules)
  if (path === undefined) {
    return { status: rules.aboveRoot ?? 400, reason: 'The path leaves the root by its dots.' }
  }
  return { target, path, query }
}

/** `http://host:1/path?q` → `/path?q`; anything else as it is. */
export function reduceAbsolute(target: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target)
  if (scheme === null) return target
  const rest = target.slice(scheme[0].length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

function normalize(path: string, rules: PathRules): string | undefined {
  const merged = rules.mergeSlashes ? path.replace(/\/{2,}/g, '/') : path
  if (!rules.resolveDots) return merged
  const kept: string[] = []
  const segments = merged.split('/').slice(1)
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1
    if (segment === '..') {
      if (kept.pop() === undefined && rules.aboveRoot !== undefined) return undefined
    } else if (segment !== '.') {
      kept.push(segment)
      continue
    }
    if (isLast) kept.push('')
  }
  return `/${kept.join('/')}`
}
