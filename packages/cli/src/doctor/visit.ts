/** The questions to the app itself, through the web server in front. */
import { adviceOn, serverName, type ServerName } from './advice.ts'
import { checkArrival } from './arrival.ts'
import { failed, type Finding, ok, unknown, warning } from './finding.ts'
import { ask, type Answer } from './http.ts'
import { type Arrival, readArrival, type Secret } from './secret.ts'
import { notShared } from './shared.ts'
import type { SiteCheck } from './site.ts'

const kilobyte = 1024
/** Sizes around the limits that servers have by default: 128 kB mod_fcgid, 1 MB nginx. */
const uploads = [64 * kilobyte, 256 * kilobyte, 2048 * kilobyte, 16_384 * kilobyte]
/** Around 4 kB (nginx' buffer), 8 kB (Apache's line) and below 16 kB (Node's own limit). */
const headerSizes = [2500, 6500, 14_000]

/** The questions to the app, through the web server. */
export class Visit {
  readonly #check: SiteCheck
  readonly #secret: Secret
  readonly #page: Answer
  #server: ServerName

  constructor(check: SiteCheck, secret: Secret, page: Answer) {
    this.#check = check
    this.#secret = secret
    this.#page = page
    this.#server = serverName(String(page.headers.server ?? ''))
  }

