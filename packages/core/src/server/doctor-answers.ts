// The answers to `fastcgi doctor`: how this request arrived, how much of an upload came, how long a header may be, and
// whether a response is handed on as it is written. Loaded when the doctor asks.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { DoctorQuestion } from './doctor.ts'
import { outcome } from '../shared/wanted.ts'
import { isLogLost } from './log.ts'
import { memorySessionsSeen } from './memory-sessions.ts'

/** Longest response header that can be asked for, in bytes; web servers end at 4 to 100 KiB. */
const maxHeader = 65_536
/** How long a streamed answer waits for the doctor to have seen its beginning, in milliseconds. */
const streamWait = 3_000
const streamLook = 25

const shown = [
  'REQUEST_METHOD',
  'REQUEST_URI',
  'SCRIPT_NAME',
  'PATH_INFO',
  'SCRIPT_FILENAME',
  'QUERY_STRING',
  'HTTPS',
  'REQUEST_SCHEME',
  'REMOTE_ADDR',
  'SERVER_SOFTWARE',
  'SERVER_NAME',
  'SERVER_PORT',
  'SERVER_PROTOCOL',
  'HTTP_PROXY',
]

/** Answers one question: `params`, `upload`, `header N` or `stream`. */
export async function answerDoctor(
  question: DoctorQuestion,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [word, argument] = question.words
  response.setHeader('Cache-Control', 'no-store')
  try {
    if (word === 'params') reply(response, arrival(request))
    else if (word === 'upload') reply(response, { bytes: await count(request) })
    else if (word === 'header') {
      const length = Math.min(Number(argument) || 0, maxHeader)
      // One header line may be as long as 8 KiB under Apache: what is asked for is the whole block.
      const lines = Math.ceil(length / 4000)
      for (let line = 0; line < lines; line++) {
        response.setHeader(`X-Filler-${line}`, 'x'.repeat(Math.min(4000, length - line * 4000)))
      }
      reply(response, { length })
    } else if (word === 'stream') await stream(question, response)
    else reply(response, { unknown: word })
  } catch {
    // The doctor's connection broke: there is nobody to tell.
    response.destroy()
  }
}

function reply(response: ServerResponse, value: unknown): void {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(value))
}

function arrival(request: IncomingMessage): unknown {
  const { params, mount, remoteUser } = request.fastcgi
  return {
    url: request.url,
    originalUrl: (request as { originalUrl?: string }).originalUrl ?? request.url,
    mount,
    remoteUser,
    authorization: request.headers.authorization,
    encrypted: (request.socket as { encrypted?: boolean }).encrypted === true,
    params: Object.fromEntries(
      shown.filter((name) => name in params).map((name) => [name, params[name]]),
    ),
    pid: process.pid,
    node: process.version,
    nodeEnv: process.env.NODE_ENV,
    memorySessions: memorySessionsSeen(),
    logLost: isLogLost(),
    notShared: outcome.notShared,
  }
}

async function count(request: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const chunk of request) bytes += (chunk as Buffer).length
  return bytes
}

async function stream(question: DoctorQuestion, response: ServerResponse): Promise<void> {
  response.setHeader('Content-Type', 'text/plain')
  response.write(`first ${process.pid}\n`)
  const end = performance.now() + streamWait
  while (!question.released() && performance.now() < end) await pause(streamLook)
  response.end(question.released() ? 'released\n' : 'nobody has seen the first line\n')
}
