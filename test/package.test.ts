/**
 * What users get: every publishable package is packed, the tarballs are installed into an empty
 * folder, and that folder is used the way a project of theirs would use it.
 */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { environment } from '../scripts/run.mjs'
import { copyRepository, job, jobEnvironment, packPublished } from './support/published.ts'

interface Manifest {
  name: string
  version: string
  private?: boolean
  bin?: Record<string, string>
  exports?: Record<string, string | Record<string, string>>
  engines: { node: string }
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const bin = (name: string): string => path.join(root, 'node_modules', '.bin', name)

const packages = fs
  .readdirSync(path.join(root, 'packages'))
  .toSorted()
  .map((name) => ({ folder: path.join(root, 'packages', name), manifest: readManifest(name) }))
  .filter(({ manifest }) => manifest.private !== true)
  .map(({ folder, manifest }) => ({ folder, name: manifest.name, manifest }))
const libraries = packages.filter(({ manifest }) => manifest.exports?.['.'] !== undefined)

/** Packages whose dependencies come from elsewhere cannot be installed without a registry. */
const offline = packages.filter(({ manifest }) =>
  Object.keys(manifest.dependencies ?? {}).every((name) => name.startsWith('@fastcgi/')),
)

let tarballs: ReadonlyMap<string, string> = new Map()
let scratch = ''
let consumer = ''

function readManifest(name: string): Manifest {
  return JSON.parse(fs.readFileSync(path.join(root, 'packages', name, 'package.json'), 'utf8'))
}

/** Runs a program and gives its stdout; a failure carries all that it printed. */
async function exec(command: string, args: string[], cwd: string): Promise<string> {
  const env = Object.fromEntries(
    Object.entries(environment()).filter(
      ([name]) => !/^(NODE_ENV$|VITEST|NODE_OPTIONS)/.test(name),
    ),
  )
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd, env, maxBuffer: 1 << 26 })
    return stdout
  } catch (error) {
    const { message, stdout, stderr } = error as Error & { stdout: string; stderr: string }
    throw new Error(`${message}\n${stdout}\n${stderr}`, { cause: error })
  }
}

function tarball(name: string): string {
  const file = tarballs.get(name)
  if (file === undefined) throw new Error(`${name} was not packed`)
  return file
}

beforeAll(async () => {
  if (!fs.existsSync(path.join(root, 'packages/core/dist/index.js'))) {
    throw new Error('nothing is built; run: npm run setup')
  }
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fastcgi-package-'))
  tarballs = await packPublished(scratch)
  consumer = path.join(scratch, 'consumer')
  fs.mkdirSync(consumer)
  fs.writeFileSync(path.join(consumer, 'package.json'), '{ "name": "consumer", "private": true }')
  const files = offline.map(({ name }) => tarball(name))
  const flags = ['--offline', '--legacy-peer-deps', '--no-audit', '--no-fund', '--ignore-scripts']
  await exec('npm', ['install', ...flags, ...files], consumer)
  // With dependencies from elsewhere: laid out as npm would, dependencies from the workspace.
  for (const { folder, name, manifest } of packages.filter((one) => !offline.includes(one))) {
    const place = path.join(consumer, 'node_modules', name)
    fs.mkdirSync(place, { recursive: true })
    await exec('tar', ['-xzf', tarball(name), '--strip-components=1'], place)
    for (const dependency of Object.keys(manifest.dependencies ?? {})) {
      if (dependency.startsWith('@fastcgi/')) continue
      link(dependency, path.join(folder, 'node_modules', dependency))
    }
  }
  // The peers and Node's types, from what the workspace has installed.
  link('@types/node', path.join(root, 'node_modules/@types/node'))
  for (const { folder, manifest } of packages) {
    for (const peer of Object.keys(manifest.peerDependencies ?? {})) {
      link(peer, path.join(folder, 'node_modules', peer))
      const types = path.join('@types', peer)
      if (fs.existsSync(path.join(folder, 'node_modules', types))) {
        link(types, path.join(folder, 'node_modules', types))
      }
    }
  }
})

afterAll(() => {
  fs.rmSync(scratch, { recursive: true, force: true })
})

function link(name: string, target: string): void {
  const place = path.join(consumer, 'node_modules', name)
  if (fs.existsSync(place)) return
  fs.mkdirSync(path.dirname(place), { recursive: true })
  fs.symlinkSync(fs.realpathSync(target), place)
}

