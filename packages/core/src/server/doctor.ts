// Answers `fastcgi doctor`, which asks through the web server how requests arrive. It proves that it may by a secret in
// a file beside the script, which only somebody who may write there can have put; without that file nothing happens.
import { readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'

/** Header with the secret and the question. */
export const doctorHeader = 'x-fastcgi-doctor'
/** The file with the secret, beside the real script. */
export const doctorFile = '.fastcgi-doctor'

/** A secret older than this, in milliseconds, was forgotten there. */
const maxAge = 600_000
/** 32 bytes in hexadecimal, and a second line. */
const maxSize = 256n

/** A question whose secret is right. */
export interface DoctorQuestion {
  readonly words: readonly string[]
  /** Whether the doctor has written the second line: it has seen the beginning of a streamed answer. */
  readonly released: () => boolean
}

/**
 * Reads the doctor's question out of a request.
 *
 * @param script real path of the script
 * @returns undefined for everybody else's requests, which go to the app
 */
export function doctorQuestion(
  request: IncomingMessage,
  script: string | undefined,
): DoctorQuestion | undefined {
  const header = request.headers[doctorHeader]
  if (typeof header !== 'string' || script === undefined) return undefined
  const file = join(dirname(script), doctorFile)
  const [secret = '', ...words] = header.split(' ')
  const lines = readSecret(file)
  if (lines === undefined || !same(lines[0] ?? '', secret)) return undefined
  return { words, released: () => (readSecret(file)?.length ?? 2) > 1 }
}

function readSecret(file: string): string[] | undefined {
  try {
    // In bigint, as everywhere here: Node's realpathSync takes the last plain stat for its own.
    const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
    if (!stat?.isFile() || stat.size > maxSize) return undefined
    if (Math.abs(Date.now() - Number(stat.mtimeMs)) > maxAge) return undefined
    return readFileSync(file, 'latin1').split('\n').filter(Boolean)
  } catch {
    return undefined
  }
}

function same(expected: string, given: string): boolean {
  if (expected.length < 32 || expected.length !== given.length) return false
  // Not imported: node:crypto takes 2.5 ms to load, and only the doctor's own requests come here.
  const { timingSafeEqual } = process.getBuiltinModule('node:crypto')
  return timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(given, 'latin1'))
}

/** What `serve` asks of each request before it reaches the app. */
export function doctorIntercept(
  script: string | undefined,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    if (request.headers[doctorHeader] === undefined) return false
    const question = doctorQuestion(request, script)
    if (question === undefined) return false
    void import('./doctor-answers.ts').then(({ answerDoctor }) =>
      answerDoctor(question, request, response),
    )
    return true
  }
}
