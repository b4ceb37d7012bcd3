/** Starts the app as a web server would, and asks it for a page. */
import type { ChildProcess } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { getValues, request } from '@fastcgi/core/client'
import { explainOutput } from './explain.ts'
import { failed, type Finding, ok, unknown, warning } from './finding.ts'
import { quote } from './interpreter.ts'
import { endOf, isBusy, launch, servesNot, type Ending, type Trial } from './launch.ts'
import { readArrival, Secret } from './secret.ts'
import { tryShared } from './shared.ts'

/** Users give up long before, and so does mod_fcgid. In milliseconds. */
const slowLoad = 8_000
/** How long the exit of a process may be behind the end of its connections, in milliseconds. */
const exitGrace = 5_000
/** What an app does without being asked, and fails at, it does soon: a database that refuses, a promise that nobody awaits. */
const watched = 500

/** Checks `load`, `answer`, `memory-sessions` and, where the script asks for it, `shared`. */
export async function tryApp(trial: Trial): Promise<Finding[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastcgi-doctor-'))
  if (trial.user !== undefined) chownSync(folder, trial.user.uid, trial.user.gid)
  const socket = path.join(folder, 'app.sock')
  const started = performance.now()
  const child = launch(trial, socket)
  let output = ''
  const listening = new Promise<'listening'>((resolve) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (/listening on /.test(output)) resolve('listening')
    })
  })
  const ended = endOf(child, trial.file)
  const told = (): void => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    process.exit(1)
  }
  process.once('SIGINT', told).once('SIGTERM', told)
  const early = (ending: Ending, when = 'before it answered'): Finding[] => [
    endedEarly(ending, when, output, trial),
  ]
  try {
    const late = pause(trial.patience, 'late' as const, { ref: false })
    const state = await Promise.race([listening, ended, late])
    if (state === 'late') return [await silent(trial, child, output)]
    if (state !== 'listening') return early(state)
    const answer = ask(socket, trial)
    // Whoever loses the race may fail later, when nobody listens any more.
    answer.catch(() => {})
    const first = await Promise.race([answer, ended]).catch((error: Error) => error)
    if (first instanceof Error) {
      // A crash breaks the connection, or refuses it, before its exit is seen.
      const ending = await Promise.race([ended, pause(exitGrace, undefined, { ref: false })])
      if (ending !== undefined) return early(ending)
      const busy = await isBusy(child)
      return [
        failed(
          'load',
          `the app listens, and did not answer GET ${trial.page}: ${first.message}${busy ? '; it computes all the while' : ''}`,
          busy
            ? 'look for a loop without end in what it does at its start'
            : `look at what it waits for while it loads (a database, an await), or what GET ${trial.page} waits for; another page: --page /health`,
          tail(output),
        ),
      ]
    }
    if (!('status' in first)) return early(first)
    const took = performance.now() - started
    if (/the app could not be loaded/.test(output)) {
      const { what, fix } = explainOutput(output)
      return [failed('load', `the app cannot be loaded: ${what}`, fix, tail(output))]
    }
    const sessions = await checkSessions(trial, socket, output)
    const soon = await endedSoon(started + took, ended, socket)
    if (soon !== undefined) return early(soon, 'though it had answered, within a second')
    return [
      loaded(took, trial),
      answered(trial.page, first.status, output),
      ...sessions,
      ...(isShared(output) ? [await tryShared(trial)] : []),
    ]
  } finally {
    process.off('SIGINT', told).off('SIGTERM', told)
    await stop(child, ended)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Neither listening nor ended. */
async function silent(trial: Trial, child: ChildProcess, output: string): Promise<Finding> {
  const seconds = (trial.patience / 1000).toFixed(0)
  const what = `after ${seconds} s the process runs, and does not listen`
  if (await isBusy(child)) {
    return failed(
      'load',
      `${what}; it computes all the while`,
      `look for a loop without end at the top of ${trial.file}, and of what it requires\n(it only needs longer? --wait 180)`,
      tail(output),
    )
  }
  return servesNot(trial.file)
    ? failed(
        'load',
        `${what}: ${trial.file} does not call serve()`,
        "serve(() => import('./app.js')) in the place of listen(); an app that calls listen() itself: require('@fastcgi/core/register'); import('./server.js')",
        tail(output),
      )
    : failed(
        'load',
        `${what}: serve() has not been called yet, or waits`,
        'what does the script wait for before serve()? A database, an await? Let serve load the app: serve(() => import(...))',
        tail(output),
      )
}

/** How a process ends that has answered; undefined when it goes on. */
async function endedSoon(
  answered: number,
  ended: Promise<Ending>,
  socketPath: string,
): Promise<Ending | undefined> {
  const left = Math.max(0, answered + watched - performance.now())
  const ending = await Promise.race([ended, pause(left, undefined, { ref: false })])
  if (ending !== undefined) return ending
  try {
    // Who answers this has been through its timers, however slow the machine.
    await getValues({ socketPath, timeout: exitGrace })
    return undefined
  } catch {
    return Promise.race([ended, pause(exitGrace, undefined, { ref: false })])
  }
}

async function ask(
  socket: string,
  { page, patience }: Trial,
): Promise<{ readonly status: number }> {
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

function loaded(took: number, { user, node, file }: Trial): Finding {
  const how =
    node === undefined && file.endsWith('.fcgi')
      ? `, by this Node.js (${process.version})`
      : user === undefined
        ? ''
        : `, as ${user.name}`
  const text = `the app is loaded and answers after ${(took / 1000).toFixed(1)} s${how}`
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

function endedEarly(ending: Ending, when: string, output: string, trial: Trial): Finding {
  if ('refused' in ending) {
    const { code = '', message } = ending.refused
    const closed = code === 'EACCES' || code === 'EPERM'
    return failed(
      'load',
      closed
        ? 'the system does not start the file: permission denied, though its mode allows it'
        : `the system does not start the file: ${message}`,
      closed
        ? `is its file system mounted noexec? findmnt -T ${quote(trial.file)}\nThen name Node.js in the server’s configuration (FcgidWrapper "/usr/bin/node ${trial.file}" .fcgi), or put it elsewhere`
        : 'node app.fcgi --gateway says more',
    )
  }
  const how = ending.code === null ? `by ${String(ending.signal)}` : `with exit code ${ending.code}`
  const { what, fix } = explainOutput(output, ending)
  const as = trial.user === undefined ? '' : `, started as ${trial.user.name},`
  return failed('load', `the process${as} has ended ${how} ${when}: ${what}`, fix, tail(output))
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

async function stop(child: ChildProcess, ended: Promise<Ending>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(timer)
  }
}

function tail(output: string): string | undefined {
  const lines = output
    // What --trace-exit adds has been read.
    .replace(/\n?\(node:\d+\) WARNING: Exited the environment[^]*/, '')
    .trimEnd()
    .split('\n')
    .filter(
      (line) =>
        line !== '' &&
        !/fastcgi: (?:listening on|NODE_ENV was not set|shared is switched off)/.test(line),
    )
  return lines.length === 0 ? undefined : lines.slice(0, 12).join('\n')
}
