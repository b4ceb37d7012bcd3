/** Which test runs what the documentation tells people to type, and what none runs, with the reason. */
import { commands, type Command } from './documents.ts'

/** Tests that run commands, by what they have to run them with. */
export type Runner =
  /** Booted machines: test/servers/machine-pages.test.ts. */
  | 'machine'
  /** Somebody's app in a folder: docs-run.test.ts. */
  | 'app'
  /** The packed packages and a registry of its own: docs-install.test.ts. */
  | 'install'
  /** A clone of this repository: docs-repository.test.ts. */
  | 'repository'
  /** Nobody: `reasons`. */
  | 'none'

/** The commands that no test runs as they stand, each with its reason. */
export const reasons: Readonly<Record<string, string>> = {
  // The run that this test is part of.
  'npm test': 'is what runs this test',
  'npm test -- --only checks': 'is a part of the run',
  'npm run test:unit': 'is a part of the run',
  'npm run test:servers': 'is a part of the run',
  'npm run test:package': 'is the part of the run that this test is in',
  'npm run test:nodes': 'is a part of the run',
  'npm run test:servers -- nginx': 'is a part of the run',
  'npx vitest --project unit pairs': 'watches files until it is ended',
  'npm run lint': 'is a part of the run, as "lint" and "what nobody uses"',
  'npm run typecheck': 'is a part of the run, as "types"',
  'npm run format': 'writes into the repository; the run checks the format',
  // Long.
  'npm run test:long': 'takes an hour',
  'npm run test:long -- test/servers/deploys': 'takes minutes',
  'npm run fuzz': 'takes minutes',
  'npm run soak': 'takes half an hour',
  'npm run soak -- --minutes 30': 'takes half an hour',
  'node test/suites/next/run.mjs': 'installs Next.js and takes minutes',
  'node test/suites/run.mjs --runner mocha "--args=--require test/support/env --check-leaks" express':
    'needs a clone of Express; its options are tried with --help',
  'git clone https://github.com/expressjs/express && (cd express && npm install)':
    'loads a repository of somebody else',
  // Need the registry's own answers.
  'npm audit': 'asks the registry for weaknesses, which a mirror does not answer',
  'npx pnpm@12.21.0 audit': 'asks the registry for weaknesses, which a mirror does not answer',
  'npm audit signatures': 'asks the registry for keys, once the packages are there',
}

const bench = /^(?:pnpm bench|node packages\/bench\/)/

/** A name with places to fill in, or the first words of a command: its words are checked by docs.test.ts. */
const isName = ({ inline, text }: Command): boolean =>
  inline &&
  (/\b(?:ENTRY|SERVER|TARGET|PATH|ADDRESS|SCRIPT|COMMAND|CLONE)\b|\.\.\.\]/.test(text) ||
    /^(?:fastcgi [a-z]+|chmod 755|kill -HUP|ulimit -n|caddy reload|spawn-fcgi -F|systemctl reload|tsc -b|npx changeset|journalctl -p err)$/.test(
      text,
    ) ||
    text === 'node --import @fastcgi/core/register')

/** Who runs it; undefined for a command that nobody has thought of. */
export function runnerOf(command: Command): Runner | 'name' | undefined {
  const { file, text } = command
  if (reasons[text] !== undefined || bench.test(text)) return 'none'
  if (isName(command)) return 'name'
  if (
    /^(?:systemctl|journalctl|systemd-|a2|apt-get|socat|echo "s|runuser|curl|useradd|lighttpd-enable-mod)/.test(
      text,
    )
  ) {
    return 'machine'
  }
  if (/^[A-Z]+=\S+ myapp\.sh$/.test(text)) return 'machine'
  if (file.startsWith('examples/servers/') && text !== 'npm run setup') return 'machine'
  return undefined
}

export const commandsFor = (runner: Runner): Command[] =>
  commands.filter((command) => runnerOf(command) === runner)
