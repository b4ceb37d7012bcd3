/** Reads what a failing app wrote, and says what it means. */
import path from 'node:path'
import { isThere, nearMiss, placeIn, requiredBy } from './traces.ts'

/** What is wrong, and what to do. */
export interface Explanation {
  readonly what: string
  readonly fix: string
}

/** How a process came to its end, where it did. */
export interface End {
  /** Exit code; null for one that a signal ended. */
  readonly code: number | null
  readonly signal: string | null
  /** The script calls neither `serve` nor `register`, as far as its text tells. */
  readonly servesNot: boolean
}

const register = "require('@fastcgi/core/register'); import('./server.js')"

type Rule = readonly [RegExp, (match: RegExpExecArray, output: string) => Explanation]

const rules: readonly Rule[] = [
  [
    /Cannot find (?:package|module) '((?:@[\w.-]+\/)?[a-z][\w.-]*)(\/[^']*)?'(?: imported from (\S+))?/,
    ([, name, inside, from], output) =>
      inside !== undefined && isThere(name!, from ?? requiredBy(output))
        ? {
            what: `the package ${name} is installed, and has no ${inside.slice(1)}`,
            fix: `another version of ${name} had it? npm ls ${name}, and npm install with the version that the app was written for`,
          }
        : {
            what: `the package ${name} is not installed`,
            fix: `npm install ${name}\n(uploaded by hand? upload node_modules too, or run npm install --omit=dev on the server)`,
          },
  ],
  [
    /Cannot find (?:package|module) '([./][^']*)'(?: imported from (\S+))?/,
    ([, name, from], output) => {
      const by = from ?? requiredBy(output)
      const near = nearMiss(by === undefined ? name! : path.resolve(path.dirname(by), name!))
      return {
        what: `there is no file ${name}${by === undefined ? '' : `, which ${by} asks for`}`,
        fix:
          near === undefined
            ? 'was it uploaded? Mind the ending (.js, .mjs) and capital letters: on Linux App.js and app.js are two files'
            : `there is ${near}: write the name so (capital letters count, and import wants the ending), or rename the file`,
      }
    },
  ],
  [
    /Unknown file extension "\.fcgi"/,
    () => ({
      what: 'Node.js took the .fcgi for an ES module, which it refuses under that ending',
      fix: "no import, export or await outside functions in a .fcgi: const { serve } = require('@fastcgi/core'), and serve(() => import('./app.js'))",
    }),
  ],
  [
    /require is not defined in ES module scope[^]*?(?:file:\/\/)?(\/[^\s()]+?):\d+/,
    ([, file]) => ({
      what: `${file} is an ES module, by its ending or by "type": "module" in package.json, and uses require()`,
      fix: `rename it to end in .cjs (and its name where it is imported), or write import in the place of require`,
    }),
  ],
  [
    /(\/[^\s()]+?):\d+[^]*?SyntaxError: (?:Cannot use import statement outside a module|Unexpected token 'export')/,
    ([, file]) => ({
      what: `${file} is written as an ES module, and Node.js takes it for CommonJS`,
      fix: `rename it to end in .mjs, and its name in the .fcgi: import('./${path.basename(file!).replace(/\.\w+$/, '.mjs')}')`,
    }),
  ],
  [
    /ERR_REQUIRE_ASYNC_MODULE|ERR_REQUIRE_ESM/,
    (_match, output) => {
      const [, file] = /^(?:fastcgi:)?\s*Requiring (\S+)/m.exec(output) ?? []
      return {
        what: `${file ?? 'the app'} is an ES module that require() cannot load: it awaits at its top level, or Node.js is too old`,
        fix: `let serve load it by import(): serve(() => import('./${file === undefined ? 'app.mjs' : path.basename(file)}'))`,
      }
    },
  ],
  [
    /((?:file:\/\/)?\/[^\s()]+:\d+)[^\n]*\n[^]*?SyntaxError: ([^\n]+)/,
    ([, place, message]) => ({ what: `SyntaxError in ${place}: ${message}`, fix: `mend ${place}` }),
  ],
  [
    /SyntaxError: ([^\n]+)/,
    ([, message]) => ({
      what: `SyntaxError: ${message}`,
      fix: 'the lines above name the file; node --check FILE finds the place',
    }),
  ],
  [
    /Unknown file extension "(\.[mc]?tsx?)"/,
    ([, extension]) => ({
      what: `this Node.js does not run ${extension} files`,
      fix: 'take Node.js 22.18 or later, which does, or name the compiled .js file',
    }),
  ],
  [
    /NODE_MODULE_VERSION|ERR_DLOPEN_FAILED|invalid ELF header/,
    () => ({
      what: 'a package was built for another Node.js or another system',
      fix: 'on the server, with the Node.js that will run it: npm rebuild (or rm -r node_modules && npm install)',
    }),
  ],
  [
    /(?:No \w+ app, but|The app must be a \(req, res\) listener or an http\.Server, not|(\S+) exports no app, but) ([^\n]+?): ([^\n]+?)(?: \((?:from|in) [^\n]+\))?$/m,
    ([, file, given, fix]) => ({ what: `${file ?? "the app's file"} exports ${given}`, fix: fix! }),
  ],
  [
    /has no default export/,
    ([message]) => ({
      what: `what the app's file exports is no app: ${message}`,
      fix: `export the app itself there: export default app, or module.exports = app\nor, when it calls listen() itself: ${register}`,
    }),
  ],
  [
    /adapter is not installed: run ([^\n]+)/,
    ([, command]) => ({ what: 'the adapter of its framework is not installed', fix: command! }),
  ],
  [
    /EADDRINUSE/,
    () => ({
      what: 'something tried to listen on a port that is taken',
      fix: "the app calls listen() itself: export it instead, or use require('@fastcgi/core/register')",
    }),
  ],
  [
    /ECONNREFUSED[^\n]*/,
    ([line]) => ({
      what: `something that the app needs cannot be reached (${line})`,
      fix: 'is the database running, and are its settings known here? A web server passes on no environment but PATH: FcgidInitialEnv, Environment= of the unit, or a .env file',
    }),
  ],
  [
    /ENOENT: no such file or directory, (\w+) '([^'\n]+)'/,
    ([, , file], output) => ({
      what: `the app wants ${file}, which is not there${at(output)}`,
      fix: path.isAbsolute(file!)
        ? 'was it uploaded? FTP programs hide and skip names that begin with a dot'
        : 'a relative name counts from the folder in which the process was started, and under a web server that need not be the app’s: path.join(import.meta.dirname, …) or __dirname',
    }),
  ],
  [
    /(?:EACCES|EPERM|EROFS): ([^,\n]+), (\w+) '([^'\n]+)'/,
    ([, message, call, file], output) => ({
      what: `${message}: ${call} ${file}${at(output)}`,
      fix: `the user that runs the app needs that access: chown or chmod ${file}, or its folder\n(another user runs it? name it: --user NAME)`,
    }),
  ],
  [
    /heap out of memory|Cannot allocate memory|ENOMEM/,
    () => ({
      what: 'there is not enough memory',
      fix: 'load less at the start; or raise the limit of the account, or node --max-old-space-size (#!/usr/bin/env -S node --max-old-space-size=400)',
    }),
  ],
  [
    /a value that is no Error was thrown: ([^\n]+)/,
    ([, value]) => ({
      what: `the app threw ${value}, which is no Error and so has no stack`,
      fix: 'throw new Error(…), and the log names the line',
    }),
  ],
  [
    /^(?:fastcgi: )?.*?\b((?:[A-Z]\w*)?Error(?: \[\w+\])?: [^\n]+)/m,
    ([, message], output) => {
      const place = placeIn(output)
      return {
        what: `${message}${at(output)}`,
        fix: place === undefined ? 'the stack names the line' : `look at ${place}`,
      }
    },
  ],
]

