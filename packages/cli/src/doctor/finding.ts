/** What a check found, and how findings are shown. */

/** `unknown`: it could not be looked at. */
export type Verdict = 'ok' | 'warning' | 'failed' | 'unknown'

/** The result of one check. */
export interface Finding {
  /** Stable name of the check; docs/errors.md lists them. */
  readonly check: string
  readonly verdict: Verdict
  /** One sentence: what is so. */
  readonly what: string
  /** What to do; lines. */
  readonly fix?: string | undefined
  /** What was seen, for who wants to know: output, values. Lines. */
  readonly details?: string | undefined
}

/** Findings of one target. */
export interface TargetReport {
  readonly target: string
  readonly kind: 'file' | 'socket' | 'url'
  readonly findings: readonly Finding[]
}

/** A check that is in order. */
export function ok(check: string, what: string): Finding {
  return { check, verdict: 'ok', what }
}

/** A check that is not, with what to do. */
export function failed(check: string, what: string, fix: string, details?: string): Finding {
  return { check, verdict: 'failed', what, fix, details }
}

/** Something that works and will hurt. */
export function warning(check: string, what: string, fix: string, details?: string): Finding {
  return { check, verdict: 'warning', what, fix, details }
}

/** Something that could not be looked at, and why. */
export function unknown(check: string, what: string, fix?: string): Finding {
  return { check, verdict: 'unknown', what, fix }
}

const marks: Record<Verdict, string> = {
  ok: 'ok     ',
  warning: 'WARNING',
  failed: 'FAILED ',
  unknown: '-      ',
}

/** The plain report. */
export function showReports(reports: readonly TargetReport[]): string {
  const lines: string[] = []
  for (const { target, findings } of reports) {
    if (lines.length > 0) lines.push('')
    lines.push(target)
    for (const { check, verdict, what, fix, details } of findings) {
      lines.push(`  ${marks[verdict]} ${check.padEnd(16)} ${what}`)
      const margin = ' '.repeat(27)
      if (details !== undefined) lines.push(...indent(details, `${margin}| `))
      if (fix !== undefined) lines.push(...indent(fix, `${margin}> `))
    }
  }
  const all = reports.flatMap(({ findings }) => findings)
  const count = (verdict: Verdict): number =>
    all.filter((finding) => finding.verdict === verdict).length
  const summary = `${count('failed')} failed, ${count('warning')} warnings, ${count('ok')} ok`
  return `${lines.join('\n')}\n\n${summary}\n`
}

function indent(text: string, margin: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => margin + line)
}
