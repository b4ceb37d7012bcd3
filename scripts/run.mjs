// Starts one program at a time for the other scripts: shows that a long step is alive, bounds its
// time, and takes its whole process group down with it, so that nothing is left behind.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/**
 * This process's environment without what `npm run` adds about this project: an npm or pnpm started
 * in another folder would take it for its own. What the user set (a registry, a cache) stays.
 */
export function environment() {
  const added =
    /^npm_(?!config_)|^npm_config_(local_prefix|prefix|global_prefix|user_agent|npm_version|yes|loglevel)$/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !added.test(name)))
}

const running = new Set()

/** A signal to us ends what we started; set up with the first program, not by a mere import. */
function endWithUs() {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      for (const child of running) killGroup(child, 'SIGTERM')
      setTimeout(() => {
        for (const child of running) killGroup(child, 'SIGKILL')
        process.exit(signal === 'SIGINT' ? 130 : 143)
      }, 2000)
    })
  }
}
let first = true

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Gone already.
  }
}

/**
 * Runs a program to its end and resolves with `{ code, output }`; never rejects. `code` is 127 when
 * the program cannot be started and 124 when it took longer than `timeout` ms (default 10 minutes).
 *
 * `show: 'all'` passes its output on; `'failure'` (default) keeps it and prints it when the program
 * fails; `'never'` only returns it.
 */
export function run(command, args, options = {}) {
  const { cwd = root, show = 'failure', timeout = 600_000 } = options
  const env = { ...(options.env ?? process.env) }
  if (process.stdout.isTTY) env.FORCE_COLOR ??= '1'
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      // Never our own stdout: what a program leaves behind would keep it open after we are gone.
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    if (first) endWithUs()
    first = false
    running.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        output += chunk
        if (show === 'all') process.stdout.write(chunk)
      })
    }
    let late = false
    const timer = setTimeout(() => {
      late = true
      killGroup(child, 'SIGKILL')
    }, timeout)
    const done = (code) => {
      if (!running.delete(child)) return
      clearTimeout(timer)
      if (late) {
        code = 124
        const message = `\n${command} took longer than ${Math.round(timeout / 1000)} s and was ended\n`
        if (show === 'all') process.stdout.write(message)
        output += message
      }
      if (code !== 0 && show === 'failure') console.log(output)
      resolve({ code, output })
    }
    child.on('error', (error) => {
      output += `${error.message}\n`
      if (show === 'all') process.stdout.write(output)
      done(127)
    })
    // Something that outlived the program may hold its pipes: their end is waited for one second.
    child.on('exit', (code, signal) => {
      // What the program left running in its group would hold ports and outlive us.
      const status = code ?? (signal ? 1 : 0)
      killGroup(child, 'SIGKILL')
      child.on('close', () => done(status))
      setTimeout(() => done(status), 1000)
    })
  })
}

/**
 * Announces a step, runs it, and says how long it took. While it runs, a line every 10 s shows that
 * it is alive.
 */
export async function step(title, action) {
  const start = Date.now()
  const seconds = () => ((Date.now() - start) / 1000).toFixed(1)
  console.log(`\n> ${title}`)
  const alive = setInterval(() => console.log(`  ... ${title}: ${seconds()} s`), 10_000)
  try {
    return await action()
  } finally {
    clearInterval(alive)
    console.log(`  ${seconds()} s`)
  }
}
