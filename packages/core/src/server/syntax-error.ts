// Finds the file of a syntax error. Node tells it when the error ends the process, but an error that is caught from
// `import()` has a stack of Node's own functions only: "Unexpected token ';'" and no file.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Files looked at: an app's own modules, nearest to the script first. */
const maxFiles = 50
/** Milliseconds to check one file, and all of them. */
const checkTimeout = 5_000
const allTimeout = 20_000
const maxSource = 1024 * 1024

/**
 * Puts file, line and source before the stack of a syntax error that does not tell them, as Node does for CommonJS.
 * Looks through the modules that the script imports by relative paths, which are written in it; runs nothing of them.
 *
 * @param script path of the script the process was started with
 */
export async function locateSyntaxError(error: unknown, script: string | undefined): Promise<void> {
  if (!(error instanceof SyntaxError) || script === undefined) return
  if (error.stack === undefined || !error.stack.startsWith('SyntaxError')) return
  const deadline = Date.now() + allTimeout
  for (const file of importedFiles(script)) {
    if (Date.now() > deadline) return
    const report = await check(file)
    if (report !== undefined) {
      error.stack = `${report}\n\n${error.stack}`
      return
    }
  }
}

/** The first lines of what `node --check` says, up to the blank line; undefined: the file is well-formed. */
function check(file: string): Promise<string | undefined> {
  return new Promise((done) => {
    // Without NODE_OPTIONS: what it preloads may be the program itself.
    const env = { ...process.env, NODE_OPTIONS: '' }
    const options = { timeout: checkTimeout, env }
    execFile(process.execPath, ['--check', file], options, (failure, _, stderr) => {
      const report = stderr.slice(0, Math.max(0, stderr.search(/\n\s*\n/)))
      done(failure !== null && report.includes(file) ? report : undefined)
    })
  })
}

const imports =
  /(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\()\s*(['"])((?:\.{0,2}\/|file:)[^'"\n]+)\1/g

/** The files a script imports, and those they import, breadth first; the process's own script is not among them: it runs. */
function* importedFiles(script: string): Generator<string> {
  const real = realPath(script) ?? script
  const seen = new Set([real])
  const queue = [...seen]
  if (real !== realPath(process.argv[1] ?? '')) yield real
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    for (const [, , specifier] of readSource(file).matchAll(imports)) {
      const imported = resolveFile(specifier!, file)
      if (imported === undefined || seen.has(imported) || seen.size > maxFiles) continue
      seen.add(imported)
      queue.push(imported)
      yield imported
    }
  }
}

function resolveFile(specifier: string, from: string): string | undefined {
  try {
    const path = specifier.startsWith('file:')
      ? fileURLToPath(specifier)
      : resolve(dirname(from), specifier)
    for (const ending of ['', '.js', '.cjs', '.mjs', '/index.js']) {
      const candidate = path + ending
      if (existsSync(candidate) && statSync(candidate).isFile()) return realPath(candidate)
    }
  } catch {
    // Whatever cannot be read is not where the error is.
  }
  return undefined
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

function readSource(file: string): string {
  try {
    return statSync(file).size > maxSource ? '' : readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