describe('manifests', () => {
  it('get one new version from `changeset version`, whichever package has changed', async () => {
    const place = path.join(scratch, 'versions')
    const copy = (file: string): void => {
      fs.mkdirSync(path.dirname(path.join(place, file)), { recursive: true })
      fs.copyFileSync(path.join(root, file), path.join(place, file))
    }
    const manifests = packages.map(({ folder }) =>
      path.relative(root, path.join(folder, 'package.json')),
    )
    for (const file of ['package.json', 'pnpm-workspace.yaml', '.changeset/config.json']) copy(file)
    for (const file of manifests) copy(file)
    const change = "---\n'@fastcgi/koa': minor\n---\n\nSomething new.\n"
    fs.writeFileSync(path.join(place, '.changeset/new.md'), change)
    const [major, minor] = readManifest('core').version.split('.').map(Number)
    await exec(bin('changeset'), ['version'], place)
    for (const file of manifests) {
      const { version } = JSON.parse(fs.readFileSync(path.join(place, file), 'utf8')) as Manifest
      expect(version, file).toBe(`${major}.${minor! + 1}.0`)
    }
    const log = fs.readFileSync(path.join(place, 'packages/koa/CHANGELOG.md'), 'utf8')
    expect(log).toContain('Something new.')
  })

  it('carry one version, and name each other by exactly that', () => {
    const versions = new Set(packages.map(({ manifest }) => manifest.version))
    expect([...versions]).toEqual([readManifest('core').version])
  })

  it('give the core no dependency of any kind', () => {
    const core = readManifest('core')
    expect(core.dependencies ?? {}).toEqual({})
    expect(core.optionalDependencies ?? {}).toEqual({})
    expect(core.peerDependencies ?? {}).toEqual({})
  })

  const address = /"(?:repository|homepage|bugs)"/
  it.each(packages)('of $name name no repository before it is known which', ({ folder }) => {
    expect(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).not.toMatch(address)
  })

  it.each(packages)('of $name state the oldest Node.js that works', ({ manifest }) => {
    expect(manifest.engines.node).toBe('>=20.19')
  })
})

describe('npm run release', () => {
  const address = { GITHUB_SERVER_URL: 'https://git.example.com', GITHUB_REPOSITORY: 'a/b' }
  let copy = ''

  beforeAll(() => {
    copy = path.join(scratch, 'repository')
    if (!fs.existsSync(copy)) copyRepository(copy)
  })

  /** Gives its exit code and what it said. */
  async function release(
    words: readonly string[],
    more: Readonly<Record<string, string>>,
  ): Promise<{ code: number; said: string }> {
    const args = ['scripts/release.mjs', ...words]
    try {
      const done = await promisify(execFile)(process.execPath, args, {
        cwd: copy,
        env: jobEnvironment(more),
      })
      return { code: 0, said: done.stdout + done.stderr }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { code, said: stdout + stderr }
    }
  }

  const refused: readonly {
    why: string
    words: readonly string[]
    more: Readonly<Record<string, string>>
    says: string
  }[] = [
    { why: 'no address', words: [], more: {}, says: 'the address of this repository is not known' },
    {
      why: 'no address, though only packed',
      words: ['--dry-run'],
      more: {},
      says: 'the address of this repository is not known',
    },
    {
      why: 'half an address',
      words: ['--dry-run'],
      more: { GITHUB_REPOSITORY: 'a/b' },
      says: 'the address of this repository is not known',
    },
    {
      why: 'an address that is none',
      words: ['--dry-run', '--repository', 'http://example.com/a/b'],
      more: {},
      says: 'no address of a repository',
    },
    {
      why: 'an address that is not that of the job',
      words: ['--dry-run', '--repository', 'https://git.example.com/other/b'],
      more: address,
      says: 'this job builds https://git.example.com/a/b',
    },
    {
      why: 'no identity token',
      words: [],
      more: address,
      says: 'there is no identity token',
    },
    {
      why: 'an unknown option',
      words: ['--publish'],
      more: address,
      says: 'Usage: npm run release',
    },
  ]
  it.each(refused)('publishes nothing with $why', async ({ words, more, says }) => {
    const { code, said } = await release(words, more)
    expect(said).toContain(says)
    expect(code).toBe(64)
  })

  it('leaves the manifests as they were', () => {
    for (const { folder } of packages) {
      const file = path.relative(root, path.join(folder, 'package.json'))
      expect(fs.readFileSync(path.join(copy, file), 'utf8')).toBe(
        fs.readFileSync(path.join(root, file), 'utf8'),
      )
    }
  })

  it('is what the workflow runs, in a job with an identity token', () => {
    const text = fs.readFileSync(path.join(root, '.github/workflows/release.yml'), 'utf8')
    expect(text).toMatch(/^ +id-token: write/m)
    expect(text).toMatch(/^ +(?:- )?run: npm run release/m)
    expect(text).not.toMatch(/registry-url:|https?:/)
  })
})

