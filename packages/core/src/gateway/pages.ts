/** The gateway's own answers: why there is none from the application, in words that help. */
import { STATUS_CODES } from 'node:http'
import { ClientError, ClientErrorCode } from '../client/errors.ts'

/** What a page says. */
export interface GatewayFailure {
  readonly status: number
  /** One or two sentences. */
  readonly reason: string
  /** Stable code, for looking it up. */
  readonly code: string | undefined
  /** What the application wrote to its error stream; may be empty. */
  readonly stderr: string
}

const HINTS: Partial<Record<string, string>> = {
  [ClientErrorCode.Connect]: 'Is the application running, and does it listen there?',
  [ClientErrorCode.Closed]: 'The process may have crashed: look at its log.',
  [ClientErrorCode.EmptyResponse]: 'A handler that never writes a head ends like this.',
  [ClientErrorCode.Timeout]: 'A handler that neither answers nor passes on looks like this.',
  [ClientErrorCode.BadResponse]:
    'Something was printed to standard output before the header block?',
}

/** Turns a failed request into what the client is told: 503 for overload, 504 for silence, else 502. */
export function describeFailure(error: unknown): GatewayFailure {
  if (!(error instanceof ClientError)) {
    const reason = error instanceof Error ? error.message : String(error)
    return { status: 502, reason, code: undefined, stderr: '' }
  }
  const { code, stderr } = error
  const silent: readonly string[] = [
    ClientErrorCode.Timeout,
    ClientErrorCode.ConnectTimeout,
    ClientErrorCode.PoolTimeout,
  ]
  const overloaded: readonly string[] = [ClientErrorCode.Overloaded, ClientErrorCode.PoolFull]
  const status = silent.includes(code) ? 504 : overloaded.includes(code) ? 503 : 502
  const hint = HINTS[code]
  return {
    status,
    reason: `${error.message}.${hint === undefined ? '' : ` ${hint}`}`,
    code,
    stderr,
  }
}

/** An HTML page; every text is escaped. */
export function gatewayPage(failure: GatewayFailure): string {
  const title = `${failure.status} ${STATUS_CODES[failure.status] ?? 'Error'}`
  const stderr =
    failure.stderr === '' ? '' : `<h2>Error stream</h2>\n<pre>${escapeHtml(failure.stderr)}</pre>\n`
  const code = failure.code === undefined ? '' : `<p><code>${escapeHtml(failure.code)}</code></p>\n`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:3em auto;padding:0 1em}pre{overflow:auto;background:#f4f4f4;color:#222;padding:1em}</style>
<h1>${title}</h1>
<p>${escapeHtml(failure.reason)}</p>
${code}${stderr}<p><small>From the development gateway, not from the application.</small></p>
</html>
`
}

/** `<`, `>`, `&`, `"` and `'` as entities. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
