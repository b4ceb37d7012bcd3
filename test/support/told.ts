/** Which test runs what the documentation tells people to type, and what none runs, with the reason. */
import { commands, documents, type Block, type Command } from './documents.ts'

/** Tests that run commands, by what they have to run them with. */
export type Runner =
  /** Booted machines: test/servers/machine-pages.test.ts. */
  | 'machine'
  /** Somebody's app in a folder: docs-run.test.ts. */
  | 'app'
  /** The packed packages and a registry of its own: docs-install.test.ts. */
  | 'install'
  /** This repository: docs-install.test.ts. */
  | 'repository'
  /** Nobody: `reasons`. */
  | 'none'

/** The commands that no test runs as they stand, with whatever options, each with its reason. */
export const reasons: Readonly<Record<string, string>> = {
  // The run that this test is part of.
  'npm test': 'is what runs this test',
  'npm run test:unit': 'is a part of the run',
  'npm run test:servers': 'is a part of the run',
  'npm run test:package': 'is the part of the run that this test is in',
  'npm run test:nodes': 'is a part of the run',
  'npx vitest --project unit pairs': 'watches files until it is ended',
  'npm run lint': 'is a part of the run, as "lint" and "what nobody uses"',
  'npm run typecheck': 'is a part of the run, as "types"',
  'npm run format': 'writes into the repository; the run checks the format',
  'npm run setup': 'is the first step of the run',
  'npm run build': 'is the first step of the run',
  'npx pnpm@12.21.0 install': 'is what `npm run setup` does',
  'pnpm install': 'is what `npm run setup` does',
  'npm run api': 'writes into the repository; test/api says whether it would write anything',
  'npm run tarballs': 'builds, and packs as `npm run release -- --dry-run` does',
  'npx changeset version': 'is done in a copy by package.test.ts',
  'npx changeset': 'asks its questions in a terminal',
  'npm publish packed/NAME.tgz --access public --no-provenance': 'publishes',
  'cp -r packages/core/lib ../before && echo \'{"type":"module"}\' > ../before/package.json':
    'writes outside of the repository',
  // Long.
  'npm run test:long': 'takes an hour',
  'npm run fuzz': 'takes minutes',
  'npm run soak': 'takes half an hour',
  'pnpm bench': 'measures for minutes, on a machine that does nothing else; --help is run',
  'node packages/bench/dist/shared.js': 'measures for minutes',
  'node test/suites/next/run.mjs': 'installs Next.js and takes minutes',
  'node test/suites/run.mjs --runner mocha "--args=--require test/support/env --check-leaks" express':
    'needs a clone of Express; its options are tried with --help',
  'git clone https://github.com/expressjs/express && (cd express && npm install)':
    'loads a repository of somebody else',
  // Need the registry's own answers.
  'npm run audit': 'is a part of the run in continuous integration',
  'npm audit': 'asks the registry for weaknesses, which a mirror does not answer',
  'npm audit signatures': 'asks the registry for keys, once the packages are there',
}

/** A name with places to fill in, or the first words of a command: that the words are right is said by docs.test.ts. */
const isName = ({ inline, text }: Command): boolean =>
  inline &&
  (/\b(?:ENTRY|SERVER|TARGET|PATH|ADDRESS|SCRIPT|COMMAND)\b/.test(text) ||
    /^(?:npx )?fastcgi [a-z]+$/.test(text) ||
    names.includes(text))

const names = [
  'chmod 755',
  'kill -HUP',
  'ulimit -n',
  'caddy reload',
  'spawn-fcgi -F',
  'systemctl reload',
  'tsc -b',
  'journalctl -p err',

  'node --import @fastcgi/core/register',
  'changeset publish',
  'npm init',
  'npm run release',
]

const administration =
  /^(?:(?:systemctl|journalctl|systemd-[\w-]+|a2\w+|apt-get|socat|runuser|curl|useradd|lighttpd-enable-mod|spawn-fcgi) |echo "s|[A-Z]+=\S+ myapp\.sh$)/

/** Besides the pages of examples/servers. */
const onMachines = ['README.md', 'docs/scale.md', 'examples/authorizer/README.md']

export const isServerPage = (file: string): boolean =>
  /^examples\/servers\/[^/]+\/README\.md$/.test(file)

const application =
  /^(?:(?:npx )?fastcgi |(?:FASTCGI_LISTEN=\S+ )?node (?:app\.fcgi|--import @fastcgi\/core\/register) |app\.fcgi |chmod \+x app\.fcgi$|touch tmp\/restart\.txt$)/

/** The words of `reasons` that a command is, whatever options follow. */
export const reasonFor = (text: string): string | undefined =>
  Object.keys(reasons).find(
    (words) =>
      text === words ||
      text.startsWith(`${words} -- `) ||
      (words === 'pnpm bench' && text.startsWith('pnpm bench ')),
  )

/** Who runs it; undefined for a command that nobody has thought of. */
export function runnerOf(command: Command): Runner | 'name' | undefined {
  const { file, text } = command
  if (text !== 'pnpm bench --help' && reasonFor(text) !== undefined) return 'none'
  if (isName(command)) return 'name'
  if (text.startsWith('npm install ')) return 'install'
  if (
    /^(?:npm start$|npm run release |node test\/suites\/run\.mjs --help$|pnpm bench --help$)/.test(
      text,
    )
  ) {
    return 'repository'
  }
  if (isServerPage(file) && text !== 'npm run setup') return 'machine'
  if (onMachines.includes(file) && administration.test(text)) return 'machine'
  return application.test(text) ? 'app' : undefined
}

export const commandsFor = (runner: Runner): Command[] =>
  commands.filter((command) => runnerOf(command) === runner)

/** Which test runs a block of code, a configuration, or the commands in it; undefined when nobody does. */
export function testOf(block: Block): string | undefined {
  const { file, language, text } = block
  const isUsers = documents.includes(file)
  if (language === 'sh') {
    const inside = commands.filter(
      (each) =>
        !each.inline &&
        each.file === file &&
        each.line > block.line &&
        each.line < block.line + text.split('\n').length,
    )
    return inside.length > 0 && inside.every((each) => runnerOf(each) !== undefined)
      ? 'see its lines'
      : undefined
  }
  if (language === '') return /^\S/m.test(text) ? undefined : 'a drawing'
  if (language === 'apache' || language === 'nginx') {
    return isUsers ? 'test/servers/docs.test.ts' : undefined
  }
  if (language === 'json') return isUsers ? 'test/docs-run.test.ts' : undefined
  if (language !== 'js') return undefined
  if (text.includes("from 'connect-redis'")) return 'test/servers/redis.test.ts'
  if (text.includes('function sendFile(')) return 'test/servers/offload.test.ts'
  return 'test/docs-run.test.ts'
}
