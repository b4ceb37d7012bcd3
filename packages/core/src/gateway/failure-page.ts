/**
 * The page a developer sees when the app cannot be loaded or a handler throws: where it happened, with the lines of
 * source, and what was asked. Only ever made under the gateway; behind a web server the client learns nothing of this.
 */
import { readFileSync, statSync } from 'node:fs'
import { STATUS_CODES } from 'node:http'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { escapeHtml } from './pages.ts'

/** What the page tells of the request. */
export interface FailedRequest {
  readonly method: string
  readonly url: string
  /** CGI variables; headers are among them. Those that look like secrets are not shown. */
  readonly params: Readonly<Record<string, string | undefined>>
}

/** A place in a file. */
interface Place {
  readonly path: string
  readonly line: number
}

/** Lines of source shown before and after the one in question. */
const CONTEXT = 4
/** A file longer than this is generated; its lines say nothing. */
const MAX_SOURCE = 2 * 1024 * 1024
const MAX_VALUE = 500
const MAX_CAUSES = 5
const SECRET =
  /authori[sz]ation|cookie|passw|secret|token|session|credential|signature|api_?key|private|ssl_client_cert/i

/**
 * An HTML page for an error; every text in it is escaped.
 *
 * @param status 503: the app could not be loaded; 500: a handler threw
 * @param script the file that was started, as the doctor is to be given it; undefined: there is none (`node -e`)
 */
export function failurePage(
  status: number,
  error: unknown,
  request: FailedRequest,
  script: string | undefined,
): string {
  const title =
    status === 503 ? 'The application could not be loaded' : 'A handler of the application failed'
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>${status} ${escapeHtml(headline(error))}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
pre{overflow:auto;padding:1em;border:1px solid #8884}mark{display:block;background:#fc03}
td{vertical-align:top;padding:0 1em 0 0;word-break:break-all}h1{font-size:1.4em}small{opacity:.7}
</style>
<p>${status} ${STATUS_CODES[status] ?? ''}: ${title}. <a href="#advice">What to do</a></p>
${errors(error)}
<h2>Request</h2>
<p><code>${escapeHtml(request.method)} ${escapeHtml(hideInQuery(request.url))}</code></p>
<details><summary>Variables</summary>
<table>
${rows(request.params)}
</table></details>
<h2 id="advice">What to do</h2>
${advice(status, script)}
<p><small>Shown by the development gateway alone: behind a web server the client gets a neutral page, and the error log has
the reason.</small></p>
</html>
`
}

/** The doctor's part: it loads the app by itself, and knows the cures of what stops it. */
function advice(status: number, script: string | undefined): string {
  if (status !== 503) {
    return `<p>The stack above names the line that threw. In the log of a web server this stands as <code>FCGI_HANDLER_FAILED</code>.</p>`
  }
  const file = script === undefined ? 'FILE' : escapeHtml(quoted(script))
  return `<p>Run the doctor on it: <code>npx fastcgi doctor ${file}</code></p>
<p>It loads the app by itself, looks at the first line, the run bit, the Node.js found, the form of the module, packages and
permissions, and names the cure of each. In the log of a web server this stands as <code>FCGI_LOAD_FAILED</code>.</p>`
}

function quoted(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

function errors(error: unknown): string {
  const sections: string[] = []
  let current = error
  for (let depth = 0; depth < MAX_CAUSES; depth++) {
    const heading = escapeHtml(headline(current))
    sections.push(depth === 0 ? `<h1>${heading}</h1>` : `<h2>Caused by ${heading}</h2>`)
    const stack = current instanceof Error ? (current.stack ?? '') : ''
    const place = firstPlace(stack)
    if (place !== undefined) sections.push(source(place))
    if (stack !== '') sections.push(`<pre>${escapeHtml(stack)}</pre>`)
    if (!(current instanceof Error) || current.cause === undefined) break
    current = current.cause
  }
  return sections.join('\n')
}

function headline(error: unknown): string {
  if (error instanceof Error) return `${error.name}: ${error.message}`
  if (typeof error === 'string') return error
  return `thrown: ${inspect(error, { depth: 2 })}`
}

/** The topmost place in the developer's own code, else the topmost in any file. */
function firstPlace(stack: string): Place | undefined {
  let fallback: Place | undefined
  for (const line of stack.split('\n')) {
    // `at f (file:///a.js:1:2)`, `at /a.js:1:2`, and the first line of a SyntaxError: `file:///a.js:1`
    const match = /(?:^|[ (])((?:file:\/\/)?\/[^():]+|file:\/\/\/[^()]+?):(\d+)(?::\d+)?\)?$/.exec(
      line,
    )
    if (match === null) continue
    const place = { path: toPath(match[1]!), line: Number(match[2]) }
    if (!place.path.includes('/node_modules/')) return place
    fallback ??= place
  }
  return fallback
}

function toPath(location: string): string {
  if (!location.startsWith('file:')) return location
  try {
    return fileURLToPath(location.replace(/\?.*$/s, ''))
  } catch {
    return location
  }
}

function source({ path, line }: Place): string {
  let lines: string[]
  try {
    if (statSync(path).size > MAX_SOURCE) return ''
    lines = readFileSync(path, 'utf8').split('\n')
  } catch {
    return ''
  }
  if (line > lines.length) return ''
  const first = Math.max(1, line - CONTEXT)
  const shown = lines.slice(first - 1, line + CONTEXT).map((text, index) => {
    const number = first + index
    const row = escapeHtml(`${String(number).padStart(5)} │ ${text.slice(0, MAX_VALUE)}`)
    return number === line ? `<mark>${row}</mark>` : `${row}\n`
  })
  return `<p><code>${escapeHtml(path)}:${line}</code></p>\n<pre>${shown.join('')}</pre>`
}

function rows(params: FailedRequest['params']): string {
  return Object.entries(params)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      const shown =
        SECRET.test(name) && value !== '' ? '(hidden)' : hideInQuery(value).slice(0, MAX_VALUE)
      return `<tr><td><code>${escapeHtml(name)}</code><td><code>${escapeHtml(shown)}</code>`
    })
    .join('\n')
}

/** `a=1&token=x` → `a=1&token=(hidden)`. */
function hideInQuery(text: string): string {
  return text.replace(/(^|[?&;])([^=?&;]*)=([^&;#]*)/g, (whole, before: string, name: string) =>
    SECRET.test(name) ? `${before}${name}=(hidden)` : whole,
  )
}