/** What is packed from `folder`: sources without tests, what the build makes of each, and little else. */
function expectedFiles(folder: string, manifest: Manifest): string[] {
  const below = (name: string): string[] =>
    fs
      .readdirSync(path.join(folder, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
  const sources = below('src').filter((file) => !file.endsWith('.test.ts'))
  const made = (endings: string[]): string[] =>
    sources
      .filter((file) => !file.endsWith('.d.ts'))
      .flatMap((file) =>
        endings.map((ending) => `${file.replace('src', 'dist').slice(0, -3)}${ending}`),
      )
  const always = ['LICENSE', 'README.md', 'package.json']
  // Written by `changeset version`, so not before the second release.
  if (fs.existsSync(path.join(folder, 'CHANGELOG.md'))) always.push('CHANGELOG.md')
  const types = ['.d.ts', '.d.ts.map']
  if (manifest.bin !== undefined) {
    return [...always, ...below('bin'), ...below('templates'), ...made(['.js'])]
  }
  return fs.existsSync(path.join(folder, 'lib'))
    ? [...always, ...sources, ...below('lib'), ...made(types)]
    : [...always, ...sources, ...made(['.js', '.js.map', ...types])]
}

describe.each(packages)('the tarball of $name', ({ name, folder, manifest: before }) => {
  it('holds what is used, and nothing else', async () => {
    const files = (await exec('tar', ['-tzf', tarball(name)], scratch)).trim().split('\n')
    expect(files.toSorted()).toEqual(
      expectedFiles(folder, before)
        .map((file) => path.posix.join('package', file))
        .toSorted(),
    )
    const manifest = JSON.parse(
      await exec('tar', ['-xzOf', tarball(name), 'package/package.json'], scratch),
    ) as Manifest
    for (const version of Object.values(manifest.dependencies ?? {})) {
      expect(version).not.toContain('workspace:')
    }
    const named = [
      ...Object.values(manifest.bin ?? {}),
      ...Object.values(manifest.exports ?? {}).flatMap((entry) =>
        typeof entry === 'string' ? [entry] : Object.values(entry),
      ),
    ]
    for (const file of named) expect(files).toContain(path.posix.join('package', file))
  })

  it('says where it was built: repository, homepage, bugs', async () => {
    const manifest = JSON.parse(
      await exec('tar', ['-xzOf', tarball(name), 'package/package.json'], scratch),
    ) as unknown
    const directory = path.relative(root, folder)
    const url = `${job.GITHUB_SERVER_URL}/${job.GITHUB_REPOSITORY}`
    expect(manifest).toMatchObject({
      repository: { type: 'git', url: `git+${url}.git`, directory },
      homepage: `${url}/tree/HEAD/${directory}#readme`,
      bugs: { url: `${url}/issues` },
      publishConfig: { access: 'public', provenance: true },
    })
  })

  it('is as large as the README says', () => {
    const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8')
    const row = readme
      .split('\n')
      .find((line) => line.startsWith('|') && line.includes(`\`${name}\``))
    const told = Number(/ (\d+) kB/.exec(row ?? '')?.[1])
    const size = fs.statSync(tarball(name)).size / 1000
    expect(Math.abs(size - told), `${size} kB, the README says ${told}`).toBeLessThan(1 + told / 5)
  })

  it('satisfies publint', async () => {
    await exec(bin('publint'), ['run', tarball(name), '--strict'], root)
  })
})

describe.each(libraries)('types of $name', ({ name }) => {
  it('resolve for importers and for requirers', async () => {
    // The private condition is not for users, and no resolver but ours asks for it.
    await exec(bin('attw'), [tarball(name), '--profile', 'esm-only'], root)
  })
})

describe('an empty project with the tarballs installed', () => {
  const entries = [
    '@fastcgi/core',
    '@fastcgi/core/protocol',
    '@fastcgi/core/client',
    '@fastcgi/core/gateway',
    '@fastcgi/express',
    '@fastcgi/koa',
    '@fastcgi/fastify',
  ]

  it.each(entries)('imports and requires the same %s', async (entry) => {
    const code = `import(${JSON.stringify(entry)}).then((imported) => {
      const required = require(${JSON.stringify(entry)})
      if (imported !== required && imported.default !== required.default) throw new Error('two copies')
      console.log(JSON.stringify(Object.keys(required)))
    })`
    const names = JSON.parse(await exec(process.execPath, ['-e', code], consumer)) as string[]
    expect(names.length).toBeGreaterThan(0)
  })

  it('finds createServer and serve in the core, serve in each adapter', async () => {
    const code = `for (const [name, keys] of [
      ['core', ['createServer', 'serve']], ['express', ['serve']], ['koa', ['serve']], ['fastify', ['serve']],
    ]) for (const key of keys) if (typeof require('@fastcgi/' + name)[key] !== 'function') throw new Error(name + ' ' + key)`
    await exec(process.execPath, ['-e', code], consumer)
  })

  const commands = packages.flatMap(({ name, manifest }) =>
    Object.entries(manifest.bin ?? {}).map(([command, file]) => ({ command, file, name })),
  )
  it.each(commands)('runs the command $command of $name', async ({ command, file, name }) => {
    const program = path.join(consumer, 'node_modules', name, file)
    expect(fs.statSync(program).mode & 0o111, 'executable').not.toBe(0)
    expect(await exec(program, ['--help'], consumer)).toContain(command)
  })
})

describe('programs in TypeScript that use the packages, whose types are checked as well', () => {
  const source = (load: (names: string, from: string) => string): string => `
    ${load('createServer, serve, type ServeOptions', '@fastcgi/core')}
    ${load('request', '@fastcgi/core/client')}
    ${load('startGateway', '@fastcgi/core/gateway')}
    ${load('decodePairs', '@fastcgi/core/protocol')}
    ${load('serve as serveShared', '@fastcgi/core/shared')}
    ${load('serve as serveExpress', '@fastcgi/express')}
    ${load('serve as serveKoa', '@fastcgi/koa')}
    ${load('serve as serveFastify', '@fastcgi/fastify')}
    ${load('default as express', 'express')}
    const options: ServeOptions = { listen: '/run/app.sock' }
    const server = createServer((req, res) => {
      const user: string | undefined = req.fastcgi.remoteUser
      const mount: string = req.fastcgi.mount
      res.end(mount + user)
    })
    void serveExpress(() => express().get('/', (req, res) => { res.send(req.fastcgi.mount) }), options)
    export const all = [server.address(), serve, request, startGateway, decodePairs, serveShared, serveKoa, serveFastify]
    // @ts-expect-error a server is no number: the types must be found, not fall back to any
    export const wrong: number = server
  `
  const esm = source((names, from) => `import { ${names} } from '${from}'`)
  // In CommonJS, TypeScript lets \`import\` become \`require\` of an ES module where the Node.js meant can: nodenext.
  // Under node16 a CommonJS module loads one by \`import()\`.
  const dynamic = `
    export async function start(): Promise<string> {
      const { serve, createServer } = await import('@fastcgi/core')
      const express = await import('@fastcgi/express')
      await express.serve(() => import('./app.cjs'))
      // @ts-expect-error a server is no number: the types must be found, not fall back to any
      const wrong: number = await serve(() => {})
      return String(createServer().address()) + wrong
    }
  `
  const app = 'export default function app(): void {}'

  const compilers = [
    { version: '5.9', folder: 'test/node_modules/typescript5' },
    { version: '6.0', folder: 'test/node_modules/typescript' },
    { version: '7.0', folder: 'node_modules/typescript' },
  ]
  const nodenext = ['nodenext', 'nodenext', 'esm.mts', 'cjs.cts']
  const bundler = ['esnext', 'bundler', 'esm.mts']
  const checks = compilers.flatMap(({ version, folder }) => [
    { version, folder, way: nodenext },
    { version, folder, way: bundler },
    // Not with newer ones: seconds each, for the rules of nodenext with one difference.
    ...(version === '5.9'
      ? [{ version, folder, way: ['node16', 'node16', 'esm.mts', 'import.cts'] }]
      : []),
  ])

  beforeAll(() => {
    const files = { 'esm.mts': esm, 'cjs.cts': esm, 'import.cts': dynamic, 'app.cts': app }
    for (const [name, text] of Object.entries(files)) {
      fs.writeFileSync(path.join(consumer, name), text)
    }
  })

  it.each(compilers)('TypeScript $version is what is tested', ({ version, folder }) => {
    const file = path.join(root, folder, 'package.json')
    const manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest
    expect(manifest.version.startsWith(`${version}.`)).toBe(true)
  })

  it.each(checks)('TypeScript $version checks them: $way.1', async ({ folder, way }) => {
    const [module, resolution, ...files] = way
    const options = [
      ...['--noEmit', '--strict', '--skipLibCheck', 'false', '--types', 'node'],
      ...['--target', 'es2023', '--lib', 'es2023'],
      ...['--module', module!, '--moduleResolution', resolution!],
    ]
    await exec(
      process.execPath,
      [path.join(root, folder, 'bin/tsc'), ...options, ...files],
      consumer,
    )
  })
})