  async run(): Promise<Finding[]> {
    const odd = this.#target('fastcgi-doctor/a%20b?q=1%2F2')
    const first = await this.#arrive(odd)
    // A path that is sent on decoded is none any more where it had a blank.
    const plain = first.answer?.status === 400
    const sent = plain ? this.#target('fastcgi-doctor/ab?q=1') : odd
    const { answer, arrival } = plain ? await this.#arrive(sent) : first
    if (arrival === undefined) return [this.#noAnswer(answer)]
    const named = serverName(arrival.params['SERVER_SOFTWARE'])
    if (named !== 'other') this.#server = named
    const arrived = checkArrival({
      arrival,
      sent,
      base: this.#check.url,
      server: this.#server,
    })
    return [
      ok(
        'arrival',
        `the app answers: ${arrival.params['SERVER_SOFTWARE'] ?? 'unknown server'}, Node.js ${arrival.node}, NODE_ENV ${arrival.nodeEnv ?? 'unset'}`,
      ),
      ...(plain ? [this.#decoded(), ...arrived.slice(1)] : arrived),
      await this.#uploads(),
      await this.#requestHeaders(),
      await this.#responseHeaders(),
      ...(await this.#stream(arrival)),
    ]
  }

  async #arrive(url: URL): Promise<{ answer?: Answer | undefined; arrival?: Arrival | undefined }> {
    const answer = await this.#ask(url, 'params', { Authorization: 'Bearer doctor' })
    return { answer, arrival: answer === undefined ? undefined : readArrival(answer.text) }
  }

  #decoded(): Finding {
    return failed(
      'request-uri',
      'a path with an encoded blank (a%20b) is answered 400: the server sends it decoded, and that is no URL',
      adviceOn('request-uri', this.#server),
    )
  }

  #noAnswer(answer: Answer | undefined): Finding {
    const status = answer === undefined ? '' : ` (${answer.status})`
    if (this.#page.status >= 500) return unknown('arrival', `the app could not be asked${status}`)
    if (answer?.status === 400) {
      return failed(
        'arrival',
        'the doctor’s question was answered 400: variables that every request must have are not sent',
        adviceOn('incomplete', this.#server),
      )
    }
    const more = answer?.status === 404 ? `\n${adviceOn('elsewhere', this.#server)}` : ''
    return failed(
      'arrival',
      `something else than this script answered the doctor${status}`,
      `is it this script that the web server runs, and is its @fastcgi/core of the same version? Static files and caches in front answer for themselves${more}`,
    )
  }

  #target(rest: string): URL {
    const base = new URL(this.#check.url.href)
    base.search = ''
    base.hash = ''
    if (!base.pathname.endsWith('/')) base.pathname += '/'
    return new URL(rest, base)
  }

  async #ask(
    url: URL,
    words: string,
    headers: Record<string, string> = {},
    more: { method?: string; body?: Uint8Array; onFirst?: (text: string) => void } = {},
  ): Promise<Answer | undefined> {
    try {
      return await ask(url, {
        insecure: this.#check.insecure,
        headers: { ...this.#secret.question(words), ...headers },
        ...more,
      })
    } catch {
      return undefined
    }
  }

  async #uploads(): Promise<Finding> {
    let passed = 0
    for (const size of uploads) {
      const answer = await this.#ask(
        this.#target('fastcgi-doctor'),
        'upload',
        {},
        { method: 'POST', body: new Uint8Array(size) },
      )
      const bytes =
        answer?.status === 200
          ? (parse(answer.text) as { bytes?: number } | undefined)?.bytes
          : undefined
      if (bytes !== size) {
        const how =
          answer === undefined
            ? 'the connection is closed'
            : bytes === undefined
              ? `the answer is ${answer.status}`
              : `the app gets ${show(bytes)}, without an error`
        return warning(
          'upload-limit',
          `uploads of ${show(passed)} pass, and for ${show(size)} ${how}`,
          adviceOn(bytes === undefined ? 'upload-limit' : 'upload-cut', this.#server),
        )
      }
      passed = size
    }
    return ok('upload-limit', `an upload of ${show(passed)} passes`)
  }

  async #requestHeaders(): Promise<Finding> {
    let passed = 0
    for (const size of headerSizes) {
      // Several lines: servers limit a line, and all of them together.
      const filler = Object.fromEntries(
        Array.from({ length: Math.ceil(size / 3500) }, (_, i) => [
          `X-Filler-${i}`,
          'x'.repeat(Math.min(3500, size - i * 3500)),
        ]),
      )
      const answer = await this.#ask(this.#target('fastcgi-doctor'), 'params', filler)
      if (answer === undefined || readArrival(answer.text) === undefined) {
        return this.#headerLimit('request', passed, size, answer)
      }
      passed = size
    }
    return ok('request-header', `request headers of ${show(passed)} pass`)
  }

  async #responseHeaders(): Promise<Finding> {
    let passed = 0
    for (const size of headerSizes) {
      const answer = await this.#ask(this.#target('fastcgi-doctor'), `header ${size}`)
      if (answer?.status !== 200) return this.#headerLimit('response', passed, size, answer)
      passed = size
    }
    return ok('response-header', `response headers of ${show(passed)} pass`)
  }

  /** Above 8 kB nobody counts on it. */
  #headerLimit(
    side: 'request' | 'response',
    passed: number,
    size: number,
    answer: Answer | undefined,
  ): Finding {
    const name = `${side}-header` as const
    const how = answer === undefined ? 'the connection is closed' : `the answer is ${answer.status}`
    const text = `${side} headers of ${show(passed)} pass, and for ${show(size)} ${how}`
    return size > 8 * kilobyte ? ok(name, text) : warning(name, text, adviceOn(name, this.#server))
  }

  /** Two at once: does the beginning come before the end, and is it one process that answers both? */
  async #stream(arrival: Arrival): Promise<Finding[]> {
    this.#secret.seal()
    let begun = 0
    const both = [0, 1].map(() =>
      this.#ask(
        this.#target('fastcgi-doctor'),
        'stream',
        {},
        {
          onFirst: () => {
            begun += 1
            // Each waits to be seen; when both are, or one is all there will be, they may end.
            if (begun === 2) this.#secret.release()
          },
        },
      ),
    )
    const answers = (await Promise.all(both)).filter((answer) => answer !== undefined)
    const pids = new Set(
      answers.map(({ text }) => /^first (\d+)$/m.exec(text)?.[1]).filter(Boolean),
    )
    const seen = answers.some(({ text }) => text.includes('released'))
    const findings: Finding[] = []
    if (answers.length === 0) findings.push(unknown('buffering', 'a streamed answer was cut'))
    else if (seen) findings.push(ok('buffering', 'what the app writes is handed on at once'))
    else
      findings.push(
        warning(
          'buffering',
          'an answer is handed on when it is complete: event streams and progress stand still',
          adviceOn('buffering', this.#server),
        ),
      )
    if (arrival.notShared !== undefined) findings.push(notShared(arrival.notShared))
    if (arrival.logLost === true) {
      findings.push(
        warning(
          'log',
          'descriptor 2 of the app is the null device, as lighttpd starts it: errors are written nowhere',
          "give the log a file: serve(app, { log: '/var/log/myapp.log' })",
        ),
      )
    }
    findings.push(this.#processes(pids.size, arrival.memorySessions))
    return findings
  }

  #processes(count: number, memorySessions: boolean): Finding {
    if (count < 2) return ok('processes', 'two requests at once were answered by one process')
    const text = 'two requests at once were answered by two processes'
    if (!memorySessions)
      return ok('processes', `${text}: what the app keeps in memory is not shared`)
    return warning(
      'memory-sessions',
      `${text}, and sessions are kept in memory: users are logged out at random`,
      'keep sessions in a signed cookie or in a store that all processes share\nor let one process run the app for all: serve(app, { shared: true }); on a socket of its own, no workers',
    )
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function show(bytes: number): string {
  if (bytes < 64 * kilobyte)
    return `${(bytes / kilobyte).toFixed(bytes % kilobyte === 0 ? 0 : 1)} kB`
  return bytes < kilobyte ** 2 ? `${bytes / kilobyte} kB` : `${bytes / kilobyte ** 2} MB`
}
