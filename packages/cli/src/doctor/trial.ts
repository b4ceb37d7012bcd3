/** Starts the app as a web server would, and asks it for a page. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { request } from '@fastcgi/core/client'
import { explainOutput } from './explain.ts'
import { failed, type Finding, ok, unknown, warning } from './finding.ts'
import { readArrival, Secret } from './secret.ts'
import { tryShared } from './shared.ts'

/** mod_fcgid gives a process 60 s to answer at first, nginx any other 60 s; users give up long before. */
const slowLoad = 8_000
const patience = 60_000
/** How long the exit of a process may be behind the end of its connections, in milliseconds. */
const exitGrace = 5_000

/** What to start, and how. */
export interface Trial {
  readonly file: string
  /** The Node.js to run it; undefined: this one. */
  readonly node: string | undefined
  /** PATH of the web server. */
  readonly searchPath: string
  /** Path of the page to ask for. */
  readonly page: string
}

/** Checks `load`, `answer`, `memory-sessions` and, where the script asks for it, `shared`. */
export async function tryApp(trial: Trial): Promise<Finding[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastcgi-doctor-'))
  const socket = path.join(folder, 'app.sock')
  const own = fileURLToPath(new URL('../../bin/fastcgi.js', import.meta.url))
  const words = trial.file.endsWith('.fcgi')
    ? [trial.file, '--listen', socket]
    : [own, 'serve', trial.file, '--listen', socket, '--no-restart-file']
  const started = performance.now()
  const child = spawn(trial.node ?? process.execPath, words, {
    cwd: path.dirname(trial.file),
    // With shared only a web server could start it; that is tried apart.
    env: { PATH: trial.searchPath, FASTCGI_SHARED: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  const listening = new Promise<true>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (/listening on /.test(output)) resolve(true)
    })
  })
  const ended = once(child, 'close').then(([code, signal]: unknown[]) =>
    code === null ? `by ${String(signal)}` : `with exit code ${String(code)}`,
  )
  ended.catch(() => {})
  try {
    const start = await Promise.race([listening, ended.then((how) => ({ how }))])
    if (start !== true) return [endedEarly(start.how, output)]
    const answer = ask(socket, trial.page)
    // Whoever loses the race may fail later, when nobody listens any more.
    answer.catch(() => {})
    const first = await Promise.race([answer, ended.then((how) => ({ how }))]).catch(
      (error: Error) => error,
    )
    if (first instanceof Error) {
      // A crash breaks the connection, or refuses it, before its exit is seen.
      const how = await Promise.race([ended, pause(exitGrace, undefined, { ref: false })])
      if (how !== undefined) return [endedEarly(how, output)]
      return [
        failed(
          'load',
          `the app did not answer: ${first.message}`,
          'look at what it waits for while it loads',
          tail(output),
        ),
      ]
    }
    if ('how' in first) return [endedEarly(first.how, output)]
    const took = performance.now() - started
    if (/the app could not be loaded/.test(output)) {
      const { what, fix } = explainOutput(output)
      return [failed('load', `the app cannot be loaded: ${what}`, fix, tail(output))]
    }
    return [
      loaded(took),
      answered(trial.page, first.status, output),
      ...(await checkSessions(trial, socket, output)),
      ...(isShared(output) ? [await tryShared(trial)] : []),
    ]
  } finally {
    await stop(child, ended)
    rmSync(folder, { recursive: true, force: true })
  }
}

async function ask(socket: string, page: string): Promise<{ status: number }> {
  const response = await request({
    socketPath: socket,
    path: page,
    headers: { Host: 'localhost', Accept: '*/*', 'User-Agent': 'fastcgi doctor' },
    timeout: patience,
  })
  response.body.on('error', () => {})
  response.body.destroy()
  return { status: response.status }
}

function loaded(took: number): Finding {
  const text = `the app is loaded and answers after ${(took / 1000).toFixed(1)} s`
  return took < slowLoad
    ? ok('load', text)
    : warning(
        'load',
        text,
        'each new process costs a visitor that time: load less at the start, or keep processes (FcgidMinProcessesPerClass, your own socket)',
      )
}

function answered(page: string, status: number, output: string): Finding {
  if (status < 500) return ok('answer', `GET ${page} gives ${status}`)
  const { what, fix } = explainOutput(output)
  return failed('answer', `GET ${page} gives ${status}: ${what}`, fix, tail(output))
}

function endedEarly(how: string, output: string): Finding {
  const { what, fix } = explainOutput(output)
  return failed(
    'load',
    `the process has ended ${how} before it answered: ${what}`,
    fix,
    tail(output),
  )
}

function isShared(output: string): boolean {
  return output.includes('shared is switched off')
}

/** Sessions in memory: the app knows after a request, and express-session says it on the error stream. */
async function checkSessions(trial: Trial, socket: string, output: string): Promise<Finding[]> {
  // Of one process for all they are safe as long as that lives.
  if (isShared(output) && !/\d workers? to serve/.test(output)) return []
  let inMemory = /MemoryStore is not designed for a production/.test(output)
  try {
    const secret = new Secret(trial.file)
    try {
      const response = await request({
        socketPath: socket,
        path: trial.page,
        headers: secret.question('params'),
      })
      inMemory ||= readArrival(await response.text())?.memorySessions === true
    } finally {
      secret.remove()
    }
  } catch {
    if (!inMemory)
      return [
        unknown('memory-sessions', 'not looked at: the folder of the script cannot be written'),
      ]
  }
  if (!inMemory) return []
  return [
    warning(
      'memory-sessions',
      'sessions are kept in memory: with several processes (mod_fcgid, workers) users are logged out at random',
      'keep them in a signed cookie (cookie-session, koa-session, @fastify/secure-session), or in a store that all processes share (connect-redis, connect-pg-simple)\nor let one process run the app for all: serve(app, { shared: true }), without workers',
    ),
  ]
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended.catch(() => {})
    clearTimeout(timer)
  }
}

function tail(output: string): string | undefined {
  const lines = output
    .trimEnd()
    .split('\n')
    .filter(
      (line) =>
        line !== '' &&
        !/fastcgi: (?:listening on|NODE_ENV was not set|shared is switched off)/.test(line),
    )
  return lines.length === 0 ? undefined : lines.slice(0, 12).join('\n')
}
