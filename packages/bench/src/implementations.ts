/** Who takes part, how each is started, and why one cannot: a rival that is not installed is named, not left out. */
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { passengerCore, passengerVersion } from './passenger.ts'
import { programPath, packagePath } from './program.ts'
import { writeFileSync } from 'node:fs'
import type { ExtraParams } from './load/request-bytes.ts'

/** How one is started. */
export interface Command {
  /** A program on Node that is asked over IPC, or any program. */
  readonly node: boolean
  readonly file: string
  readonly args: readonly string[]
}

/** One contestant. */
export interface Implementation {
  readonly id: string
  readonly title: string
  readonly protocol: 'fcgi' | 'http'
  readonly framework: string
  /** The id of `node:http` with the same app: what its figures are divided by. */
  readonly baseline: string | undefined
  /** False: it closes after each answer or serves one connection at a time, so it is reached by a new one each. */
  readonly keepConnection: boolean
  readonly multiplexes: boolean
  readonly onNode: boolean
  readonly cases: readonly string[] | undefined
  /** Version when it can run, else why not. */
  readonly detect: () => { version: string } | { missing: string }
  /** `node`: the Node binary, for a program that starts it by itself. */
  readonly command: (folder: string, socket: string, node: string) => Command
  /** The least script that serves hello, as a user writes it: for the case `start`. Without it `command` is started. */
  readonly minimal?: (socket: string) => Command
  readonly extraParams: ExtraParams
}

const require = createRequire(import.meta.url)

function packageVersion(name: string): { version: string } | { missing: string } {
  try {
    return { version: (require(`${name}/package.json`) as { version: string }).version }
  } catch {
    return { missing: 'not installed' }
  }
}

function programVersion(program: string, args: string[], pattern: RegExp): string | undefined {
  try {
    return pattern.exec(execFileSync(program, args, { encoding: 'latin1', stdio: 'pipe' }))?.[1]
  } catch {
    return undefined
  }
}

function onNode(
  transport: string,
  framework: string,
  ...more: string[]
): Implementation['command'] {
  return (_folder, socket) => ({
    node: true,
    file: programPath('apps/node-app'),
    args: [transport, framework, socket, ...more],
  })
}

function minimal(name: string): Implementation['minimal'] {
  return (socket) => ({
    node: true,
    file: programPath(`apps/minimal/${name}`),
    args: [socket],
  })
}

const base = {
  onNode: true,
  keepConnection: true,
  multiplexes: false,
  cases: undefined,
  extraParams: [],
} as const

const frameworks = ['raw', 'express', 'koa', 'fastify'] as const
const label = {
  raw: '',
  express: ' + Express 5',
  koa: ' + Koa 3',
  fastify: ' + Fastify 5',
} as const

function nodeFamily(): Implementation[] {
  return frameworks.flatMap((framework): Implementation[] => {
    const detect = (): { version: string } | { missing: string } =>
      framework === 'raw' ? { version: '' } : packageVersion(framework)
    return [
      {
        ...base,
        id: `ours-${framework}`,
        title: `@fastcgi/core${label[framework]}`,
        protocol: 'fcgi',
        framework,
        baseline: `http-${framework}`,
        multiplexes: true,
        detect: () => packageVersion('@fastcgi/core'),
        command: onNode('ours', framework),
        minimal: minimal(`ours-${framework}`),
      },
      {
        ...base,
        id: `http-${framework}`,
        title: `node:http${label[framework]}`,
        protocol: 'http',
        framework,
        baseline: undefined,
        detect,
        command: onNode('http', framework),
        minimal: minimal(`http-${framework}`),
      },
    ]
  })
}

/**
 * Another build of @fastcgi/core with the same app, to see what a change brings.
 *
 * @param entry `NAME=FILE`: FILE is the build's `index.js`; the implementation is called `NAME-FRAMEWORK`
 */
export function otherBuild(entry: string, framework: string): Implementation {
  const [name = '', file = ''] = entry.split('=')
  return {
    ...base,
    id: `${name}-${framework}`,
    title: `@fastcgi/core as ${name}, ${framework}`,
    protocol: 'fcgi',
    framework,
    baseline: `http-${framework}`,
    multiplexes: true,
    detect: () => ({ version: file }),
    command: onNode('ours', framework, pathToFileURL(resolve(file)).href),
  }
}

