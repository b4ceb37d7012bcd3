// `npm run release`: publishes the packages, each with the address of the repository it was built in, and with
// provenance. The address is nowhere in the repository: continuous integration says it, and so a fork publishes as itself.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { environment, root, run } from './run.mjs'
import { PNPM } from './setup.mjs'

const help = `Usage: npm run release -- [options]

Publishes every package whose version the registry does not have, by changesets, and tags it. Runs in a job of
continuous integration with an identity token (GitHub: "id-token: write"), since npm gives provenance to nothing else.

Options:
  --repository URL   address of the repository; default: $GITHUB_SERVER_URL/$GITHUB_REPOSITORY
  --dry-run          packs what would be published, and publishes nothing; needs no job
  --out FOLDER       where --dry-run packs to; default: packed
  --help             this text`

const { values } = parse()
if (values.help) {
  console.log(help)
  process.exit(0)
}
const address = repositoryAddress()
if (!values['dry-run']) checkIdentity()
const packages = publishedPackages()
checkBuild()

const before = packages.map(({ file }) => fs.readFileSync(file, 'utf8'))
// What is published says where it comes from; what is committed stays as it was, even when we are interrupted.
process.once('exit', () => {
  packages.forEach(({ file }, i) => fs.writeFileSync(file, before[i]))
})
for (const { file, directory, manifest } of packages) {
  fs.writeFileSync(file, `${JSON.stringify(withAddress(manifest, directory), null, 2)}\n`)
}
process.exit(values['dry-run'] ? await pack() : await publish())

function parse() {
  try {
    return parseArgs({
      options: {
        repository: { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        out: { type: 'string', default: 'packed' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    return refuse(`${error.message}\n\n${help}`)
  }
}

/** Ends the process before anything has been written. */
function refuse(why) {
  console.error(why)
  process.exit(64)
}

/** Without `.git` and without a slash at the end. */
function repositoryAddress() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env
  const built = server && name ? `${server}/${name}` : undefined
  const said = values.repository ?? built
  if (said === undefined) {
    return refuse(
      'Not released: the address of this repository is not known, and npm shows and checks it (provenance).\n' +
        'Run it in GitHub Actions, where GITHUB_SERVER_URL and GITHUB_REPOSITORY say it, or with --repository https://HOST/OWNER/NAME.',
    )
  }
  const url = URL.canParse(said) ? new URL(said) : undefined
  const place = url?.pathname.replace(/\/+$|\.git$/, '')
  if (url?.protocol !== 'https:' || !/^\/[^/]+(?:\/[^/]+)+$/.test(place)) {
    return refuse(
      `Not released: ${said} is no address of a repository such as https://HOST/OWNER/NAME.`,
    )
  }
  const found = url.origin + place
  if (built !== undefined && found.toLowerCase() !== built.toLowerCase()) {
    return refuse(
      `Not released: this job builds ${built}, and npm refuses a package that says it comes from ${found}.`,
    )
  }
  return found
}

/** By which the registry is shown that this very job publishes. */
function checkIdentity() {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: github, SIGSTORE_ID_TOKEN: others } = process.env
  if (github || others) return
  refuse(
    'Not released: there is no identity token, without which npm gives no provenance.\n' +
      'Run it in a job with "permissions: id-token: write" (.github/workflows/release.yml), or look first: --dry-run.',
  )
}

function publishedPackages() {
  return fs
    .readdirSync(path.join(root, 'packages'))
    .toSorted()
    .map((name) => {
      const directory = path.posix.join('packages', name)
      const file = path.join(root, directory, 'package.json')
      return { directory, file, manifest: JSON.parse(fs.readFileSync(file, 'utf8')) }
    })
    .filter(({ manifest }) => manifest.private !== true)
}

/** A package without what it exports would be published as gladly. */
function checkBuild() {
  for (const { directory, manifest } of packages) {
    const entries = Object.values(manifest.exports ?? {}).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    )
    const missing = [...entries, ...Object.values(manifest.bin ?? {}), 'dist'].find(
      (file) => !fs.existsSync(path.join(root, directory, file)),
    )
    if (missing) refuse(`Not released: ${directory}/${missing} is not there; first: npm run setup`)
  }
}

/** The three fields behind the licence, as npm shows and checks them. */
function withAddress(manifest, directory) {
  const fields = {
    homepage: `${address}/tree/HEAD/${directory}#readme`,
    bugs: { url: `${address}/issues` },
    repository: { type: 'git', url: `git+${address}.git`, directory },
  }
  return Object.fromEntries(
    Object.entries(manifest).flatMap(([name, value]) =>
      name === 'license' ? [[name, value], ...Object.entries(fields)] : [[name, value]],
    ),
  )
}

async function pack() {
  const out = path.resolve(root, values.out)
  fs.mkdirSync(out, { recursive: true })
  const filters = packages.map(({ manifest }) => `--filter=${manifest.name}`)
  const words = ['-y', PNPM, '-r', ...filters, 'pack', '--pack-destination', out]
  const { code } = await run('npx', words, { env: environment() })
  if (code !== 0) return code
  for (const { manifest } of packages) console.log(`${manifest.name} ${manifest.version}`)
  console.log(`of ${address}. Nothing is published; the packages are in ${out}`)
  return 0
}

/** npx puts pnpm into PATH, where changesets looks for what publishes. */
async function publish() {
  const env = { ...environment(), npm_config_provenance: 'true' }
  const words = ['-y', PNPM, 'exec', 'changeset', 'publish']
  return (await run('npx', words, { env, show: 'all', timeout: 1_800_000 })).code
}
