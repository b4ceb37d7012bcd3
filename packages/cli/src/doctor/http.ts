/** The client's side of a site: one request on a connection of its own, with what a check needs to know of it. */
import http from 'node:http'
import https from 'node:https'

/** What is asked. */
export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Accept any certificate. */
  readonly insecure: boolean
  /** Longest silence, in milliseconds. */
  readonly timeout?: number
  /** Called with the first bytes of the body. */
  readonly onFirst?: (text: string) => void
}

/** What came back. */
export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  /** Milliseconds to the first byte of the head. */
  readonly firstByte: number
}

const defaultTimeout = 30_000
/** Of a page so much is read. */
const maxText = 65_536

/** @throws Error of the connection, with its `code` */
export function ask(url: URL, question: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const secure = url.protocol === 'https:'
    const options: https.RequestOptions = {
      method: question.method ?? 'GET',
      headers: {
        'User-Agent': 'fastcgi doctor',
        Accept: '*/*',
        ...(question.body === undefined ? {} : { 'Content-Length': String(question.body.length) }),
        ...question.headers,
      },
      agent: false,
      ...(secure ? { rejectUnauthorized: !question.insecure } : {}),
    }
    const request = (secure ? https : http).request(url, options, (response) => {
      const firstByte = Math.round(performance.now() - started)
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (text === '') question.onFirst?.(chunk)
        if (text.length < maxText) text += chunk
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, firstByte }),
      )
    })
    const timeout = question.timeout ?? defaultTimeout
    request.setTimeout(timeout, () =>
      request.destroy(new Error(`no answer for ${timeout / 1000} s`)),
    )
    request.on('error', reject)
    // A server that refuses an upload may answer before it has read it, and close: the answer counts.
    request.end(question.body)
  })
}