function nodeFastcgi(framework: 'raw' | 'express'): Implementation {
  return {
    ...base,
    id: `node-fastcgi-${framework}`,
    title: `node-fastcgi${label[framework]}`,
    protocol: 'fcgi',
    framework,
    baseline: `http-${framework}`,
    keepConnection: false,
    detect: () => packageVersion('node-fastcgi'),
    command: onNode('node-fastcgi', framework),
    minimal: minimal(`node-fastcgi-${framework}`),
  }
}

const floor: Implementation = {
  ...base,
  id: 'floor',
  title: 'bare net.Server, canned answer',
  protocol: 'fcgi',
  framework: 'raw',
  baseline: 'http-raw',
  cases: ['hello', 'connections64', 'idle'],
  detect: () => ({ version: '' }),
  command: onNode('floor', 'raw'),
}

const go: Implementation = {
  ...base,
  onNode: false,
  id: 'go',
  title: 'Go net/http/fcgi',
  protocol: 'fcgi',
  framework: 'raw',
  baseline: 'http-raw',
  multiplexes: true,
  detect: () => {
    const version = programVersion('go', ['version'], /go version go(\S+)/)
    return version === undefined ? { missing: 'not installed (golang-go)' } : { version }
  },
  command: (folder, socket) => {
    const file = join(folder, 'hello-go')
    execFileSync('go', ['build', '-o', file, packagePath('native/hello.go')], {
      env: {
        ...process.env,
        GO111MODULE: 'off',
        GOCACHE: join(folder, 'gocache'),
        GOTOOLCHAIN: 'local',
      },
    })
    return { node: false, file, args: [socket] }
  },
}

const libfcgi: Implementation = {
  ...base,
  onNode: false,
  id: 'libfcgi',
  title: 'libfcgi (C)',
  protocol: 'fcgi',
  framework: 'raw',
  baseline: 'http-raw',
  keepConnection: false,
  cases: ['hello'],
  detect: () => {
    const version = programVersion('dpkg-query', ['-W', '-f=${Version}', 'libfcgi-dev'], /^(\S+)/)
    return version === undefined ? { missing: 'not installed (libfcgi-dev)' } : { version }
  },
  command: (folder, socket) => {
    const file = join(folder, 'hello-c')
    execFileSync('cc', ['-O2', '-o', file, packagePath('native/hello.c'), '-lfcgi'])
    return { node: false, file, args: [socket] }
  },
}

const phpPrograms = ['php-fpm', 'php-fpm8.4', 'php-fpm8.3', 'php-fpm8.2'] as const

function phpVersion(program: string): string | undefined {
  return programVersion(program, ['-v'], /^PHP (\S+)/)
}

const phpFpm: Implementation = {
  ...base,
  onNode: false,
  id: 'php-fpm',
  title: 'php-fpm',
  protocol: 'fcgi',
  framework: 'raw',
  baseline: 'http-raw',
  keepConnection: false,
  cases: ['hello', 'json', 'post'],
  detect: () => {
    const version = phpPrograms.map(phpVersion).find((found) => found !== undefined)
    return version === undefined ? { missing: 'not installed (php-fpm)' } : { version }
  },
  command: (folder, socket) => {
    const file = phpPrograms.find((program) => phpVersion(program) !== undefined) ?? 'php-fpm'
    const config = join(folder, 'php-fpm.conf')
    const user = process.getuid?.() === 0 ? 'user = root\ngroup = root\n' : ''
    writeFileSync(
      config,
      `[global]\nerror_log = ${folder}/php-fpm.log\ndaemonize = no\n[bench]\n${user}` +
        `listen = ${socket}\nlisten.mode = 0666\npm = static\npm.max_children = 4\n`,
    )
    return { node: false, file, args: ['-F', '-R', '-y', config] }
  },
  extraParams: [['SCRIPT_FILENAME', packagePath('native/hello.php')]],
}

const passenger: Implementation = {
  ...base,
  // The process is Passenger's core, which starts Node by itself.
  onNode: false,
  id: 'passenger',
  title: 'Phusion Passenger, core and app',
  protocol: 'http',
  framework: 'raw',
  baseline: 'http-raw',
  cases: ['hello', 'json'],
  detect: () => {
    const version = passengerVersion()
    return version === undefined ? { missing: 'not installed (passenger)' } : { version }
  },
  command: (...where) => ({ node: false, ...passengerCore(...where) }),
}

/** Everyone, ours first and each beside the node:http it is compared with. */
export const IMPLEMENTATIONS: readonly Implementation[] = [
  ...nodeFamily(),
  floor,
  nodeFastcgi('raw'),
  nodeFastcgi('express'),
  go,
  phpFpm,
  libfcgi,
  passenger,
]
