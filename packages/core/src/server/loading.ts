// Loads the app behind its gate, and says what became of it: an app that does not load costs every request a 503, what a
// handler throws costs its own a 500, and the log has the reason of each under the number that the page tells.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { loadApp, requestTaker } from './app.ts'
import { watchAppExit } from './app-exit.ts'
import { endProcess, type Call } from './call.ts'
import { answer, type AppGate } from './gate.ts'
import { describeError } from './log.ts'
import { tellOrigin } from './no-app.ts'
import { failedHandler, failedLoad, newReference, type FailurePage } from './refusals.ts'

/** It may look for its response elsewhere; but of most such functions no request would ever have an answer, without a word. */
const oneParameter =
  'warning: the app is a function with one parameter, where a listener has two, (req, res). If it takes a Request and returns a Response, as handlers of the Fetch API do, make a listener of it, such as getRequestListener(handler) of @hono/node-server'

/**
 * Loads the app and opens the gate to it.
 *
 * @param page given in development
 * @returns whether it could be loaded
 */
export async function loadBehind(
  gate: AppGate,
  { app, options, watching, script, log }: Call,
  page: FailurePage | undefined,
): Promise<boolean> {
  let loading = true
  if (options.signals !== false) watchAppExit(log, () => loading)
  try {
    const loaded = await loadApp(app)
    const { adapt } = options
    const taker = requestTaker(adapt ? await adapt(loaded as never) : loaded)
    if (typeof taker === 'function' && taker.length === 1) log.write(oneParameter)
    watching.loaded(taker)
    // Those that have waited are answered within the next line.
    loading = false
    gate.open(taker)
    return true
  } catch (error) {
    loading = false
    const { locateSyntaxError } = await import('./syntax-error.ts')
    await locateSyntaxError(error, script)
    tellOrigin(error, app, script)
    const reference = newReference()
    log.write(
      `the app could not be loaded, every request is answered 503: ${describeError(error)}\nFCGI_LOAD_FAILED ${reference}`,
      'error',
    )
    gate.refuse(failedLoad(error, page, reference))
    return false
  }
}

/** What a handler threw costs its request and no other. */
export function answerFailure(
  call: Call,
  page: FailurePage | undefined,
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { log, options } = call
  const reference = newReference()
  log.write(
    `${request.method} ${request.url}: ${describeError(error)}\nFCGI_HANDLER_FAILED ${reference}`,
    'error',
  )
  try {
    answer(request, response, failedHandler(error, page, reference))
  } catch (failure) {
    // Whatever the app has done to its response: it costs this request, not the process.
    log.write(`the error page could not be written: ${describeError(failure)}`, 'error')
    response.destroy()
  }
  if (options.exitOnError !== true) return
  endProcess(call, 1, 'a handler has thrown (option exitOnError): finishing what runs, then ending')
}