/** What the output of a failing process means, and what to do. */
export function explainOutput(output: string, end?: End): Explanation {
  const exit = /Exited the environment with code \d+\n([^]*)/.exec(output)
  const said = exit === null ? output : output.slice(0, exit.index)
  for (const [pattern, explain] of rules) {
    const match = pattern.exec(said)
    if (match !== null) return explain(match, said)
  }
  const crash = end?.signal === null ? undefined : signals[end?.signal ?? '']
  if (crash !== undefined) return crash
  const last = said
    .split('\n')
    .map((line) => line.trim())
    .findLast((line) => line !== '' && !line.startsWith('fastcgi: ') && !/^\(node:\d+\)/.test(line))
  const what = last === undefined ? 'it wrote nothing' : `it wrote ${JSON.stringify(last)}`
  const place = exit === null ? undefined : placeIn(exit[1]!)
  if (place !== undefined) {
    return { what: `${what}, and called process.exit() at ${place}`, fix: `look at ${place}` }
  }
  if (end?.code === 0 && end.servesNot) {
    return {
      what: `${what}, and it does not call serve()`,
      fix: `end the file with serve(() => import('./app.js')); an app that calls listen() itself: ${register}`,
    }
  }
  return {
    what,
    fix: 'does the app call process.exit()? Run it by hand: node app.fcgi --gateway',
  }
}

const native: Explanation = {
  what: 'Node.js itself or a native package crashed',
  fix: 'on the server, with the Node.js that will run it: npm rebuild (or rm -r node_modules && npm install), and update the native packages (sharp, bcrypt, sqlite …)',
}
const signals: Partial<Record<string, Explanation>> = {
  SIGABRT: native,
  SIGSEGV: native,
  SIGBUS: native,
  SIGILL: native,
  SIGKILL: {
    what: 'something killed it: usually the limit of memory or of processes of the account or container',
    fix: 'load less at the start, or have the limit raised: the host’s panel (resource usage), MemoryMax= of the unit, dmesg',
  },
}

function at(output: string): string {
  const place = placeIn(output)
  return place === undefined ? '' : ` (${place})`
}
