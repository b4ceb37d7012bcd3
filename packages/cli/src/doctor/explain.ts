/** Reads what a failing app wrote, and says what it means. */

interface Explanation {
  readonly what: string
  readonly fix: string
}

const rules: readonly (readonly [RegExp, (match: RegExpExecArray) => Explanation])[] = [
  [
    /Cannot find (?:package|module) '((?:@[\w.-]+\/)?[a-z][\w.-]*)(?:\/[^']*)?'/,
    ([, name]) => ({
      what: `the package ${name} is not installed`,
      fix: `npm install ${name}\n(uploaded by hand? upload node_modules too, or run npm install --omit=dev on the server)`,
    }),
  ],
  [
    /Cannot find (?:package|module) '([./][^']*)'/,
    ([, name]) => ({
      what: `there is no file ${name}`,
      fix: 'mind the ending (.js, .mjs) and capital letters: on Linux App.js and app.js are two files',
    }),
  ],
  [
    /([^\s()]+:\d+)[^\n]*\n[^]*?SyntaxError: ([^\n]+)/,
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
    /has no default export/,
    () => ({
      what: 'the app exports nothing as default',
      fix: "export default app\nor, when it calls listen() itself: require('@fastcgi/core/register'); import('./server.js')",
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
    /heap out of memory|Cannot allocate memory|ENOMEM/,
    () => ({
      what: 'there is not enough memory',
      fix: 'raise the limit of the account, or node --max-old-space-size',
    }),
  ],
  [
    /^(?:fastcgi: )?.*?\b((?:[A-Z]\w*)?Error(?: \[\w+\])?: [^\n]+)/m,
    ([, message]) => ({ what: message!, fix: 'the stack names the line' }),
  ],
]

/** What the output of a failing process means, and what to do. */
export function explainOutput(output: string): Explanation {
  for (const [pattern, explain] of rules) {
    const match = pattern.exec(output)
    if (match !== null) return explain(match)
  }
  const last = output
    .split('\n')
    .map((line) => line.trim())
    .findLast((line) => line !== '' && !line.startsWith('fastcgi: '))
  const fix = 'does the app call process.exit()? Run it by hand: node app.fcgi --gateway'
  return { what: last === undefined ? 'it wrote nothing' : `it wrote ${JSON.stringify(last)}`, fix }
}
