/** Runs one scenario on one side. */
import type http from 'node:http'

import type { Observation, Scenario } from './scenario.ts'
import type { Side } from './side.ts'
import { errorText, Trace } from './trace.ts'

/** The scenario that a server's requests belong to at the moment. */
export class Stage {
  #scenario: Scenario | undefined
  #trace = new Trace()

  readonly listener: http.RequestListener = (request, response) => {
    const trace = this.#trace
    trace.watch(request, response, this.#scenario?.quiet === true)
    const result = this.#scenario?.handler(request, response, trace)
    if (result instanceof Promise) {
      result.catch((error: unknown) => trace.note(`handler rejected ${errorText(error)}`))
    }
  }

  async run(scenario: Scenario, side: Side): Promise<Observation> {
    const trace = new Trace()
    this.#trace = trace
    this.#scenario = scenario
    const undo = scenario.server?.(side.server, trace)
    const restore = catchUncaught(trace)
    try {
      const answer = await (scenario.client ?? simple)((request) => side.open(request), trace)
      await answer.ended()
      if (scenario.open !== true) await trace.until(() => trace.closed, "the response's close")
      if (scenario.settled) {
        await trace.until(() => scenario.settled!(trace), 'what the scenario waits for')
      }
      await quiescence(trace)
      trace.log.push(`at last [${trace.state()}]`)
      return {
        status: answer.status,
        reason: answer.reason,
        headers: answer.headers.filter((line) => !connectionHeader.test(line)).map(withoutDate),
        body: bodyText(answer.body),
        end: answer.end,
        interim: answer.interim,
        trailers: answer.trailers,
        log: trace.log,
        values: trace.values,
      }
    } finally {
      restore()
      undo?.()
    }

    async function simple(open: Side['open']): ReturnType<NonNullable<Scenario['client']>> {
      const answer = open(scenario.request ?? {})
      await answer.ended()
      return answer
    }
  }
}

/** Belong to the connection, which the web server has with the client. */
const connectionHeader = /^(?:connection|keep-alive|transfer-encoding|trailer):/

/** Dates differ by the second; that there is one is compared. */
function withoutDate(line: string): string {
  return /^date: .+ GMT$/.test(line) ? 'date: (now)' : line
}

function bodyText(body: Buffer): string {
  return body.length <= 4096 ? body.latin1Slice() : `${body.length} bytes, ${checksum(body)}`
}

export function checksum(bytes: Uint8Array): string {
  let sum = 0
  for (const byte of bytes) sum = (sum * 31 + byte) >>> 0
  return sum.toString(16)
}

/** Nothing more happens: some turns of the event loop without an entry. */
async function quiescence(trace: Trace): Promise<void> {
  let entries = -1
  for (let quiet = 0; quiet < 8; quiet++) {
    if (trace.log.length !== entries) {
      entries = trace.log.length
      quiet = 0
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Errors nobody catches are entries of the log. */
function catchUncaught(trace: Trace): () => void {
  const events = ['uncaughtException', 'unhandledRejection'] as const
  const restores = events.map((event) => {
    const saved = process.listeners(event as 'uncaughtException')
    process.removeAllListeners(event)
    process.on(event, (error: unknown) => trace.note(`${event} ${errorText(error)}`))
    return (): void => {
      process.removeAllListeners(event)
      for (const listener of saved) process.on(event as 'uncaughtException', listener)
    }
  })
  return () => {
    for (const restore of restores) restore()
  }
}
